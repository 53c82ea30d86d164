"""What the numbers say, in plain words: every sentence is written from the scores and holds for whatever they are.

A score is set against what can be had without a model: the most frequent class, guessing, the shares of the classes.
Whether it is better is said only where the 95 % interval leaves that baseline out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from residerm.report.estimates import SCORES, counted, number, rate
from residerm.report.material import size_of
from residerm.runs import Evaluation
from residerm.scores import Estimate, Estimates

_BALANCED = 0.01  # mean confidence and accuracy this close are called equal


@dataclass(frozen=True)
class Reading:
    """One evaluation with what its sentences refer to."""

    evaluation: Evaluation

    def score(self, name: str) -> Estimate:
        """A headline score."""
        return self.evaluation.scores.headline.get(name, Estimate(absent="it was not computed"))

    @cached_property
    def counts(self) -> dict[str, int]:
        """The images of each class that has any."""
        scores = self.evaluation.scores
        return {name: scores.counts[name].images for name in scores.classes if scores.counts[name].images}

    @cached_property
    def shares(self) -> dict[str, float]:
        """The share of each class that has images."""
        return {name: count / sum(self.counts.values()) for name, count in self.counts.items()}

    @property
    def largest(self) -> str:
        """The class with the most images."""
        return max(self.counts, key=lambda name: self.counts[name])

    @cached_property
    def baselines(self) -> dict[str, float]:
        """What each score is without a look at the images, where that is a question."""
        shares = list(self.shares.values())
        return {
            "accuracy": max(shares),
            "balanced_accuracy": 1 / len(shares),
            "macro_auc": 0.5,
            "log_loss": -sum(share * math.log(share) for share in shares),
            "brier_score": 1 - sum(share**2 for share in shares),
        }

    def relative_to(self, name: str) -> int | None:
        """Whether the interval is above (1) or below (-1) the baseline, or includes it (0); None: nobody can tell."""
        return self.score(name).relative_to(self.baselines[name])

    @cached_property
    def sensitivities(self) -> dict[str, float]:
        """The sensitivity to each class that has one."""
        by_class = self.evaluation.scores.by_class
        found = {name: by_class[name]["sensitivity"].value for name in self.counts}
        return {name: value for name, value in found.items() if value is not None}

    @cached_property
    def confidence(self) -> float | None:
        """The mean probability of the predicted class."""
        bins = self.evaluation.scores.reliability
        images = sum(one.n for one in bins)
        return sum(one.n * one.confidence for one in bins) / images if images else None


def sentence(name: str, reading: Reading) -> str:
    """What a headline score says."""
    estimate = reading.score(name)
    if estimate.value is None:
        return f"Absent: {estimate.reason}."
    said = [_SENTENCES[name](rate(estimate.value), reading)]
    said += [f"It is computed {estimate.note}."] if estimate.note else []
    said += [] if estimate.interval else [f"No interval: {estimate.reason}."]
    return " ".join(said)


def found(reading: Reading) -> str:
    """The result in two or three sentences."""
    accuracy = reading.score("accuracy")
    told = f"On {size_of(reading.evaluation)}"
    balanced = reading.score("balanced_accuracy").value
    if accuracy.value is None or balanced is None:
        return f"{told}, there is not enough to score."
    return (
        f"{told}, it recognises {rate(balanced)} % of a class’s images, averaged over the classes, and "
        f"{rate(accuracy.value)} % of all images. Always answering {reading.largest} would be right for "
        f"{rate(reading.baselines['accuracy'])} %. {_gain(reading)}"
    )


def malignancy(scores: Estimates) -> str:
    """What the malignant-or-benign reading says."""
    sensitivity, specificity = (scores[name].value for name in ("sensitivity", "specificity"))
    said = []
    if sensitivity is not None:
        missed = round(100 * (1 - sensitivity))
        said.append(
            f"Of 100 images of a malignant class, {100 - missed} are predicted as one of these classes "
            f"and {missed} {'is' if missed == 1 else 'are'} missed."
        )
    if specificity is not None:
        alarms = round(100 * (1 - specificity))
        said.append(f"Of 100 benign images, {alarms} {'raises' if alarms == 1 else 'raise'} a false alarm.")
    return " ".join(said)


def generalisation(reading: Reading) -> str:
    """How far the training part is ahead: the documents' bias and variance."""
    training, gap = reading.evaluation.scores.training, reading.evaluation.scores.gap
    names = [name for name in ("balanced_accuracy", "accuracy") if name in (gap or {})]
    if not training or not gap or not names:
        return ""
    drawn = "all " if training.of == training.images else ""
    reached = " and ".join(
        f"{SCORES[name].title.lower()} {rate(training.headline[name].value or 0)} % ({_points(gap[name])} than here)"
        for name in names
    )
    return (
        f"On {drawn}{counted(training.images, 'image')} of the training part, without augmentation, the model "
        f"reaches {reached}. What it lacks there to 100 % is its bias, the difference from here its variance."
    )


