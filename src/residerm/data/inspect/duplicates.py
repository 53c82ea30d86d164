"""Find copies of images: re-encoded, scaled, rotated, mirrored, cropped, closer, brighter, or with other contrast.

Dermoscopic images are all similar, a dark blob on pink skin, so a simple perceptual hash confuses different lesions.
Here, pairs are found by coarse structure and confirmed by fine structure:

    candidates   Cosine frequencies c[v, u] of luma and chroma, as the magnitudes sqrt(c[v, u]² + c[u, v]²), do not
                 change when an image is rotated or mirrored. Each whole image is compared with every other one cropped
                 in 99 ways, down to half of its sides, and the most similar ones are kept.
    aligned      The best orientations of a candidate are found by signed frequencies, then the four edges of the crop
                 by Gauss-Newton, on low frequencies and then on higher ones.
    judged       By the correlation of the fine structure (hair, pores, network) with normalised local contrast, over
                 the whole image and over its centre: a vignette or a ruler in both is not enough.
                 distance = 1 - correlation.

`LIMIT` was chosen by `benchmarks/duplicates.py` on one half of the lesions of HAM10000 and measured on the other half:
see docs/duplicates.md. The data of all images is in mapped files: private memory does not grow with the archive.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from PIL import Image

from residerm.parallel import blas_in_one_thread, in_chunks
from residerm.progress import SILENT, Count, Progress
from residerm.storage.scratch import paged

SIDE = 48
LIMIT = 0.3
THUMBNAIL = np.dtype((np.uint8, (SIDE, SIDE, 3)))

_COARSE_SIDE = 16
_COARSE = np.dtype((np.float32, (3, _COARSE_SIDE, _COARSE_SIDE)))
_LOW, _LOW_CHROMA, _FINE = 9, 5, 16  # cosine frequencies in each direction
_CHROMA = 0.6  # weight of the colour differences: high to distinguish lesions, low to tolerate another white balance
_SPANS = (  # fractions of a side, combined vertically and horizontally: crops, and then closer photographs
    tuple((near, 1 - far) for near, far in product((0.0, 0.06, 0.13), repeat=2)),
    ((0.09, 0.71), (0.19, 0.81), (0.29, 0.91)),
    ((0.15, 0.65), (0.25, 0.75), (0.35, 0.85)),
)
_CROPS = np.array([(*down, *across) for spans in _SPANS for down, across in product(spans, repeat=2)], np.float32)
_WHOLE, _LEAST, _MOST = np.array([[[0, 1, 0, 1]], [[0, 0.5, 0, 0.5]], [[0.5, 1, 0.5, 1]]], np.float32)
_WAYS = range(8)  # orientations of an image: bit 2 transposes, then bit 1 flips up-down and bit 0 left-right
_KEPT = 8  # candidates of each image
_BLOCK, _JUDGED = 512, 16  # images cropped at a time, and images whose candidates are judged at a time
_CROP_BITS = 127  # the last bits of a similarity store the number of the crop, which is below 128
_LIKELY_TURNED, _LIKELY_ALIGNED, _LIKELY_ROUGHLY = 0.8, 0.88, 0.3  # a candidate below these correlations is dropped
_STEP = 0.003  # by which an edge is moved to estimate a slope; a fraction of the side, like all edges
_NOISE = 2.0  # grey levels of local contrast below which it is not normalised


class Pair(NamedTuple):
    """The rows of two images that are copies of each other; at distance 0, they agree in every detail."""

    first: int
    second: int
    distance: float


def thumbnail(image: Image.Image) -> np.ndarray:
    """The small image that is used for comparisons."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))  # SIDE × SIDE × 3


