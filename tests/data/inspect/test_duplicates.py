"""Near duplicates are found after every kind of change, and different lesions are not."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance
from recorded_progress import RecordedProgress
from sample_lesions import SIZE, decode, encode, make_image
from scipy.fft import dctn

from residerm.data.inspect import duplicates
from residerm.data.inspect.duplicates import LIMIT, SIDE, THUMBNAIL, Pair, find_duplicates, thumbnail

ORIGINALS = 30
Change = Callable[[Image.Image], Image.Image]


def cropped(left: float, top: float, right: float, bottom: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop(
            (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        )

    return change


def scaled(factor: float) -> Change:
    return lambda image: image.resize((round(image.width * factor), round(image.height * factor)))


def encoded(quality: int) -> Change:
    return lambda image: decode(encode(image, quality=quality))


def toned(brightness: float, contrast: float) -> Change:
    return lambda image: ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(brightness)).enhance(contrast)


def all_of(*changes: Change) -> Change:
    def change(image: Image.Image) -> Image.Image:
        for each in changes:
            image = each(image)
        return image

    return change


def turned(way: Image.Transpose) -> Change:
    return lambda image: image.transpose(way)


CHANGES: dict[str, Change] = {
    **{f"quality {quality}": encoded(quality) for quality in (30, 60, 95)},
    **{f"scaled by {factor}": scaled(factor) for factor in (0.4, 0.7, 1.5)},
    **{way.name.lower(): turned(way) for way in Image.Transpose},
    "cropped everywhere": cropped(0.1, 0.1, 0.1, 0.1),
    "cropped at two sides": cropped(0.12, 0.0, 0.0, 0.07),
    "cropped unevenly": cropped(0.03, 0.14, 0.09, 0.05),
    "brighter": toned(1.1, 1.0),
    "more contrast": toned(0.95, 1.15),
    "everything": all_of(cropped(0.05, 0.08, 0.1, 0.0), turned(Image.Transpose.TRANSVERSE), toned(1.05, 0.9)),
    "everything, and small": all_of(
        cropped(0.1, 0.0, 0.06, 0.1), turned(Image.Transpose.ROTATE_90), scaled(0.7), encoded(80)
    ),
}


def thumbnails(*images: Image.Image) -> np.ndarray:
    return np.stack([thumbnail(image) for image in images])


def rows_of(pairs: list[Pair]) -> set[tuple[int, int]]:
    return {(pair.first, pair.second) for pair in pairs}


@pytest.fixture(scope="module")
def originals() -> list[Image.Image]:
    return [make_image(seed) for seed in range(ORIGINALS)]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_all_copies_and_nothing_else_are_found(change: Change, originals: list[Image.Image]) -> None:
    pairs = find_duplicates(thumbnails(*originals, *map(change, originals)))
    assert rows_of(pairs) == {(row, row + ORIGINALS) for row in range(ORIGINALS)}


def test_most_cropped_copies_and_nothing_else_are_found(originals: list[Image.Image]) -> None:
    nearer = [cropped(0.22, 0.18, 0.16, 0.2)(image) for image in originals]
    found = rows_of(find_duplicates(thumbnails(*originals, *nearer)))
    assert found <= {(row, row + ORIGINALS) for row in range(ORIGINALS)}
    assert len(found) >= 0.8 * ORIGINALS


def test_different_lesions_are_not_duplicates() -> None:
    assert find_duplicates(thumbnails(*(make_image(seed) for seed in range(300)))) == []


def test_pairs_are_sorted_by_distance(originals: list[Image.Image]) -> None:
    copies = [encoded(95)(originals[0]), encoded(30)(originals[1]), originals[2]]
    pairs = find_duplicates(thumbnails(*originals, *copies))
    assert [pair.first for pair in pairs] == [2, 0, 1]
    assert pairs[0].distance == pytest.approx(0, abs=1e-4)
    assert 0 < pairs[1].distance < pairs[2].distance <= LIMIT
    assert find_duplicates(thumbnails(*originals, *copies), limit=pairs[1].distance) == pairs[:2]


def test_result_is_independent_of_image_order(originals: list[Image.Image]) -> None:
    images = thumbnails(*originals, *map(CHANGES["everything"], originals))
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = {tuple(sorted((order[one], order[other]))) for one, other in rows_of(find_duplicates(images[order]))}
    assert shuffled == rows_of(find_duplicates(images))


def test_vignetting_does_not_make_duplicates(originals: list[Image.Image]) -> None:
    ring = Image.new("L", SIZE, 255)
    ImageDraw.Draw(ring).ellipse((4, -8, SIZE[0] - 4, SIZE[1] + 8), fill=0)
    ringed = [image.resize((60, 45)) for image in originals]
    pasted = []
    for small in ringed:
        image = Image.new("RGB", SIZE, small.getpixel((0, 0)))
        image.paste(small, (30, 22))
        image.paste("black", mask=ring)
        pasted.append(image)
    assert find_duplicates(thumbnails(*pasted)) == []
    assert rows_of(find_duplicates(thumbnails(*pasted, encoded(60)(pasted[7])))) == {(7, ORIGINALS)}


def test_each_of_many_copies_is_in_a_pair(originals: list[Image.Image]) -> None:
    copies = [encoded(quality)(originals[3]) for quality in range(50, 96)]
    paired = {row for pair in rows_of(find_duplicates(thumbnails(*copies, *originals[4:]))) for row in pair}
    assert paired == set(range(len(copies)))


@pytest.mark.parametrize("colour", ["black", "white", "pink"])
def test_uniform_images_are_not_duplicates(colour: str, originals: list[Image.Image]) -> None:
    blank = Image.new("RGB", (60, 40), colour)
    assert find_duplicates(thumbnails(blank, *originals[:3], blank, blank)) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images(count: int) -> None:
    assert find_duplicates(np.zeros((count, *THUMBNAIL.shape), np.uint8)) == []


def test_two_images(originals: list[Image.Image]) -> None:
    assert rows_of(find_duplicates(thumbnails(originals[0], originals[0]))) == {(0, 1)}


def test_progress_reaches_the_total(originals: list[Image.Image]) -> None:
    progress = RecordedProgress()
    find_duplicates(thumbnails(*originals), progress=progress)
    assert progress.steps == sorted(progress.steps)
    assert progress.steps[-1] == (ORIGINALS, ORIGINALS)


def test_spectra_match_scipy() -> None:
    planes = np.random.default_rng(0).normal(size=(2, 1, SIDE, SIDE)).astype(np.float32)
    spectra = duplicates._spectra(planes, np.array([[0, 1, 0, 1]], np.float32), 9)
    v, u = np.indices((9, 9))
    expected = (
        dctn(planes, axes=(-2, -1))[..., :9, :9] / (2 * SIDE) ** 2 * np.where(v + u < 9, np.hypot(v, u) ** 0.5, 0)
    )
    np.testing.assert_allclose(spectra, expected, atol=1e-5)


@pytest.mark.parametrize("way", range(8))
def test_rotated_spectra_match_rotated_images(way: int) -> None:
    planes = np.random.default_rng(way).normal(size=(3, 3, 16, 16)).astype(np.float32)
    edges = np.array([[0.0, 0.9, 0.1, 1.0], [0.1, 0.8, 0.0, 0.7], [0.05, 1.0, 0.2, 0.95]], np.float32)
    turned_first = duplicates._spectra(duplicates._turned(planes, way), duplicates._turned_edges(edges, way), 9)
    turned_last = duplicates._turned_spectra(duplicates._spectra(planes, edges, 9), way)
    np.testing.assert_allclose(turned_first, turned_last, atol=1e-5)
    np.testing.assert_allclose(duplicates._invariant(turned_first), duplicates._invariant(turned_last), atol=1e-5)
    unturned = duplicates._spectra(planes, edges, 9)
    np.testing.assert_allclose(duplicates._invariant(turned_first), duplicates._invariant(unturned), atol=1e-5)


def test_new_images_are_compared_with_known_ones_only() -> None:
    known = [make_image(seed) for seed in range(12)]
    new = [encoded(50)(known[3]), scaled(0.5)(known[7]), make_image(40), encoded(50)(make_image(40))]
    thumbnails = np.stack([thumbnail(image) for image in (*known, encoded(60)(known[0]), *new)])
    pairs = {(pair.first, pair.second) for pair in find_duplicates(thumbnails, known=13)}
    assert pairs == {(3, 13), (7, 14)}
