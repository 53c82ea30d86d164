"""Export a run or a bundle, or several as an ensemble, to a bundle for another runtime, and measure its parity.

The caller provides the images, because this package does not know archives. If parity is not reached, nothing is
written.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import residerm
from residerm.config import ExportPrecision
from residerm.description import ModelDescription
from residerm.errors import ResidermError, UsageError, listed
from residerm.extras import missing_extra
from residerm.files import new_folder
from residerm.inference.bundle import (
    NEIGHBOURS,
    SEEN,
    TRUST,
    find_bundle,
    join_members,
    read_network,
    read_seen_of_all,
    read_trust,
    write_description,
)
from residerm.inference.card import write_card
from residerm.inference.exported import CLASSIFIER, ONNX, OPENVINO, is_exported
from residerm.inference.loading import is_installed, open_graph
from residerm.inference.measuring import Sample, compared_images, compared_views, measure_parity
from residerm.inference.parity import BATCHES, Engine, ParityRecord, RuntimeParity, sha256
from residerm.inference.predictor import Predictor, read_pixels
from residerm.processor import processor
from residerm.progress import SILENT, Progress

if TYPE_CHECKING:
    from residerm.models.ensemble import Ensemble
    from residerm.models.model import Model

_CALIBRATION_IMAGES = 300  # to set the ranges of int8, and to choose the layers of a bf16 graph that stay in float32


class ParityError(ResidermError):
    """A graph does not match the network."""


def export_bundle(
    models: Sequence[Path],
    folder: Path,
    *,
    to: Engine,
    precision: ExportPrecision,
    sample: Sample,
    calibration: Sample,
    progress: Progress = SILENT,
) -> ParityRecord:
    """Write an exported bundle to a new folder, if it passes the check of parity on the sample."""
    require_possible(models, to, precision)
    from residerm.inference.runtimes.torch import TorchRuntime, classifier_of

    model, description = read_network(models[0]) if len(models) == 1 else join_members(models)
    reference = Predictor(description, TorchRuntime(model))
    with new_folder(folder) as partial:
        _write_graph(model, description, partial, to, precision, calibration)
        if classifier := classifier_of(model):
            np.savez(partial / CLASSIFIER, weight=classifier[0], bias=classifier[1])
        kept = _kept_in_float32(partial, reference, calibration) if precision == "bf16" else None
        measured = _measured(partial, reference, to, precision, sample, progress)
        record = _record(partial, description, precision, sample, measured, kept)
        _require_passed(record)
        record.write(partial)
        _carry(models, partial)
        write_card(partial, description, record, find_bundle(models[0]).parent if len(models) == 1 else None)
        write_description(description, partial)
    return record


def require_possible(models: Sequence[Path], to: Engine, precision: ExportPrecision) -> None:
    """Raise an error if the export is impossible, before images are read."""
    for package, extra in (("torch", "train"), ("onnxscript", "train"), ("onnxruntime", "train")):
        if find_spec(package) is None:
            raise missing_extra(f"export requires {package}, which", extra)
    if to == "openvino" and not is_installed("openvino"):
        raise missing_extra("export to openvino requires openvino, which", "openvino")
    if precision == "int8" and find_spec("nncf") is None:
        raise missing_extra("export in int8 requires nncf, which", "int8")
    for model in models:
        if is_exported(find_bundle(model)):
            raise UsageError(f"{model} is already exported: export the run or the bundle that it came from")
    if len(models) == 1:
        read_trust(models[0])  # it is copied, and must be valid
    if precision == "bf16":
        _require_bf16(to)


def _require_bf16(to: Engine) -> None:
    from residerm.inference.precision import cpu_has_bf16

    if to == "onnx":
        raise UsageError("`precision=bf16`: ONNX Runtime does not support it on CPUs; choose `to=openvino`")
    if not cpu_has_bf16():
        raise UsageError("`precision=bf16`: this CPU does not support it, so parity cannot be measured")


def _write_graph(
    model: Model | Ensemble,
    description: ModelDescription,
    folder: Path,
    to: Engine,
    precision: ExportPrecision,
    calibration: Sample,
) -> None:
    from residerm.inference.conversion import quantise, sensitive_layers, store_in_half, write_onnx, write_openvino

    graph = write_onnx(model, folder)
    sensitive = sensitive_layers(graph) if precision == "int8" else ()
    if precision == "float16":
        store_in_half(graph)
    if to == "openvino":
        onnx, graph = graph, write_openvino(graph, folder, in_half=precision == "float16")
        onnx.unlink()
    if precision == "int8":
        images = (pixels[None] for pixels in _calibration_pixels(calibration, description))
        quantise(graph, images, sensitive)


def _kept_in_float32(folder: Path, reference: Predictor, calibration: Sample) -> int:
    from residerm.inference.mixed import keep_first_layers

    return keep_first_layers(folder, reference, np.stack(_calibration_pixels(calibration, reference.description)))


def _calibration_pixels(calibration: Sample, description: ModelDescription) -> list[np.ndarray]:
    count = min(len(calibration), _CALIBRATION_IMAGES)
    numbers = np.linspace(0, len(calibration) - 1, count).astype(int)
    return [read_pixels(calibration.read(int(number)), description) for number in numbers]


def _measured(
    folder: Path, reference: Predictor, to: Engine, precision: ExportPrecision, sample: Sample, progress: Progress
) -> tuple[RuntimeParity, ...]:
    """Measure the chosen runtime, and OpenVINO too if it can run the same graph."""
    description = reference.description

    def of(engine: Engine) -> RuntimeParity:
        graph = Predictor(description, open_graph(folder, description, engine, precision=precision))
        return measure_parity(engine, graph, reference, sample, precision, progress)

    measured: tuple[RuntimeParity, ...] = (of(to),)
    if to == "onnx" and precision == "float32" and is_installed("openvino"):
        also = of("openvino")
        measured += (also,) if also.passed(precision) else ()
    return measured


def _record(
    folder: Path,
    description: ModelDescription,
    precision: ExportPrecision,
    sample: Sample,
    measured: tuple[RuntimeParity, ...],
    float32_layers: int | None,
) -> ParityRecord:
    names = [name for name in (*ONNX, *OPENVINO, CLASSIFIER) if (folder / name).exists()]
    return ParityRecord(
        precision=precision,
        float32_layers=float32_layers or None,
        classes=description.classes,
        pixels=description.pixels,
        features=description.features,
        maps=description.maps,
        images=compared_images(sample, precision),
        source=sample.source,
        views=compared_views(precision),
        batches=BATCHES,
        measured=measured,
        files={name: sha256(folder / name) for name in names},
        processor=processor(),
        residerm=residerm.__version__,
    )


def _require_passed(record: ParityRecord) -> None:
    """Raise `ParityError`, with the measurements, if the graph differs too much from the network."""
    for one in record.measured:
        if one.passed(record.precision):
            continue
        if record.precision == "float32":
            raise ParityError(
                f"{one.runtime} differs from torch by up to {one.logits:.2g} in a logit and predicts another class for "
                f"{one.other_class} of {record.images} images: nothing was written"
            )
        found = [f"{name} by {score.value:+.4f} [{score.low:+.4f}, {score.high:+.4f}]" for name, score in one.found]
        found += [f"{name} by an unknown amount ({reason})" for name, reason in one.undefined.items()]
        raise ParityError(
            f"{record.precision} could cost more than half a point of {listed(one.too_costly)}: on {record.compared} "
            f"it changes {listed(found)}; nothing was written. Export in float32"
        )


def _carry(models: Sequence[Path], folder: Path) -> None:
    """Copy trust, training images and hashes of seen images."""
    for name in (TRUST, NEIGHBOURS):  # only for a single model: an ensemble has other outputs
        if len(models) == 1 and (kept := find_bundle(models[0]) / name).exists():
            shutil.copyfile(kept, folder / name)
    if seen := read_seen_of_all(models):
        seen.write(folder / SEEN)