def find_duplicates(
    thumbnails: np.ndarray, limit: float = LIMIT, progress: Progress = SILENT, *, known: int | None = None
) -> list[Pair]:
    """Find the pairs of images with a distance of at most `limit`, nearest first.

    With `known`, only the images after the first `known` are searched for, and only among those, whole or cropped.
    """
    first = known or 0
    rows = len(thumbnails) - first
    found: list[tuple[float, int, int]] = []

    def report(done: int) -> None:
        progress.advance("comparing", done // 2, rows)

    def judge(start: int, stop: int) -> None:
        for begin in range(first + start, first + stop, _JUDGED):
            few = candidates[begin : min(begin + _JUDGED, first + stop)]
            distances, one, other = _judged(thumbnails, coarse, few, begin)
            near = distances <= limit
            pairs = np.sort(np.stack([one[near], other[near]]), 0)
            found.extend(zip(distances[near].tolist(), *pairs.tolist(), strict=True))

    with blas_in_one_thread():  # we use our own threads, and more threads would slow each other down
        coarse = paged(len(thumbnails), _COARSE)
        for start in range(0, len(thumbnails), _BLOCK):
            coarse[start : start + _BLOCK] = _shrunk(_planes(thumbnails[start : start + _BLOCK]))
        candidates = _candidates(coarse, first, lambda done, total: report(rows * done // total))
        in_chunks(rows, judge, lambda done, _: report(rows + done))
    nearest: dict[tuple[int, int], float] = {}  # a pair may be found twice, once from each image
    for distance, one, other in sorted(found):
        nearest.setdefault((one, other), distance)
    return [Pair(*pair, distance) for pair, distance in nearest.items()]


def _candidates(coarse: np.ndarray, first: int, count: Count) -> np.ndarray:
    """For each image from `first`, the rows of those most similar to it when cropped, and the number of the crop.

    They are searched for among the images before `first`, or among all if it is 0.
    """
    rows, others = len(coarse), first or len(coarse)
    whole = _whole_invariants(coarse)
    kept = paged(rows, np.dtype([("likeness", "i4", _KEPT), ("row", "i4", _KEPT)]))
    for begin in range(0, others, _BLOCK):
        end = min(begin + _BLOCK, others)
        cropped = _cropped_invariants(coarse[begin:end])

        def keep_best(start: int, stop: int, begin: int = begin, cropped: np.ndarray = cropped) -> None:
            some = slice(first + start, first + stop)
            _merge(kept[some], _likeness(whole[some], cropped), first + start, begin)

        in_chunks(rows - first, keep_best)
        count(end, others)
    return kept


def _whole_invariants(coarse: np.ndarray) -> np.ndarray:
    length = len(_invariant(np.zeros((3, _LOW, _LOW), np.float32)))
    whole = paged(len(coarse), np.dtype((np.float32, (length,))))
    for start in range(0, len(coarse), _BLOCK):
        whole[start : start + _BLOCK] = _invariant(_spectra(coarse[start : start + _BLOCK], _WHOLE, _LOW))
    return whole


def _cropped_invariants(coarse: np.ndarray) -> np.ndarray:
    """The invariant vectors of these images in every crop, many per product with the cosines of the spans."""
    by_crop = []
    for spans in _SPANS:
        cosines = _cosines(np.array(spans, np.float32), _LOW, _COARSE_SIDE).reshape(-1, _COARSE_SIDE)
        spectra = (cosines @ coarse @ cosines.T).reshape(len(coarse), 3, len(spans), _LOW, len(spans), _LOW)
        spectra *= _weights(_LOW)[:, None]
        by_crop.append(_invariant(spectra.transpose(2, 4, 0, 1, 3, 5)).reshape(len(spans) ** 2, len(coarse), -1))
    return np.concatenate(by_crop)  # crops × images × values


def _invariant(spectra: np.ndarray) -> np.ndarray:
    """Unit vectors that do not change when an image is rotated or mirrored."""
    below = np.array([_LOW, _LOW_CHROMA, _LOW_CHROMA])[:, None, None]
    v, u = np.indices((_LOW, _LOW))
    plane, v, u = np.nonzero((v <= u) & (u > 0) & (v + u < below))
    return _unit(np.hypot(spectra[..., plane, v, u], spectra[..., plane, u, v]), axes=-1)


def _likeness(whole: np.ndarray, cropped: np.ndarray) -> np.ndarray:
    """The similarity of each whole image to the best crop of each other: bits of a correlation, and the crop's number.

    Non-negative floats are ordered like their bits, so the last bits can store a number.
    """
    best = np.zeros((len(whole), cropped.shape[1]), np.int32)
    correlation = np.empty(best.shape, np.float32)
    bits = correlation.view(np.int32)
    for crop, references in enumerate(cropped):
        np.matmul(whole, references.T, out=correlation)
        bits &= ~_CROP_BITS
        bits |= crop
        np.maximum(best, bits, out=best)
    return best


def _merge(kept: np.ndarray, likeness: np.ndarray, start: int, begin: int) -> None:
    """Merge the best candidates of a block, rows from `start` against images from `begin`, into those kept."""
    rows, images = np.ogrid[start : start + likeness.shape[0], begin : begin + likeness.shape[1]]
    likeness[rows == images] = 0  # an image is not a copy of itself
    together = np.concatenate([kept["likeness"], likeness], 1)
    numbers = np.concatenate([kept["row"], np.broadcast_to(images, likeness.shape)], 1)
    best = np.argpartition(together, -_KEPT, axis=1)[:, -_KEPT:]
    kept["likeness"], kept["row"] = (np.take_along_axis(values, best, 1) for values in (together, numbers))


def _judged(
    thumbnails: np.ndarray, coarse: np.ndarray, candidates: np.ndarray, start: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distances between the rows from `start` and their likely candidates, and both rows."""
    place, column = np.nonzero(candidates["likeness"] > _CROP_BITS)
    rows, others = place + start, candidates["row"][place, column]
    edges = _CROPS[candidates["likeness"][place, column] & _CROP_BITS]
    chosen, ways, edges = _oriented(coarse[rows], coarse[others], edges)
    rows, others = rows[chosen], others[chosen]
    edges, fit = _aligned(coarse[rows], _turned_all(coarse[others], ways), edges, _LOW, steps=2)
    likely = fit > _LIKELY_ALIGNED
    rows, others, ways, edges = rows[likely], others[likely], ways[likely], edges[likely]
    whole, other = _luma(thumbnails[rows]), _turned_all(_luma(thumbnails[others]), ways)
    likely = _agreement(whole, _cut_out(other, edges)) > _LIKELY_ROUGHLY
    rows, others, whole, other = rows[likely], others[likely], whole[likely], other[likely]
    edges, _ = _aligned(whole, other, edges[likely], _FINE, steps=2)
    return 1 - _agreement(whole, _cut_out(other, edges)), rows, others


def _oriented(whole: np.ndarray, other: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which pairs match in some orientation; the best orientations of the other; its crop edges in them."""
    target = _unit(_spectra(whole, _WHOLE, _LOW))
    spectra = _unit(_spectra(other, edges, _LOW))
    fit = np.stack([(target * _turned_spectra(spectra, way)).sum((1, 2, 3)) for way in _WAYS], 1)
    best = np.argsort(fit, 1)[:, -2:]  # two, because a round lesion matches about as well in the opposite orientation
    chosen, rank = np.nonzero(np.take_along_axis(fit, best, 1) > _LIKELY_TURNED)
    ways = best[chosen, rank]
    turned = np.stack([_turned_edges(edges, way) for way in _WAYS], 1)
    return chosen, ways, turned[chosen, ways]


def _aligned(
    whole: np.ndarray, other: np.ndarray, edges: np.ndarray, frequencies: int, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Move the edges by Gauss-Newton until the crop's frequencies match best; return the edges and the correlation."""
    column = len(whole), whole.shape[1] * frequencies**2, 1
    target = _unit(_spectra(whole, _WHOLE, frequencies)).reshape(column)
    each_edge = np.eye(4, dtype=np.float32)

    def spectra(edges: np.ndarray) -> np.ndarray:
        return _unit(_spectra(other, edges, frequencies)).reshape(column)

    for _ in range(steps):
        here = spectra(edges)
        slopes = np.concatenate([(spectra(edges + _STEP * edge) - here) / _STEP for edge in each_edge], -1)
        transposed = slopes.swapaxes(1, 2)
        change = np.linalg.solve(transposed @ slopes + 1e-4 * each_edge, transposed @ (target - here))[..., 0]
        edges = np.clip(edges + np.clip(change, -0.05, 0.05), _LEAST, _MOST)
    return edges, (target * spectra(edges)).sum((1, 2))


def _agreement(whole: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The correlation of fine structure, over the whole image or over its centre, whichever is smaller."""
    whole, other = _fine_structure(whole), _fine_structure(other)
    middle = slice(SIDE // 5, SIDE - SIDE // 5)
    in_the_middle = _correlation(whole[..., middle, middle], other[..., middle, middle])
    agreement: np.ndarray = np.minimum(_correlation(whole, other), in_the_middle)
    return agreement


def _fine_structure(luma: np.ndarray) -> np.ndarray:
    """The image with the local mean subtracted and the local contrast normalised."""
    detail = luma - _blurred(luma, 2)
    evened: np.ndarray = detail / np.sqrt(_blurred(detail**2, 4) + _NOISE**2)
    return evened


def _blurred(luma: np.ndarray, sigma: float) -> np.ndarray:
    distance = np.subtract.outer(np.arange(SIDE), np.arange(SIDE))
    kernel = np.exp(-(distance**2) / (2 * sigma**2))
    kernel = (kernel / kernel.sum(1, keepdims=True)).astype(np.float32)
    blurred: np.ndarray = kernel @ luma @ kernel.T
    return blurred


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = (_unit(values - values.mean((-1, -2, -3), keepdims=True)) for values in (one, other))
    correlation: np.ndarray = (one * other).sum((-1, -2, -3))
    return correlation


def _planes(thumbnails: np.ndarray) -> np.ndarray:
    """Luma and weighted colour differences."""
    luma = _luma(thumbnails)
    red_and_blue = np.moveaxis(thumbnails[..., [0, 2]].astype(np.float32), -1, 1)
    return np.concatenate([luma, _CHROMA * (red_and_blue - luma)], 1)  # images × 3 × side × side


def _luma(thumbnails: np.ndarray) -> np.ndarray:
    luma: np.ndarray = thumbnails @ np.array([0.299, 0.587, 0.114], np.float32)
    return luma[:, None]  # images × 1 × side × side


def _shrunk(planes: np.ndarray) -> np.ndarray:
    factor = SIDE // _COARSE_SIDE
    pool = np.kron(np.eye(_COARSE_SIDE), np.full(factor, 1 / factor)).astype(np.float32)
    shrunk: np.ndarray = pool @ planes @ pool.T
    return shrunk


def _spectra(planes: np.ndarray, edges: np.ndarray, frequencies: int) -> np.ndarray:
    """The weighted cosine frequencies of the crop between the edges."""
    side = planes.shape[-1]
    down, across = _cosines(edges[:, :2], frequencies, side), _cosines(edges[:, 2:], frequencies, side)
    spectra: np.ndarray = down[:, None] @ planes @ across[:, None].swapaxes(-1, -2) * _weights(frequencies)
    return spectra  # images × planes × v × u


def _weights(frequencies: int) -> np.ndarray:
    """Weights of frequencies that compensate for the 1/f spectrum of photographs; 0 for the mean (brightness)."""
    u = np.arange(frequencies, dtype=np.float32)
    return np.where(u[:, None] + u < frequencies, np.sqrt(np.hypot(u[:, None], u)), 0)


def _cosines(spans: np.ndarray, frequencies: int, side: int) -> np.ndarray:
    """The matrix from the pixels of a side to the cosine frequencies of each span."""
    place = (np.arange(side, dtype=np.float32) + 0.5) / side
    cosines = np.cos(np.pi * np.arange(frequencies, dtype=np.float32)[:, None] * place) / side
    from_pixels: np.ndarray = cosines @ _interpolation(spans, side)
    return from_pixels  # spans × frequencies × side


def _cut_out(planes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The crop between the edges, enlarged to the whole side."""
    side = planes.shape[-1]
    down, across = _interpolation(edges[:, :2], side), _interpolation(edges[:, 2:], side)
    cut_out: np.ndarray = down[:, None] @ planes @ across[:, None].swapaxes(-1, -2)
    return cut_out


def _interpolation(spans: np.ndarray, side: int) -> np.ndarray:
    """The matrix that interpolates each span linearly to the number of pixels of a side."""
    pixels = np.arange(side, dtype=np.float32)
    near, far = spans[:, :1], spans[:, 1:]
    place = np.clip(near * side + (far - near) * (pixels + 0.5) - 0.5, 0, side - 1)
    from_pixels: np.ndarray = np.maximum(0, 1 - np.abs(place[..., None] - pixels))
    return from_pixels  # spans × side × side


def _turned(planes: np.ndarray, way: int) -> np.ndarray:
    planes = planes.swapaxes(-1, -2) if way & 4 else planes
    planes = planes[..., ::-1, :] if way & 2 else planes
    return planes[..., ::-1] if way & 1 else planes


def _turned_all(planes: np.ndarray, ways: np.ndarray) -> np.ndarray:
    turned = np.empty_like(planes)
    for way in _WAYS:
        turned[ways == way] = _turned(planes[ways == way], way)
    return turned


def _turned_spectra(spectra: np.ndarray, way: int) -> np.ndarray:
    sign = np.where(np.arange(spectra.shape[-1]) % 2, -1, 1).astype(np.float32)  # of a cosine that is mirrored
    spectra = spectra.swapaxes(-1, -2) if way & 4 else spectra
    spectra = spectra * sign[:, None] if way & 2 else spectra
    return spectra * sign if way & 1 else spectra


def _turned_edges(edges: np.ndarray, way: int) -> np.ndarray:
    top, bottom, left, right = edges.T[[2, 3, 0, 1]] if way & 4 else edges.T
    top, bottom = (1 - bottom, 1 - top) if way & 2 else (top, bottom)
    left, right = (1 - right, 1 - left) if way & 1 else (left, right)
    return np.stack([top, bottom, left, right], 1)


def _unit(vectors: np.ndarray, axes: int | tuple[int, ...] = (-1, -2, -3)) -> np.ndarray:
    length = np.sqrt((vectors**2).sum(axes, keepdims=True))
    unit: np.ndarray = vectors / np.maximum(length, 0.01)  # shorter vectors are rounding errors: an image of one colour
    return unit
