"""A small model, exported once for all tests that do not change it."""

from pathlib import Path

import pytest
from sample_models import make_description, make_model, make_sample

from residerm.config import ResNetOptions
from residerm.inference import write_bundle
from residerm.inference.export import export_bundle
from residerm.inference.seen import Seen

TINY = ResNetOptions(width=8)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of a small ResNet in torch."""
    saved = make_model("resnet-basic-1-1-1", TINY)
    seen = Seen.of(["one", "two"], ["lesion"], [(10, 20)])
    return write_bundle(saved, make_description(saved, TINY), tmp_path_factory.mktemp("model") / "bundle", seen=seen)


@pytest.fixture(scope="session")
def exported(bundle: Path) -> Path:
    """The same, exported to ONNX."""
    folder = bundle.parent / "onnx"
    export_bundle(
        [bundle], folder, to="onnx", precision="float32", sample=make_sample(), calibration=make_sample(seed=1)
    )
    return folder
