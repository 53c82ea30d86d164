"""The same seed gives bitwise identical weights in every run and version.

The recorded hash is that of an early version, on one kind of machine; arithmetic differs
in the last bit between releases of torch and between processors, so elsewhere only the first comparison is made. Where
the method itself changes on purpose, record the new hash, and say why in dev/LOG.md.
"""

from __future__ import annotations

import hashlib
import platform
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from residerm.config import Experiment, ModelOptions, PixelSpec, SyntheticOptions, TrainOptions
from residerm.data.synthetic import draw_archive
from residerm.training.session import train

RECORDED_ON = ("2.15.0", "AVX512", "x86_64")
RECORDED = "19cf16d6a8ea6d2fb19d4526b31621636282c5e5ac03dd3bada92525ace899f8"


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights_of_a_short_training(folder: Path) -> str:
    archive = folder / "archive"
    if not archive.exists():
        draw_archive(archive, SyntheticOptions(images=140, width=64, height=48))
    experiment = Experiment(
        path=archive,
        pixels=PixelSpec(size=32),
        network=ModelOptions(model="resnet20"),
        training=TrainOptions(epochs=2, batch_size=32, precision="float32"),
    )
    weights = load_file(train(experiment, folder / "runs").bundle / "model.safetensors")
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode() + weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.skipif(torch.cuda.is_available(), reason="the recorded training is one on a CPU")
def test_weights_match_the_recorded_hash(tmp_path: Path) -> None:
    found = weights_of_a_short_training(tmp_path)
    assert found == weights_of_a_short_training(tmp_path)
    machine = (torch.__version__.split("+")[0], torch.backends.cpu.get_cpu_capability(), platform.machine())
    if machine == RECORDED_ON:
        assert found == RECORDED
