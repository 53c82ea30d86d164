"""neighbours.npz: nearest neighbours compared with scikit-learn, and validation of untrusted files."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import archives
import numpy as np
import pytest
from sample_models import make_description, make_images, make_model
from sklearn.neighbors import NearestNeighbors

from residerm.config import ResNetOptions
from residerm.errors import UsageError
from residerm.inference import load, write_bundle
from residerm.inference.bundle import BundleError, read_description, read_neighbours
from residerm.inference.neighbours import MOST_IMAGES, TrainingImages

COUNT, WIDTH = 300, 16


def some_images(thumbnails: bool = False, width: int = WIDTH) -> TrainingImages:
    generator = np.random.default_rng(0)
    files = [archives.make_jpeg(number, (32, 32)) for number in range(COUNT)] if thumbnails else None
    ids = [f"IMAGE_{number}" for number in range(COUNT)]
    return TrainingImages.of(generator.normal(size=(COUNT, width)), generator.integers(0, 3, COUNT), ids, files)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with neighbours and their thumbnails."""
    model = make_model("resnet20", ResNetOptions())
    description = make_description(model, ResNetOptions())
    kept = some_images(thumbnails=True, width=model.features)
    return write_bundle(model, description, tmp_path_factory.mktemp("model") / "bundle", neighbours=kept)


def test_neighbours_match_scikit_learn() -> None:
    asked = np.random.default_rng(1).normal(size=(7, WIDTH))
    kept = some_images()
    distances, rows = NearestNeighbors(n_neighbors=5, metric="cosine").fit(kept.directions).kneighbors(asked)
    for near, far, expected in zip(kept.nearest(asked, 5), distances, rows, strict=True):
        assert [one.image_id for one in near] == [f"IMAGE_{row}" for row in expected]
        np.testing.assert_allclose([one.similarity for one in near], 1 - far, atol=1e-3)
        assert [one.label for one in near] == kept.labels[expected].tolist()


def test_training_image_is_most_similar_to_itself() -> None:
    features = np.random.default_rng(2).normal(size=(40, WIDTH))
    kept = TrainingImages.of(features, np.zeros(40, int), [str(number) for number in range(40)])
    near = kept.nearest(features, 1)
    assert [one.image_id for (one,) in near] == [str(number) for number in range(40)]
    assert all(0.999 < one.similarity <= 1 for (one,) in near)


def test_too_many_neighbours_and_zero_features() -> None:
    kept = some_images()
    assert len(kept.nearest(np.ones((1, WIDTH)), COUNT + 10)[0]) == COUNT
    assert {one.similarity for one in kept.nearest(np.zeros((1, WIDTH)), 3)[0]} == {0.0}


def test_number_of_images_is_limited() -> None:
    many = MOST_IMAGES + 5
    kept = TrainingImages.of(np.ones((many, 2)), np.zeros(many, int), [str(number) for number in range(many)])
    assert len(kept) == MOST_IMAGES


def test_round_trip(known: Path) -> None:
    back, written = read_neighbours(known, read_description(known)), some_images(thumbnails=True, width=64)
    np.testing.assert_array_equal(back.directions, written.directions)
    assert back.image_ids.tolist() == written.image_ids.tolist()
    (near,) = back.nearest(load(known).outputs(make_images()[:1]).features, 2)
    for one in near:
        assert one.picture is not None
        assert one.picture.shape == (32, 32, 3)


def test_control_characters_are_replaced() -> None:
    kept = TrainingImages.of(np.ones((1, 2)), np.zeros(1, int), ["a\x1b[2Jb"])
    assert kept.image_ids.tolist() == ["a?[2Jb"]


def changing(**changed: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with np.load(path) as arrays:
            kept = dict(arrays)
        np.savez(path, **{name: value for name, value in (kept | changed).items() if value is not None})

    return change


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def as_giant(path: Path) -> None:
    """A small file of two gigabytes of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("features.npy", "w") as stream:
        for _ in range(32):
            stream.write(bytes(2**24))


def not_arrays(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("features", "no array")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


NAN = np.full((COUNT, 64), np.nan, np.float16)
ENDS = np.arange(1, COUNT + 1, dtype=np.int64)
DAMAGES = {
    "cut short": (cut_short, "is damaged"),
    "a pipe": (as_pipe, "is a pipe or a device"),
    "a giant": (as_giant, "larger than any"),
    "text": (not_arrays, "is not an array"),
    "objects": (changing(labels=np.array([{}] * COUNT, dtype=object)), "Object arrays cannot be loaded"),
    "no labels": (changing(labels=None), "labels"),
    "features that are not finite": (changing(features=NAN), "features is not finite"),
    "features of another model": (changing(features=np.zeros((COUNT, 7), np.float16)), "not 64 of each image"),
    "features of another kind": (changing(features=np.zeros((COUNT, 64), np.float32)), "not 64 of each image"),
    "no image": (changing(labels=np.zeros(0, np.int32)), "labels are not those of images"),
    "labels of more images": (changing(labels=np.zeros(COUNT + 1, np.int32)), "not 64 of each image"),
    "labels of other classes": (changing(labels=np.full(COUNT, 3, np.int32)), "of other classes"),
    "labels below zero": (changing(labels=np.full(COUNT, -1, np.int32)), "of other classes"),
    "ids that are numbers": (changing(image_ids=np.arange(COUNT)), "image_ids are not"),
    "endless ids": (changing(image_ids=np.array(["a" * 2000] * COUNT)), "image_ids are not"),
    "pictures that end before they begin": (changing(ends=ENDS[::-1].copy()), "thumbnails are not a small file"),
    "pictures that end elsewhere": (changing(ends=ENDS), "thumbnails are not a small file"),
    "pictures without ends": (changing(ends=None), "ends"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=list(DAMAGES))
def test_damaged_file_is_refused(known: Path, tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    copy = Path(shutil.copytree(known, tmp_path / "copy"))
    damage(copy / "neighbours.npz")
    with pytest.raises(BundleError, match=message):
        read_neighbours(copy, read_description(copy))
    assert len(load(copy).outputs(make_images()))  # the model works all the same


def test_invalid_thumbnail_is_refused(known: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(known, tmp_path / "copy"))
    changing(thumbnails=np.zeros(COUNT, np.uint8), ends=ENDS)(copy / "neighbours.npz")
    with pytest.raises(BundleError, match="a thumbnail of the bundle's training images is damaged"):
        read_neighbours(copy, read_description(copy)).nearest(np.ones((1, 64)), 1)


def test_bundle_without_neighbours_is_refused() -> None:
    with pytest.raises(UsageError, match="starter has no training images"):
        read_neighbours(Path("starter"), read_description(Path("starter")))
