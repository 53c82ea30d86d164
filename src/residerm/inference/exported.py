"""An exported bundle: a graph that takes pixels, and all that is needed to use it without torch.

    model.json        the description
    model.onnx        the graph, or model.xml and model.bin
    classifier.npz    weight and bias of the linear layer behind the mean of the maps, where there is one
    parity.json       that it gives what the network in torch gives: see `parity`
    trust.npz         what calibration, prediction sets and abstention need, once that was fitted
    neighbours.npz    features, classes and ids of training images
    seen.npz          hashes of the images that the model was trained on or chosen by
    MODEL_CARD.md, LICENCE.txt

Where the parity record is missing, was altered, did not pass, or is about other files or another description, the
bundle is refused.
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


def is_exported(folder: Path) -> bool:
    """Whether a bundle holds a graph, or did."""
    return any((folder / name).exists() for name in (ONNX[0], OPENVINO[0], PARITY))


def read_parity(folder: Path, description: ModelDescription) -> ParityRecord:
    """The parity record of an exported bundle, which must have passed and be about these very files."""
    if not (folder / PARITY).is_file():
        raise BundleError(f"{folder} has no {PARITY}, so that nothing shows what its graph gives; export it again")
    record = ParityRecord.read(folder / PARITY)
    if not record.passed:
        raise BundleError(f"{folder}: its graph did not pass the check of parity; export it again")
    record.require_files(folder)
    record.require_description(folder, description)
    return record


def read_classifier(folder: Path, description: ModelDescription) -> Classifier | None:
    """The linear layer behind the mean of the maps."""
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
        raise BundleError(f"{path} holds numbers that are not finite; the bundle is damaged")
    return weight, bias
