"""float32 is not replaced by TF32 or bf16 while a network runs, and the settings are restored afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sample_models import make_description, make_images, make_model
from torch.backends import cuda, cudnn, mkldnn

from residerm.config import ResNetOptions
from residerm.inference import Predictor
from residerm.inference.precision import _settings, exact_float32
from residerm.inference.runtimes.torch import TorchRuntime

SMALL = ResNetOptions(width=8)


def settings() -> list[str]:
    return [one.fp32_precision for one in _settings()]


def by_the_older_functions() -> None:
    torch.set_float32_matmul_precision("medium")
    cudnn.allow_tf32 = True


def by_the_newer_ones() -> None:
    cuda.matmul.fp32_precision = cudnn.conv.fp32_precision = "tf32"
    mkldnn.matmul.fp32_precision = mkldnn.conv.fp32_precision = "bf16"


@pytest.fixture(params=[by_the_older_functions, by_the_newer_ones])
def rounded(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """Reduced precision in PyTorch's global settings: TF32 on CUDA, bf16 on the CPU."""
    before = settings()
    request.param()
    yield settings()
    torch.set_float32_matmul_precision("highest")
    for one, value in zip(_settings(), before, strict=True):
        one.fp32_precision = value


def test_settings_are_exact_inside_and_restored(rounded: list[str]) -> None:
    assert rounded[:2] == ["tf32", "tf32"]
    with exact_float32():
        assert set(settings()) == {"ieee"}
        assert torch.get_float32_matmul_precision() == "highest"  # or a product on CUDA would fail
        assert not cuda.matmul.allow_tf32
    assert settings() == rounded


def test_older_settings_are_readable_afterwards() -> None:
    torch.set_float32_matmul_precision("high")
    try:
        with exact_float32():
            pass
        assert torch.get_float32_matmul_precision() == "high"
        assert cuda.matmul.allow_tf32
        assert cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision("highest")


def test_settings_are_restored_after_an_error(rounded: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), exact_float32():
        raise ZeroDivisionError
    assert settings() == rounded


def test_overlapping_threads_restore_the_settings(rounded: list[str]) -> None:
    """`evaluate` predicts in two threads, and the first one to start may finish first."""
    second_is_in, first_is_out, found = threading.Event(), threading.Event(), []

    def second() -> None:
        with exact_float32():
            second_is_in.set()
            first_is_out.wait(10)
            found.append(cuda.matmul.fp32_precision)

    thread = threading.Thread(target=second)
    with exact_float32():
        thread.start()
        second_is_in.wait(10)
    first_is_out.set()
    thread.join()
    assert found == ["ieee"]
    assert settings() == rounded


def test_float32_prediction_is_not_rounded(rounded: list[str]) -> None:
    """Where this CPU computes bf16, `medium` would round the last layer's numbers."""
    model = make_model("resnet18", SMALL)
    predictor = Predictor(make_description(model, SMALL), TorchRuntime(model, device="cpu"))
    found = predictor.outputs(make_images()).logits
    assert settings() == rounded
    torch.set_float32_matmul_precision("highest")
    for one in _settings():
        one.fp32_precision = "ieee"  # the fixture restores them
    np.testing.assert_array_equal(found, predictor.outputs(make_images()).logits)


def test_bf16_does_not_change_the_settings(rounded: list[str]) -> None:
    model, seen = make_model("resnet18", SMALL), []
    runtime = TorchRuntime(model, precision="bf16", device="cpu")
    runtime._network.register_forward_hook(lambda *_: seen.append(settings()))
    runtime.run(make_images(), maps=False)
    assert seen == [rounded]
