"""Every documented model is exported, with the same outputs in ONNX Runtime, OpenVINO and torch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sample_models import make_description, make_sample
from torch import nn

from residerm import imaging
from residerm.config import PixelSpec, ResNetOptions
from residerm.inference import load, write_bundle
from residerm.inference.export import export_bundle
from residerm.models import build
from residerm.models.model import Model

SIZES = {f"resnet{depth}": 64 for depth in (18, 34, 50, 101, 152)}
SIZES |= {f"resnet{depth}": 32 for depth in (20, 32, 44, 56, 110)}
SIZES |= dict.fromkeys(
    ("cnn", "logistic", "vgg19", "resnext50_32x4d", "densenet121", "efficientnet_b0", "tf_efficientnet_lite0"), 64
)


def with_normalisation_statistics(name: str, size: int) -> Model:
    """A network with random weights, and normalisation statistics of the images that are compared.

    Otherwise, its activations would grow from layer to layer beyond the precision of the comparison in float32.
    """
    torch.manual_seed(0)
    model = build(name, 3, size).train()
    description = make_description(model, ResNetOptions())
    model.set_colours(description.mean, description.deviation)
    pictures, spec = make_sample(), PixelSpec(size=size)
    pixels = torch.from_numpy(np.stack([imaging.read(pictures.read(number), spec) for number in range(len(pictures))]))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean over all that is seen
    with torch.no_grad():
        model(pixels.permute(0, 3, 1, 2))
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), SIZES.items(), ids=list(SIZES))
def test_model_is_exported_with_parity(tmp_path: Path, name: str, size: int) -> None:
    model = with_normalisation_statistics(name, size)
    description = make_description(model, ResNetOptions()).model_copy(update={"pixels": PixelSpec(size=size)})
    bundle = write_bundle(model, description, tmp_path / "bundle")
    folder = tmp_path / "onnx"
    record = export_bundle(
        [bundle], folder, to="onnx", precision="float32", sample=make_sample(), calibration=make_sample(seed=1)
    )
    assert record.passed
    assert {one.runtime for one in record.measured} == {"onnx", "openvino"}
    pixels = np.stack([imaging.read(make_sample().read(number), description.pixels) for number in range(4)])
    expected = load(bundle).outputs(pixels, maps=True)
    for runtime in ("onnx", "openvino"):
        found = load(folder, runtime=runtime).outputs(pixels, maps=True)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
        assert (found.features is None) == (expected.features is None)
        assert (found.maps is None) == (expected.maps is None)
