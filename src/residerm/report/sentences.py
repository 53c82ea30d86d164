"""Sentences that interpret the scores.

Scores are compared with baselines that need no model: the most frequent class, chance, and the class frequencies. A
score is only called better if its 95 % interval excludes the baseline.
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

_BALANCED = 0.01  # largest difference between mean confidence and accuracy at which they are called equal


@dataclass(frozen=True)
class Reading:
    """An evaluation, with the quantities that its sentences refer to."""

    evaluation: Evaluation

    def score(self, name: str) -> Estimate:
        """A headline score."""
        return self.evaluation.scores.headline.get(name, Estimate(absent="it was not computed"))

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of images of each class that has any."""
        scores = self.evaluation.scores
        return {name: scores.counts[name].images for name in scores.classes if scores.counts[name].images}

    @cached_property
    def frequencies(self) -> dict[str, float]:
        """The frequency of each class that has images."""
        return {name: count / sum(self.counts.values()) for name, count in self.counts.items()}

    @property
    def largest(self) -> str:
        """The class with the most images."""
        return max(self.counts, key=lambda name: self.counts[name])

    @cached_property
    def baselines(self) -> dict[str, float]:
        """The baselines, by score: what can be reached without looking at the images."""
        frequencies = list(self.frequencies.values())
        return {
            "accuracy": max(frequencies),
            "balanced_accuracy": 1 / len(frequencies),
            "macro_auc": 0.5,
            "log_loss": -sum(share * math.log(share) for share in frequencies),
            "brier_score": 1 - sum(share**2 for share in frequencies),
        }

    def relative_to(self, name: str) -> int | None:
        """Whether the interval is above (1) or below (-1) the baseline or includes it (0); None without an interval."""
        return self.score(name).relative_to(self.baselines[name])

    @cached_property
    def sensitivities(self) -> dict[str, float]:
        """The sensitivities that are defined, by class."""
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
    """The explanation of a headline score."""
    estimate = reading.score(name)
    if estimate.value is None:
        return f"Missing: {estimate.reason}."
    sentences = [_SENTENCES[name](rate(estimate.value), reading)]
    sentences += [f"It is computed {estimate.note}."] if estimate.note else []
    sentences += [] if estimate.interval else [f"No interval: {estimate.reason}."]
    return " ".join(sentences)


def found(reading: Reading) -> str:
    """The result in two or three sentences."""
    accuracy = reading.score("accuracy")
    images = f"On {size_of(reading.evaluation)}"
    balanced = reading.score("balanced_accuracy").value
    if accuracy.value is None or balanced is None:
        return f"{images}, the scores cannot be computed."
    return (
        f"{images}, it classifies {rate(balanced)} % of the images of a class correctly, averaged over the classes, "
        f"and {rate(accuracy.value)} % of all images. Always predicting {reading.largest} would be correct for "
        f"{rate(reading.baselines['accuracy'])} %. {_gain(reading)}"
    )


def malignancy(scores: Estimates) -> str:
    """The result for malignant against benign classes."""
    sensitivity, specificity = (scores[name].value for name in ("sensitivity", "specificity"))
    sentences = []
    if sensitivity is not None:
        missed = round(100 * (1 - sensitivity))
        sentences.append(
            f"Of 100 images of a malignant class, {100 - missed} {'is' if missed == 99 else 'are'} predicted as a "
            f"malignant class and {missed} {'is' if missed == 1 else 'are'} missed."
        )
    if specificity is not None:
        alarms = round(100 * (1 - specificity))
        sentences.append(f"Of 100 benign images, {alarms} {'is a false alarm' if alarms == 1 else 'are false alarms'}.")
    return " ".join(sentences)


def generalisation(reading: Reading) -> str:
    """How much higher the scores on the training part are: bias and variance in the terms of the source documents."""
    training, gap = reading.evaluation.scores.training, reading.evaluation.scores.gap
    names = [name for name in ("balanced_accuracy", "accuracy") if name in (gap or {})]
    if not training or not gap or not names:
        return ""
    drawn = "all " if training.of == training.images else ""
    reached = " and ".join(
        f"{SCORES[name].title.lower()} {rate(training.headline[name].value or 0)} % ({_points(gap[name])} than on the "
        f"{reading.evaluation.scores.part} part)"
        for name in names
    )
    return (
        f"On {drawn}{counted(training.images, 'image')} of the training part, without augmentation, the model "
        f"reaches {reached}. The distance of these from 100 % is the bias, the gap between the parts the variance."
    )


def calibration(reading: Reading) -> str:
    """Whether the model is over- or underconfident."""
    accuracy = reading.score("accuracy").value
    if reading.confidence is None or accuracy is None:
        return ""
    excess = reading.confidence - accuracy
    verdict = (
        "on average it is neither over- nor underconfident"
        if abs(excess) < _BALANCED
        else f"it is {'over' if excess > 0 else 'under'}confident"
    )
    return f"The mean confidence is {rate(reading.confidence)} %, the accuracy {rate(accuracy)} %: {verdict}."