def calibration(reading: Reading) -> str:
    """Whether the model is too sure of itself."""
    accuracy = reading.score("accuracy").value
    if reading.confidence is None or accuracy is None:
        return ""
    excess = reading.confidence - accuracy
    verdict = (
        "on balance it is neither too sure nor too unsure"
        if abs(excess) < _BALANCED
        else f"it is too {'sure' if excess > 0 else 'unsure'} of itself"
    )
    return f"Mean confidence is {rate(reading.confidence)} %, and {rate(accuracy)} % are right: {verdict}."


def _points(difference: float) -> str:
    return f"{rate(abs(difference))} points {'more' if difference >= 0 else 'less'}"


def _accuracy(value: str, reading: Reading) -> str:
    return (
        f"{value} % of the images get the right class. Always answering {reading.largest}, the most frequent one, "
        f"would be right for {rate(reading.baselines['accuracy'])} %. {_gain(reading)}"
    )


def _gain(reading: Reading) -> str:
    return {
        1: "The whole interval of the accuracy is above that.",
        0: "The interval of the accuracy includes that: no gain over it is shown.",
        -1: "The whole interval of the accuracy is below that: by this score, that constant answer would be better.",
        None: "Without an interval, nobody can say whether the difference is more than chance.",
    }[reading.relative_to("accuracy")]


def _balanced_accuracy(_: str, reading: Reading) -> str:
    by_class = reading.sensitivities
    if len(by_class) < 2:
        return f"Only {reading.largest} has images here: this is the sensitivity to it."
    low, high = min(by_class, key=lambda name: by_class[name]), max(by_class, key=lambda name: by_class[name])
    return (
        f"The mean of the sensitivities to {len(by_class)} classes; each counts the same, however rare it is. "
        f"Lowest is {low} ({rate(by_class[low])} %), highest {high} ({rate(by_class[high])} %). "
        + _beside_guessing("balanced_accuracy", f"{rate(reading.baselines['balanced_accuracy'])} %", reading)
    )


def _macro_auc(value: str, reading: Reading) -> str:
    return (
        "Of an image of a class and an image of another, the first gets the higher probability of that class in "
        f"{value} % of all pairs, averaged over the classes. {_beside_guessing('macro_auc', '0.5', reading)}"
    )


def _beside_guessing(name: str, written: str, reading: Reading) -> str:
    return {
        1: f"Guessing gives {written}; the whole interval is above that.",
        0: f"Guessing gives {written}, which the interval includes: nothing better is shown.",
        -1: f"Guessing gives {written}; the whole interval is below that.",
        None: f"Guessing gives {written}.",
    }[reading.relative_to(name)]


def _log_loss(_: str, reading: Reading) -> str:
    return f"The mean of −ln p of the true class; 0 is perfect. {_beside_shares('log_loss', reading)}"


def _brier_score(_: str, reading: Reading) -> str:
    return (
        "The squared difference between probabilities and truth, summed over the classes; 0 is perfect. "
        f"{_beside_shares('brier_score', reading)}"
    )


def _beside_shares(name: str, reading: Reading) -> str:
    """Against answering every time with the shares of the classes, which is the best answer without a look."""
    verdict = {
        1: "the whole interval is above that, which is worse",
        0: "the interval includes that: no gain over it is shown",
        -1: "the whole interval is below that, which is better",
        None: "lower is better",
    }[reading.relative_to(name)]
    baseline = number(reading.baselines[name])
    return f"Answering every time with the shares of the classes in this part gives {baseline}; {verdict}."


def _calibration_error(value: str, reading: Reading) -> str:
    return (
        f"Confidence and the share that is right are {value} points apart on average. {calibration(reading)} "
        "On few images it is above 0 by chance alone."
    )


def _weighted_f1(_: str, reading: Reading) -> str:
    share = rate(reading.baselines["accuracy"])
    return f"The same, each class counting by its images, so that {reading.largest} counts {share} %."


_SENTENCES: Mapping[str, Callable[[str, Reading], str]] = MappingProxyType(
    {
        "balanced_accuracy": _balanced_accuracy,
        "macro_auc": _macro_auc,
        "accuracy": _accuracy,
        "majority_accuracy": lambda _, reading: f"What always answering {reading.largest} reaches, without a look.",
        "top_2_accuracy": lambda value, _: f"For {value} %, the true class is among the two most probable ones.",
        "top_3_accuracy": lambda value, _: f"For {value} %, the true class is among the three most probable ones.",
        "macro_f1": lambda *_: "The harmonic mean of precision and sensitivity, averaged over the classes.",
        "weighted_f1": _weighted_f1,
        "macro_precision": lambda value, _: (
            f"When the model names a class, it is right in {value} % of the cases, averaged over the classes."
        ),
        "weighted_precision": lambda *_: "The same, each class counting by its images.",
        "macro_recall": lambda *_: "The same as the balanced accuracy.",
        "weighted_recall": lambda *_: "The same as the accuracy.",
        "log_loss": _log_loss,
        "brier_score": _brier_score,
        "calibration_error": _calibration_error,
    }
)
