"""An exported bundle: a graph that takes pixels, and everything that is needed to use it without torch.

    model.json        the description
    model.onnx        the graph, or model.xml and model.bin
    classifier.npz    weight and bias of the linear layer after global average pooling, if there is one
    parity.json       the comparison with the network in torch: see `parity`
    trust.npz         calibration, prediction sets and abstention, if they were fitted
    neighbours.npz    features, classes and ids of training images
    seen.npz          hashes of the images that were used for training or model selection
    MODEL_CARD.md, LICENCE.txt

The bundle is refused if the parity record is missing, was changed, did not pass, or is about other files or another
description.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from residerm.arrays import read_arrays
from residerm.description import ModelDescription
from residerm.inference.parity import PARITY, ParityRecord
from residerm.inference.runtimes import Classifier
from residerm.inference.validation import BundleError

ONNX, OPENVINO = ("model.onnx",), ("model.xml", "model.bin")
CLASSIFIER = "classifier.npz"
_MOST_BYTES = 2**28
EXPORTS = "exports"  # in the folder of a run


def is_exported(folder: Path) -> bool:
    """Whether a bundle is an exported one, even if its graph is missing."""
    return any((folder / name).exists() for name in (ONNX[0], OPENVINO[0], PARITY))


def graph_of(folder: Path) -> Path:
    """The graph of an exported bundle."""
    return folder / (ONNX[0] if (folder / ONNX[0]).exists() else OPENVINO[0])


def exports_of(run: Path) -> list[Path]:
    """The exported bundles in the folder of a run."""
    return [record.parent for record in sorted((run / EXPORTS).glob(f"*/{PARITY}"))]


def read_parity(folder: Path, description: ModelDescription) -> ParityRecord:
    """The parity record of an exported bundle, which must have passed and match the files."""
    if not (folder / PARITY).is_file():
        raise BundleError(f"{folder} has no {PARITY}, so its graph has not been validated; export it again")
    record = ParityRecord.read(folder / PARITY)
    if not record.passed:
        raise BundleError(f"{folder}: its graph did not pass the check of parity; export it again")
    record.require_files(folder)
    record.require_description(folder, description)
    return record


def read_classifier(folder: Path, description: ModelDescription) -> Classifier | None:
    """The linear layer after global average pooling; None if there is none."""
    if not description.linear_classifier:
        return None
    path = folder / CLASSIFIER
    try:
        arrays = read_arrays(path, _MOST_BYTES)
        weight, bias = arrays["weight"], arrays["bias"]
    except (OSError, ValueError, KeyError) as error:
        raise BundleError(f"{path} cannot be read ({error}); the bundle is damaged") from error
    shapes = (weight.shape, bias.shape)
    classes = len(description.classes)
    if shapes != ((classes, description.features), (classes,)) or {weight.dtype, bias.dtype} != {np.dtype(np.float32)}:
        raise BundleError(f"{path} does not fit {classes} classes and {description.features} features")
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        raise BundleError(f"{path} contains values that are not finite; the bundle is damaged")
    return weight, bias
