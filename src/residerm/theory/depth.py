"""`residerm theory depth`: the degradation experiment of He et al. 2015, https://arxiv.org/abs/1512.03385, figure 6.

Plain and residual networks of 6n + 2 layers get the same images in the same order, the same budget and the same number
of weights; they differ only in the shortcuts, which have no weights. The question is how well the training images can
be fitted, so

- nothing is augmented, averaged or clipped: all networks are trained by SGD with momentum and a one-cycle rate;
- errors are those of the last weights in evaluation mode, on all training and all validation images. No weights are
  selected by their validation score, and the test part is not used.

    OUT/plan.json             all options; the same command resumes it
    OUT/plain-20-s0/…         the run folder of a training
    OUT/plain-20-s0/errors.json   its errors, written last
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from pydantic import JsonValue
from torch import Tensor
from typing_extensions import override

from residerm.config import (
    AugmentOptions,
    DepthOptions,
    DepthPreset,
    Experiment,
    ModelOptions,
    Options,
    PixelSpec,
    ResNetOptions,
    SyntheticOptions,
    TrainOptions,
)
from residerm.data.archives import open_archive
from residerm.data.loading.batches import Batches
from residerm.data.synthetic import draw_archive
from residerm.documents import Document
from residerm.errors import UsageError, nearest
from residerm.files import new_folder
from residerm.models.resnet import PUBLISHED
from residerm.progress import SILENT, Progress, Relay, Row
from residerm.runs import Run, find_runs
from residerm.theory.depths import blocks_per_stage
from residerm.training.assembly import assemble, initial_model_of, prepare
from residerm.training.checkpoint import load_state
from residerm.training.hardware import launch
from residerm.training.session import resume, train

_EVALUATED_AT_ONCE = 256


class Plan(Options):
    """All options of the experiment."""

    path: Path | None = None  # None: the synthetic archive
    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    epochs: int
    width: int
    images: int = 1200  # of the synthetic archive
    batch_size: int
    rate: float
    precision: Literal["auto", "float32", "bf16"] = "auto"

    @property
    def cells(self) -> list[Cell]:
        """The trainings, by seed: every kind and depth gets its first seed before any gets its second."""
        return [Cell(*one) for one in product(self.seeds, self.depths, (False, True))]


PRESETS: Mapping[DepthPreset, Plan] = MappingProxyType(
    {
        "small": Plan(depths=(20, 56), seeds=(0, 1), epochs=12, width=8, batch_size=32, rate=0.02, precision="float32"),
        "full": Plan(depths=(20, 56), seeds=(0, 1, 2), epochs=24, width=16, batch_size=64, rate=0.01, images=8000),
    }
)


def plan_of(preset: DepthPreset, options: DepthOptions, path: Path | None = None) -> Plan:
    """A preset, overridden by the given options."""
    if preset not in PRESETS:
        raise UsageError(f"`preset={preset}` is unknown; known are {', '.join(PRESETS)}.{nearest(preset, PRESETS)}")
    unique = {"depths": tuple(dict.fromkeys(options.depths)), "seeds": tuple(dict.fromkeys(options.seeds))}
    given = options.model_dump() | unique | {"path": path and path.absolute()}
    return PRESETS[preset].model_copy(update={name: value for name, value in given.items() if value not in (None, ())})


@dataclass(frozen=True)
class Cell:
    """One training of the experiment."""

    seed: int
    depth: int
    residual: bool

    @property
    def kind(self) -> str:
        """`plain` or `residual`."""
        return "residual" if self.residual else "plain"

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.kind}-{self.depth}-s{self.seed}"


class Outcome(Document):
    """`errors.json`: the course and the result of a training."""

    remedy = "remove the folder {folder}, and run the same command again"

    cell: Cell
    training_error: float
    validation_error: float
    training_loss: float
    baselines: tuple[float, float]  # the errors of always predicting the most common class, in training and validation
    parameters: int
    minutes: float
    training_errors: list[float]  # on the batches of each epoch, during training
    validation_errors: list[float]  # after each epoch

    def to_dict(self) -> dict[str, JsonValue]:
        """The outcome as plain data for JSON, starting with the training."""
        of: dict[str, JsonValue] = {"network": self.cell.kind, "depth": self.cell.depth, "seed": self.cell.seed}
        return of | self.model_dump(mode="json", exclude={"cell"})


class _Epochs(Relay):
    """Reports the finished epochs of all trainings instead of the steps of one."""

    def __init__(self, target: Progress, name: str, *, before: int, total: int) -> None:
        super().__init__(target)
        self._name, self._before, self._total = name, before, total

    @override
    def advance(self, stage: str, done: int, total: int | None, *, unit: str = "images", note: str = "") -> None:
        if stage != "training":
            super().advance(stage, done, total, unit=unit, note=note)

    @override
    def epoch(self, row: Row, epochs: int) -> None:
        done, note = self._before + int(row["epoch"] or 0), f"{self._name}: loss {row['train_loss']:.3f}"
        super().advance("training", done, self._total, unit="epochs", note=note)


def run_depth(plan: Plan, out: Path, progress: Progress = SILENT) -> list[Outcome]:
    """Run the remaining trainings and return all outcomes; raise KeyboardInterrupt if Ctrl-C stopped one."""
    _begin(plan, out)
    path = plan.path or _drawn(plan, out / "archive")
    cells, outcomes = plan.cells, []
    for number, cell in enumerate(cells):
        folder = out / cell.name
        if not (folder / "errors.json").exists():
            epochs = _Epochs(progress, cell.name, before=number * plan.epochs, total=len(cells) * plan.epochs)
            _train(cell, experiment(plan, cell, path), folder, epochs)
        outcomes.append(Outcome.read(folder / "errors.json"))
    return outcomes


def experiment(plan: Plan, cell: Cell, path: Path) -> Experiment:
    """The options of one training; those of two trainings differ only in depth, shortcut and seed.

    Blocks do not start as the identity (`zero_init`), because only residual ones could.
    """
    blocks = blocks_per_stage(cell.depth)
    name = f"resnet{cell.depth}" if cell.depth in PUBLISHED else f"resnet-basic-{blocks}-{blocks}-{blocks}"
    return Experiment(
        path=path,
        pixels=PixelSpec(size=32),
        augmentation=AugmentOptions(augment=False),
        network=ModelOptions(model=name),
        resnet=ResNetOptions(width=plan.width, shortcut=None if cell.residual else "none", zero_init=False),
        training=TrainOptions(
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            optimizer="sgd",
            rate=plan.rate,
            momentum=0.9,
            weight_decay=1e-4,
            schedule="one-cycle",
            warmup=0.2,
            class_weight_power=0.0,
            clip=0.0,
            ema=0.0,
            precision=plan.precision,
            seed=cell.seed,
        ),
    )


def _begin(plan: Plan, out: Path) -> None:
    """Refuse invalid plans; create a new folder with the plan, or accept the folder of the same plan."""
    for depth in plan.depths:
        blocks_per_stage(depth)
    written = plan.model_dump_json(indent=2) + "\n"
    if not (out / "plan.json").exists():
        if plan.path:
            open_archive(plan.path)
        with new_folder(out) as folder:
            (folder / "plan.json").write_text(written, encoding="utf-8")
        return
    before = _read_plan(out / "plan.json")
    differing = [f"{name} {was}, not {value}" for name, value in plan if (was := getattr(before, name)) != value]
    if differing:
        raise UsageError(f"{out} was started with {'; '.join(differing)}: give the same options, or another `out`")


def _read_plan(path: Path) -> Plan:
    try:
        return Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read; give another `out`, or remove the folder") from error


def _drawn(plan: Plan, folder: Path) -> Path:
    """The synthetic archive, drawn once."""
    if not folder.exists():
        draw_archive(folder, SyntheticOptions(images=plan.images, width=96, height=72))
    return folder


def _train(cell: Cell, experiment: Experiment, folder: Path, progress: Progress) -> None:
    """Start, resume or only measure a training, as needed."""
    begun = find_runs(folder) if folder.exists() else []
    if not begun:
        run = train(experiment, folder, progress)
    elif begun[0].summary is None:
        run = resume(begun[0].folder, progress=progress)
    else:
        run = begun[0]
    if run.summary is None:
        raise KeyboardInterrupt
    _measured(cell, experiment, run).write(folder / "errors.json")


def _measured(cell: Cell, experiment: Experiment, run: Run) -> Outcome:
    """Measure the errors of the last weights, and read the course of the training."""
    fabric, dataset = launch(experiment.training), prepare(experiment)
    trainer = assemble(dataset, initial_model_of(dataset), fabric)
    load_state(trainer.state, run.last, fabric.device)
    model = trainer.state.model.eval()

    def wrong_and_loss(rows: np.ndarray) -> tuple[float, float, float]:
        logits, labels = [], []
        with torch.no_grad(), fabric.autocast():
            for batch in Batches(dataset.cache, dataset.records.labels, lambda _: rows, _EVALUATED_AT_ONCE).epoch():
                logits.append(model(fabric.to_device(batch.images).float()).float().cpu())
                labels.append(batch.labels)
        return _errors(torch.cat(logits), torch.cat(labels))

    training, validation = wrong_and_loss(dataset.training_rows), wrong_and_loss(dataset.validation_rows)
    epochs = run.epochs
    return Outcome(
        cell=cell,
        training_error=training[0],
        validation_error=validation[0],
        training_loss=training[1],
        baselines=(training[2], validation[2]),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        minutes=trainer.state.seconds / 60,
        training_errors=[1 - epoch.train_accuracy for epoch in epochs],
        validation_errors=[1 - epoch.scores["accuracy"] for epoch in epochs],
    )


def _errors(logits: Tensor, labels: Tensor) -> tuple[float, float, float]:
    """The error rate, the cross-entropy, and the error rate of always predicting the most common class."""
    wrong = (logits.argmax(1) != labels).double().mean().item()
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    return wrong, loss, 1 - labels.bincount().max().item() / len(labels)
