"""Outlier scores of images from other sources: any folder, zip or archive of images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from residerm import imaging
from residerm.errors import ImageError, UsageError
from residerm.inference import Predictor
from residerm.outputs import Views
from residerm.parallel import cores
from residerm.progress import Progress
from residerm.scores.detection import Elsewhere
from residerm.storage.tree import Tree

_BATCH = 128


def elsewhere(path: Path, predictor: Predictor, views: Views, progress: Progress) -> Elsewhere:
    """The outlier scores of the images at a path; unreadable ones are left out, with a remark."""
    if predictor.trust is None:
        raise UsageError("`outliers`: this model has no outlier score; fit one with `residerm calibrate`")
    if not path.exists():
        raise UsageError(f"`outliers={path}` does not exist")
    tree = Tree(path)
    numbers = [number for number, _ in tree.images]
    if not numbers:
        raise UsageError(f"`outliers={path}` contains no images: give a folder, a zip or an archive of images")
    scores, unreadable = [], 0
    with ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(numbers), _BATCH):
            some = list(pool.map(partial(_pixels, tree, predictor), numbers[start : start + _BATCH]))
            readable = [pixels for pixels in some if pixels is not None]
            unreadable += len(some) - len(readable)
            if readable:
                scores.append(predictor.trust.judge(predictor.outputs(np.stack(readable), views), views).outlier_score)
            progress.advance("scoring outliers", start + len(some), len(numbers))
    if not scores:
        raise UsageError(f"`outliers={path}`: none of its {len(numbers):,} images can be read")
    if unreadable:
        progress.remark(f"{unreadable:,} images of {path} cannot be read and are left out")
    return Elsewhere(path.name, np.concatenate(scores))


def _pixels(tree: Tree, predictor: Predictor, number: int) -> np.ndarray | None:
    try:
        return imaging.read(tree.read(number), predictor.description.pixels)
    except ImageError:
        return None
