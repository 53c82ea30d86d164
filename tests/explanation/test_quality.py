"""Scores of explanations: for a model with known evidence, the right map has the best scores."""

import archives
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from residerm.config import PixelSpec
from residerm.errors import ImageError
from residerm.explanation.lesion import overlap, read_mask
from residerm.explanation.painting import paintable, widened, without_background, without_lesion
from residerm.explanation.quality import STEPS, centred, noise, quality_curves, rank_correlation
from residerm.explanation.sanity import randomised
from residerm.models import build

SIDE = 32


def bright_corner(pixels: np.ndarray) -> np.ndarray:
    """A model that uses only the upper left quarter: the brighter its middle, the more probable is class 1."""
    share = pixels[:, 4:12, 4:12].mean((1, 2, 3)) / 255
    return np.stack([1 - share, share], axis=1)


@pytest.fixture
def pixels() -> np.ndarray:
    images = np.random.default_rng(0).integers(0, 60, (6, SIDE, SIDE, 3), dtype=np.uint8)
    images[:, 4:12, 4:12] = 250
    return images


def corner() -> np.ndarray:
    maps = np.zeros((6, 8, 8), np.float32)
    maps[:, 1:3, 1:3] = 1
    return maps


def test_right_map_has_the_best_scores(pixels: np.ndarray) -> None:
    numbers = np.ones(6, int)
    true, opposite = (quality_curves(bright_corner, pixels, numbers, sign * corner()) for sign in (1, -1))
    for blind in (centred(6, SIDE), noise(6, 8)):
        other = quality_curves(bright_corner, pixels, numbers, blind)
        assert (true.deletion < other.deletion).all()
        assert (true.insertion > other.insertion).all()
    assert (opposite.deletion > true.deletion).all()


def test_empty_map_and_uniform_image_have_scores(pixels: np.ndarray) -> None:
    empty = quality_curves(bright_corner, pixels, np.ones(6, int), np.zeros((6, 4, 4)))
    assert np.isfinite(empty.deletion).all()
    plain = np.full((1, SIDE, SIDE, 3), 200, np.uint8)
    found = quality_curves(bright_corner, plain, np.ones(1, int), corner()[:1])
    np.testing.assert_allclose([found.deletion, found.insertion], 200 / 255, atol=1e-3)


def test_score_is_the_mean_over_steps(pixels: np.ndarray) -> None:
    seen: list[np.ndarray] = []

    def watching(some: np.ndarray) -> np.ndarray:
        seen.append(some)
        return bright_corner(some)

    found = quality_curves(watching, pixels[:1], np.ones(1, int), corner()[:1])
    (batch,) = seen
    assert len(batch) == 2 * (STEPS + 1)
    np.testing.assert_array_equal(batch[0], pixels[0])
    np.testing.assert_array_equal(batch[-1], pixels[0])
    np.testing.assert_array_equal(batch[STEPS], batch[STEPS + 1])
    assert found.deletion[0] == pytest.approx(bright_corner(batch[: STEPS + 1])[:, 1].mean())


def test_rank_correlation_matches_scipy() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 5, (4, 6, 6)), generator.integers(0, 5, (4, 6, 6))
    expected = [spearmanr(one.ravel(), other.ravel()).statistic for one, other in zip(first, second, strict=True)]
    np.testing.assert_allclose(rank_correlation(first, second), expected, atol=1e-9)
    assert np.isnan(rank_correlation(np.zeros((1, 4, 4)), first[:1, :4, :4])).all()


def test_evidence_inside_and_outside_the_lesion() -> None:
    masks = np.zeros((3, SIDE, SIDE), bool)
    masks[:, 4:12, 4:12] = True
    maps = np.stack([np.repeat(np.repeat(corner()[0], 4, 0), 4, 1), np.ones((SIDE, SIDE)), np.zeros((SIDE, SIDE))])
    found = overlap(maps, masks)
    np.testing.assert_allclose(found.share, 1 / 16)
    np.testing.assert_allclose(found.energy, [1, 1 / 16, np.nan])
    np.testing.assert_allclose(found.pointing, [1, 0, np.nan])
    np.testing.assert_allclose(found.background[:2], [0, 1])
    np.testing.assert_allclose(found.lesion[:2], [1, 1])


def test_mask_is_preprocessed_like_its_image() -> None:
    spec = PixelSpec(size=24)
    mask = read_mask(archives.make_mask(3, (48, 36)), archives.make_jpeg(3, (24, 18)), spec)
    assert mask.shape == (24, 24)
    assert 0 < mask.mean() < 1
    with pytest.raises(ImageError, match="a mask of 20x20 pixels does not fit an image of 24x18"):
        read_mask(archives.make_mask(3, (20, 20)), archives.make_jpeg(3, (24, 18)), spec)


def test_weights_are_randomised_from_the_top_in_a_copy() -> None:
    torch.manual_seed(0)
    model = build("resnet20", classes=7, size=32).eval()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    levels = dict(randomised(model))
    assert list(levels) == ["fc", "layer3", "layer2", "layer1", "bn1", "conv1"]
    assert torch.equal(levels["fc"].network.conv1.weight, before["conv1.weight"])
    assert not torch.equal(levels["conv1"].network.conv1.weight, before["conv1.weight"])
    assert not torch.equal(levels["fc"].network.fc.weight, before["fc.weight"])
    torch.testing.assert_close(
        levels["fc"].network.fc.weight.flatten().sort().values, before["fc.weight"].flatten().sort().values
    )
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, before[key])


def disc(radius: float) -> np.ndarray:
    places = np.arange(SIDE) - SIDE / 2 + 0.5
    mask: np.ndarray = np.hypot(*np.meshgrid(places, places)) < radius
    return mask


def test_lesion_is_replaced_and_skin_kept() -> None:
    generator, mask = np.random.default_rng(0), disc(8)
    slope = np.linspace(150, 220, SIDE)[:, None, None] + np.zeros((SIDE, SIDE, 3))
    image = np.rint(slope + generator.normal(0, 4, slope.shape)).astype(np.uint8)
    image[mask] = (60, 30, 20)
    painted, covered = without_lesion(image, mask), widened(mask)
    np.testing.assert_array_equal(painted[~covered], image[~covered])
    error = painted[covered].astype(float) - slope[covered]
    assert np.abs(error.mean()) < 4
    assert error.std() < 15
    inside = np.r_[np.zeros((~covered).sum()), np.ones(covered.sum())]
    values = np.r_[painted[~covered].mean(1), painted[covered].mean(1)]
    assert abs(roc_auc_score(inside, values) - 0.5) < 0.1


def test_background_is_replaced_and_lesion_kept() -> None:
    image, mask = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8), disc(8)
    painted = without_background(image, mask, (0.5, 0.2, 1.0))
    np.testing.assert_array_equal(painted[mask], image[mask])
    assert (painted[~mask] == (128, 51, 255)).all()


def test_masks_that_leave_nothing_are_skipped() -> None:
    masks = np.stack([disc(8), np.ones((SIDE, SIDE), bool), disc(1)])
    assert paintable(masks, "lesion").tolist() == [True, False, True]
    assert paintable(masks, "background").tolist() == [True, True, False]