def _points(difference: float) -> str:
    return f"{rate(abs(difference))} points {'higher' if difference >= 0 else 'lower'}"


def _accuracy(value: str, reading: Reading) -> str:
    return (
        f"{value} % of the images are classified correctly. Always predicting {reading.largest}, the most frequent "
        f"class, would be correct for {rate(reading.baselines['accuracy'])} %. {_gain(reading)}"
    )


def _gain(reading: Reading) -> str:
    return {
        1: "The whole interval of the accuracy is above that.",
        0: "The interval of the accuracy includes that: no improvement is shown.",
        -1: "The whole interval of the accuracy is below that: by this score, the constant prediction is better.",
        None: "Without an interval, it is unknown whether the difference is due to chance.",
    }[reading.relative_to("accuracy")]


def _balanced_accuracy(_: str, reading: Reading) -> str:
    by_class = reading.sensitivities
    if len(by_class) < 2:
        return f"Only {reading.largest} has images here: this is its sensitivity."
    low, high = min(by_class, key=lambda name: by_class[name]), max(by_class, key=lambda name: by_class[name])
    return (
        f"The mean sensitivity over {len(by_class)} classes; rare classes count the same as frequent ones. "
        f"The lowest is that of {low} ({rate(by_class[low])} %), the highest that of {high} ({rate(by_class[high])} "
        "%). " + _against_chance("balanced_accuracy", f"{rate(reading.baselines['balanced_accuracy'])} %", reading)
    )


def _macro_auc(value: str, reading: Reading) -> str:
    return (
        f"In {value} % of all pairs of an image of a class and one of another class, the first has the higher "
        f"probability of that class, averaged over the classes. {_against_chance('macro_auc', '0.5', reading)}"
    )


def _against_chance(name: str, written: str, reading: Reading) -> str:
    return {
        1: f"Chance level is {written}; the whole interval is above that.",
        0: f"Chance level is {written}, which the interval includes: no improvement is shown.",
        -1: f"Chance level is {written}; the whole interval is below that.",
        None: f"Chance level is {written}.",
    }[reading.relative_to(name)]


def _log_loss(_: str, reading: Reading) -> str:
    return f"The mean of −ln p of the true class; 0 is perfect. {_against_frequencies('log_loss', reading)}"


def _brier_score(_: str, reading: Reading) -> str:
    return (
        "The squared difference between probabilities and truth, summed over the classes; 0 is perfect. "
        f"{_against_frequencies('brier_score', reading)}"
    )


def _against_frequencies(name: str, reading: Reading) -> str:
    """Compare with always predicting the class frequencies, the best constant prediction."""
    verdict = {
        1: "the whole interval is above that, which is worse",
        0: "the interval includes that: no improvement is shown",
        -1: "the whole interval is below that, which is better",
        None: "lower is better",
    }[reading.relative_to(name)]
    baseline = number(reading.baselines[name])
    return f"Always predicting the class frequencies of this part gives {baseline}; {verdict}."


def _calibration_error(value: str, reading: Reading) -> str:
    return (
        f"Confidence and accuracy differ by {value} points on average. {calibration(reading)} "
        "With few images it is above 0 by chance alone."
    )


def _weighted_f1(_: str, reading: Reading) -> str:
    share = rate(reading.baselines["accuracy"])
    return f"The same, weighted by the number of images of each class, so that {reading.largest} counts {share} %."


_SENTENCES: Mapping[str, Callable[[str, Reading], str]] = MappingProxyType(
    {
        "balanced_accuracy": _balanced_accuracy,
        "macro_auc": _macro_auc,
        "accuracy": _accuracy,
        "majority_accuracy": lambda _, reading: f"The accuracy of always predicting {reading.largest}.",
        "top_2_accuracy": lambda value, _: f"For {value} %, the true class is one of the two most probable ones.",
        "top_3_accuracy": lambda value, _: f"For {value} %, the true class is one of the three most probable ones.",
        "macro_f1": lambda *_: "The harmonic mean of precision and sensitivity, averaged over the classes.",
        "weighted_f1": _weighted_f1,
        "macro_precision": lambda value, _: (
            f"Predictions of a class are correct in {value} % of the cases, averaged over the classes."
        ),
        "weighted_precision": lambda *_: "The same, weighted by the number of images of each class.",
        "macro_recall": lambda *_: "The same as the balanced accuracy.",
        "weighted_recall": lambda *_: "The same as the accuracy.",
        "log_loss": _log_loss,
        "brier_score": _brier_score,
        "calibration_error": _calibration_error,
    }
)
