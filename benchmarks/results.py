"""Tables of several evaluated runs, for docs/results: `python benchmarks/results.py RUN RUN … [--evaluation NAME]`.

Runs of the same network on different splits are shown one by one with their intervals, and as mean and range. NAME is a
folder in `evaluations/`, such as ham10000-test-tta; the default is the plain evaluation of the run's own test part.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from residerm.errors import UsageError
from residerm.report.estimates import HEADLINE, SCORES
from residerm.report.material import Material, read_material, size_of
from residerm.runs import Evaluation, EvaluationScores, open_run
from residerm.scores import Estimate, Estimates

BALANCED = 0.60
BY_CLASS = (
    "sensitivity", "specificity", "precision", "negative_predictive_value", "auc", "average_precision",
    "auc_above_80_sensitivity",
)  # fmt: skip
MALIGNANT = ("auc", "sensitivity_at_90_specificity", "specificity_at_90_sensitivity")


@dataclass(frozen=True)
class Result:
    """A run, and one evaluation of it."""

    run: Material
    evaluation: Evaluation

    @property
    def split_seed(self) -> int:
        """The seed of the split."""
        return self.run.experiment.split.split_seed

    @property
    def minutes(self) -> float:
        """Minutes of training, without validation."""
        return self.run.summary.minutes

    @property
    def minutes_to_target(self) -> float | None:
        """Minutes of training until the validation balanced accuracy first reached `BALANCED`."""
        reached = (epoch for epoch in self.run.epochs if epoch.scores["balanced_accuracy"] >= BALANCED)
        first = next(reached, None)
        return first.seconds / 60 if first else None

    @property
    def scores(self) -> EvaluationScores:
        """The scores of the evaluation."""
        return self.evaluation.scores


def read(folder: Path, name: str | None) -> Result:
    """A run with its evaluation of this name."""
    run = read_material(open_run(folder))
    if name is None and run.main:
        return Result(run, run.main)
    for one in (run.main, *run.others):
        if one and one.name == name:
            return Result(run, one)
    raise UsageError(f"{folder} has no evaluation {name or 'of its test part'}: residerm evaluate {folder}")


def table(rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table; the first row is the heading."""
    for number, row in enumerate(rows):
        print(f"| {' | '.join(row)} |")
        if number == 0:
            print(f"|{'---|' * len(row)}")
    print()


def over_seeds(results: Sequence[Result], name: str, of: Callable[[EvaluationScores], Estimates]) -> str:
    """The mean over the runs with their range, or the interval of a single run."""
    estimates = [of(one.scores)[name] for one in results]
    score, values = SCORES[name], [one.value for one in estimates if one.value is not None]
    if len(estimates) == 1:
        return score.text(estimates[0])
    if len(values) < len(estimates):
        return "–"
    return f"{score.write(statistics.mean(values))} ({score.write_bounds(min(values), max(values))})"


def headline(scores: EvaluationScores) -> Estimates:
    """The scores over all classes."""
    return scores.headline


def malignancy(scores: EvaluationScores) -> Estimates:
    """The scores of malignant vs. benign."""
    return (
        scores.malignancy.scores
        if scores.malignancy
        else dict.fromkeys(MALIGNANT, Estimate(absent="not defined for these classes"))
    )


def one_by_one(results: Sequence[Result]) -> None:
    """Print every run with its 95 % intervals."""
    rows: Mapping[str, Callable[[Result], str]] = {
        "test images": lambda one: size_of(one.evaluation),
        **{SCORES[name].name: _headline(name) for name in HEADLINE if name in results[0].scores.headline},
        "gap to training, macro AUC": lambda one: _gap(one, "macro_auc", "{:+.3f}"),
        "gap to training, balanced accuracy": lambda one: _gap(one, "balanced_accuracy", "{:+.1f} points", 100),
        "chosen epoch": lambda one: str(one.run.summary.chosen_epoch),
        "minutes of training": lambda one: f"{one.minutes:.1f}",
        f"minutes to a validation balanced accuracy of {BALANCED:.2f}": lambda one: (
            f"{one.minutes_to_target:.1f}" if one.minutes_to_target is not None else "–"
        ),
    }  # fmt: skip
    table([("", *(f"split seed {one.split_seed}" for one in results)),
           *((name, *(written(one) for one in results)) for name, written in rows.items())])  # fmt: skip


def by_class(results: Sequence[Result]) -> None:
    """Print every class: mean over the runs and their range."""
    classes = results[0].scores.classes
    images = {name: [one.scores.counts[name].images for one in results] for name in classes}
    table([
        ("class", "images", *(SCORES[name].name for name in BY_CLASS)),
        *((one, " / ".join(f"{count:,}" for count in images[one]),
           *(over_seeds(results, name, lambda scores, one=one: scores.by_class[one]) for name in BY_CLASS))
          for one in classes),
    ])  # fmt: skip
    shown = (f"{SCORES[name].name} {over_seeds(results, name, malignancy)}" for name in MALIGNANT)
    print(f"Malignant vs. benign: {', '.join(shown)}.\n")


def _headline(name: str) -> Callable[[Result], str]:
    return lambda one: SCORES[name].text(one.scores.headline[name])


def _gap(result: Result, name: str, written: str, factor: float = 1) -> str:
    gap = (result.scores.gap or {}).get(name)
    return "–" if gap is None else written.format(factor * gap)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--evaluation")
    options = parser.parse_args()
    found: dict[str, list[Result]] = {}
    for folder in options.runs:
        result = read(folder, options.evaluation)
        found.setdefault(result.run.experiment.network.model, []).append(result)
    shared = [name for name in HEADLINE if all(name in one[0].scores.headline for one in found.values())]
    table([("", *found), *((SCORES[name].name, *(over_seeds(own, name, headline) for own in found.values()))
                           for name in shared)])  # fmt: skip
    for name, results in found.items():
        print(f"## {name}\n")
        one_by_one(results)
        by_class(results)


if __name__ == "__main__":
    main()
