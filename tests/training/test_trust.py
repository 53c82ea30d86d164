"""Fitting of trust at the end of a training, and its storage in the bundle."""

from pathlib import Path

import archives
import numpy as np
import pytest
from recorded_progress import RecordedProgress
from sample_models import make_description, make_model
from sample_outputs import CLASSES, make_trust

from residerm.config import Experiment, PixelSpec, ResNetOptions, TrustOptions
from residerm.config.network import ModelOptions
from residerm.data.archives import open_archive
from residerm.data.loading.cache import open_cache
from residerm.inference import load, read_description
from residerm.inference.bundle import BundleError, read_trust, write_bundle
from residerm.training.neighbours import evenly, reference_of
from residerm.training.trust import fit_trust


class _Parts:
    def __init__(self, path: Path, validation: int) -> None:
        self.records = open_archive(path)
        self.cache = open_cache(self.records, PixelSpec(size=32))
        rows = np.arange(len(self.records))
        self.validation_rows, self.training_rows = rows[:validation], rows[validation:]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = make_model("resnet20", ResNetOptions())
    description = make_description(model, ResNetOptions())
    return write_bundle(model, description, tmp_path_factory.mktemp("model") / "bundle")


def test_trust_is_fitted_on_validation_and_training_images(bundle: Path, tmp_path: Path) -> None:
    predictor, progress = load(bundle), RecordedProgress()
    parts = _Parts(archives.ham10000(tmp_path / "archive", lesions=105), validation=60)
    parts.records.labels[:] %= len(predictor.description.classes)
    options = TrustOptions(coverage=0.8)
    trust = fit_trust(predictor, parts, reference_of(predictor, parts), options, progress)
    assert trust is not None
    assert trust.summary.images == 60
    assert trust.summary.sets.coverage == 0.8
    assert trust.eight is not None
    assert not progress.remarks
    done, total = progress.steps[-1]
    assert done == total == 9 * 60
    pixels = np.array(parts.cache.pixels[:8])
    assert trust.judge(predictor.outputs(pixels)).probabilities == pytest.approx(
        trust.one.calibration.probabilities(predictor.outputs(pixels).logits)
    )


def test_no_trust_without_validation_images(bundle: Path, tmp_path: Path) -> None:
    progress = RecordedProgress()
    parts = _Parts(archives.ham10000(tmp_path / "archive", lesions=21), validation=0)
    predictor = load(bundle)
    assert fit_trust(predictor, parts, reference_of(predictor, parts), TrustOptions(), progress) is None
    assert "there are no validation images" in progress.remarks[0]


def test_reference_images_are_limited_per_class() -> None:
    labels = np.repeat([0, 1, 2], [2000, 300, 0])
    rows = evenly(np.arange(len(labels)), labels, 3)
    assert np.bincount(labels[rows]).tolist() == [500, 300]
    assert (np.diff(rows) > 0).all()


def test_trust_is_stored_in_the_bundle(tmp_path: Path) -> None:
    model = make_model("resnet20", ResNetOptions())
    description = make_description(model, ResNetOptions()).model_copy(
        update={"classes": CLASSES, "prior": (1 / 7,) * 7}
    )
    trust = make_trust()
    with_it = write_bundle(model, description, tmp_path / "with", trust)
    assert read_description(with_it).trust == trust.summary
    read = read_trust(with_it)
    assert read is not None
    assert read.summary == trust.summary
    without = write_bundle(model, description, tmp_path / "without")
    assert read_trust(without) is None
    assert read_description(without).trust is None


def test_trust_with_other_classes_is_refused(tmp_path: Path) -> None:
    model = make_model("resnet20", ResNetOptions())
    description = make_description(model, ResNetOptions())
    assert len(description.classes) != 7
    folder = write_bundle(model, description, tmp_path / "bundle", make_trust())
    with pytest.raises(BundleError, match=r"trust\.npz was fitted for other classes"):
        load(folder)


def test_missing_trust_is_refused(tmp_path: Path) -> None:
    model = make_model("resnet20", ResNetOptions())
    description = make_description(model, ResNetOptions()).model_copy(
        update={"classes": CLASSES, "prior": (1 / 7,) * 7}
    )
    folder = write_bundle(model, description, tmp_path / "bundle", make_trust())
    (folder / "trust.npz").unlink()
    with pytest.raises(
        BundleError, match=r"trust\.npz is missing, but model\.json describes it: copy the whole bundle"
    ):
        load(folder)


def test_levels_come_from_the_experiment() -> None:
    experiment = Experiment.from_flat({"path": "x", "coverage": 0.8, "outlier_score": "energy"}, "config.yaml")
    assert experiment.trust == TrustOptions(coverage=0.8, outlier_score="energy")
    assert experiment.flat()["error_rate"] == 0.1
    assert experiment.network == ModelOptions()
