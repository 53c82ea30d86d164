"""A greedy model soup: average the weights of runs that started from the same weights into one model.

    soup = make_soup([Path("runs/…-s0"), Path("runs/…-s1")], Path("soup"))

Runs are tried from the best to the worst; each is added to the average if that does not lower the validation score
(Wortsman et al. 2022). All runs must have the same split, so that no run was trained on validation images. The
validation score of the soup is optimistic, because it was used to select the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from residerm.config import Experiment
from residerm.data.dataset import Dataset
from residerm.description import ModelDescription
from residerm.errors import UsageError
from residerm.inference.bundle import read_bundle, read_description, read_seen_of_all, write_bundle
from residerm.inference.predictor import Predictor
from residerm.inference.runtimes.torch import TorchRuntime
from residerm.models.model import Model
from residerm.progress import SILENT, Progress
from residerm.runs import Run, open_run
from residerm.scores import is_better, point_scores
from residerm.training.trust import fit_trust_of_joined

_SAME = ("model", "resnet", "classes", "task", "pixels", "mean", "deviation")  # of the descriptions
_BATCH = 128

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Soup:
    """A model with averaged weights: its bundle, the runs it averages, and its validation scores."""

    bundle: Path
    runs: tuple[Path, ...]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class _Judge:
    """Scores models on the shared validation part."""

    dataset: Dataset

    @property
    def select(self) -> str:
        """The score that selects."""
        return self.dataset.experiment.training.select

    def scores(self, model: Model, description: ModelDescription) -> Mapping[str, float]:
        """The validation scores of a model."""
        rows = self.dataset.validation_rows
        predictor = Predictor(description, TorchRuntime(model.eval()))
        found = predictor.outputs(self.dataset.cache.pixels[rows], batch_size=_BATCH)
        return point_scores(self.dataset.records.labels[rows], found.probabilities).values


def make_soup(runs: Sequence[Path], out: Path, progress: Progress = SILENT) -> Soup:
    """Average the weights of the runs that improve the validation score, and write the bundle `out`."""
    opened = [open_run(run) for run in runs]
    experiment = _refuse_what_cannot_be_averaged(opened)
    models = [read_bundle(run.folder) for run in opened]
    model, description = models[0]
    judge = _Judge(Dataset.open(experiment, progress))
    alone = [judge.scores(*one) for one in models]
    order = sorted(range(len(runs)), key=lambda place: _rank(alone[place][judge.select], judge.select))
    weights = [{name: value.clone() for name, value in one.network.state_dict().items()} for one, _ in models]
    chosen, best = order[:1], alone[order[0]]
    for place in order[1:]:
        model.network.load_state_dict(_mean([weights[one] for one in (*chosen, place)]))
        scores = judge.scores(model, description)
        if not is_better(judge.select, best[judge.select], scores[judge.select]):
            chosen, best = [*chosen, place], scores
        progress.advance("averaging", order.index(place) + 1, len(runs), unit="runs")
    model.network.load_state_dict(_mean([weights[one] for one in chosen]))
    described = description.model_copy(
        update={"selected_by": f"soup of {len(chosen)} runs by validation {judge.select}", "validation": dict(best)}
    )
    trust = fit_trust_of_joined(Predictor(described, TorchRuntime(model.eval())), judge.dataset, progress)
    write_bundle(model, described, out, trust, read_seen_of_all(runs))
    return Soup(out, tuple(runs[place] for place in chosen), best)


def _rank(score: float, name: str) -> float:
    """A sort key that puts the best score first."""
    return score if is_better(name, 0.0, 1.0) else -score


def _mean(weights: Sequence[Weights]) -> dict[str, Tensor]:
    """The mean of each tensor; counters are taken from the first."""
    return {
        name: sum((one[name] for one in weights[1:]), first) / len(weights) if first.is_floating_point() else first
        for name, first in weights[0].items()
    }


def _refuse_what_cannot_be_averaged(runs: Sequence[Run]) -> Experiment:
    """Check that runs agree in network, classes, size, split and initial weights; return the first experiment."""
    if len(runs) < 2:
        raise UsageError("a soup requires two or more runs")
    experiments = [run.experiment for run in runs]
    first, start = experiments[0], _start(experiments[0])
    if start is None:
        raise UsageError(
            f"{runs[0].folder} started from random weights, whose average is not meaningful; give runs with pretrained "
            "or weights, or join them as an ensemble"
        )
    for run, experiment in zip(runs[1:], experiments[1:], strict=True):
        if differing := _difference(runs[0], run):
            raise UsageError(f"{run.folder} and {runs[0].folder} differ in {differing}, and cannot be averaged")
        if _start(experiment) != start:
            raise UsageError(
                f"{run.folder} and {runs[0].folder} started from different weights: join them as an ensemble"
            )
    return first


def _difference(first: Run, other: Run) -> str | None:
    """The name of a difference that prevents averaging two runs, or None."""
    descriptions = [read_description(run.folder) for run in (first, other)]
    for name in _SAME:
        if getattr(descriptions[0], name) != getattr(descriptions[1], name):
            return name
    splits = [(run.folder / "splits.csv").read_bytes() for run in (first, other)]
    return None if splits[0] == splits[1] else "their split"


def _start(experiment: Experiment) -> tuple[object, ...] | None:
    """The initial weights of a run; None for random ones."""
    network = experiment.network
    return (network.pretrained, network.revision, network.weights) if network.pretrained or network.weights else None
