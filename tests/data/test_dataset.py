"""`Dataset`: parts without unreadable images, and the rows of an epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from archives import make_jpeg

from residerm.config import ArchiveOptions, Experiment, PixelSpec, SampleOptions, SplitOptions
from residerm.data.dataset import Dataset


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    for label in ("mel", "nv"):
        for number in range(40 if label == "nv" else 20):
            file = tmp_path / "archive" / label / f"{label}-{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(make_jpeg(number + 100 * (label == "nv")))
    (tmp_path / "archive/nv/nv-3.jpg").write_bytes(b"no picture")
    return tmp_path / "archive"


def test_parts_have_every_readable_image_once(archive: Path) -> None:
    dataset = Dataset.open(
        Experiment(path=archive, pixels=PixelSpec(size=8), archive=ArchiveOptions(on_bad_image="skip"))
    )
    parts = np.concatenate([dataset.training_rows, dataset.validation_rows, dataset.test_rows])
    readable = [row for row in range(60) if Path(dataset.records.image_id(row)).stem != "nv-3"]
    assert sorted(parts.tolist()) == readable
    assert dataset.cache.pixels.shape == (60, 8, 8, 3)
    assert any(remark.startswith("1 unreadable images are left out") for remark in dataset.remarks)


def test_epoch_rows_follow_the_sampling_option(archive: Path) -> None:
    (archive / "nv/nv-3.jpg").unlink()
    sample, split = SampleOptions(sampling="over", raise_to="largest"), SplitOptions(validation=0)
    dataset = Dataset.open(Experiment(path=archive, pixels=PixelSpec(size=8), sample=sample, split=split))
    counts = dataset.counts()
    assert counts[0] == counts[1] == max(np.bincount(dataset.records.labels[dataset.training_rows]))
    assert len(dataset.validation_rows) == 0
    assert not np.array_equal(dataset.drawn(0), dataset.drawn(1))
