"""Choice of devices and precision on simulated hardware: the CUDA path without a GPU."""

import platform
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from residerm.config import TrainOptions
from residerm.errors import UsageError
from residerm.inference.precision import choose_precision
from residerm.training import hardware


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)


@pytest.fixture
def fabric_arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments passed to Fabric."""
    given: dict[str, Any] = {}

    def stand_in(**options: Any) -> SimpleNamespace:
        given.update(options)
        return SimpleNamespace(launch=lambda: None)

    monkeypatch.setattr(hardware, "Fabric", stand_in)
    return given


@pytest.mark.usefixtures("two_gpus")
def test_cuda_is_used_if_available(fabric_arguments: dict[str, Any]) -> None:
    hardware.launch(TrainOptions())
    assert fabric_arguments == {
        "accelerator": "cuda", "devices": 1, "num_nodes": 1, "strategy": "auto", "precision": "bf16-mixed",
    }  # fmt: skip


@pytest.mark.usefixtures("two_gpus")
def test_two_devices_share_the_batch(fabric_arguments: dict[str, Any]) -> None:
    hardware.launch(TrainOptions(devices=2, precision="float32"))
    assert (fabric_arguments["accelerator"], fabric_arguments["devices"], fabric_arguments["strategy"]) == (
        "cuda",
        2,
        "ddp",
    )
    assert fabric_arguments["precision"] == "32-true"


@pytest.mark.usefixtures("two_gpus")
def test_torchrun_over_two_machines(fabric_arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    hardware.launch(TrainOptions())
    assert (fabric_arguments["devices"], fabric_arguments["num_nodes"], fabric_arguments["strategy"]) == (2, 2, "ddp")


@pytest.mark.usefixtures("two_gpus")
def test_more_processes_than_gpus() -> None:
    with pytest.raises(UsageError, match="`devices=3`: this machine has 2 CUDA devices"):
        hardware.choose_accelerator(3)


def test_more_processes_than_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    assert hardware.choose_accelerator(2) == "cpu"
    with pytest.raises(UsageError, match="no CUDA device and 2 cores"):
        hardware.choose_accelerator(3)


@pytest.mark.parametrize(
    ("asked_for", "able", "chosen"),
    [("auto", True, "bf16"), ("auto", False, "float32"), ("bf16", False, "bf16"), ("float32", True, "float32")],
)
def test_default_precision_depends_on_the_hardware(
    monkeypatch: pytest.MonkeyPatch, asked_for: str, able: bool, chosen: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: able)
    assert choose_precision(asked_for, "cuda") == chosen
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able, "avx2": True}, raising=False)
    assert choose_precision(asked_for, "cpu") == chosen


@pytest.mark.parametrize(("processes", "device", "kind"), [(1, "cuda", nn.BatchNorm2d), (2, "cpu", nn.BatchNorm2d),
                                                           (2, "cuda", nn.SyncBatchNorm)])  # fmt: skip
def test_batch_statistics_are_synchronised_on_accelerators_only(processes: int, device: str, kind: type) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    fabric: Any = SimpleNamespace(world_size=processes, device=SimpleNamespace(type=device))
    assert type(hardware.synchronised(model, fabric)[1]) is kind


FREEING = """
import resource, torch
from residerm.training.hardware import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(3_000_000)
        torch.ones(12_000_000)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
keep_freed_memory()
faults()
print(given_back, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the memory of another C library is left as it is")
def test_freed_memory_is_kept() -> None:
    found = subprocess.run([sys.executable, "-c", FREEING], check=True, capture_output=True, text=True)
    given_back, kept = (int(count) for count in found.stdout.split())
    assert given_back > 10_000 > 100 > kept
