"""Every score as a function of weights: a row of weights is a resample, for which every score returns one value.

    weights: resamples × images          a lesion drawn twice gives all of its images the weight 2
    HEADLINE[name].compute(Weighed(images, weights)) → values, one for each resample

Weights of 1 give the score itself. Quantities that several scores need (counts, curves) are computed only once. An
undefined value is NaN, but only here and in the bootstrap; the possible reasons are defined with each score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np

from residerm.scores import curves
from residerm.scores.curves import ratio
from residerm.scores.exact import with_exact_interval
from residerm.scores.images import Images, Question
from residerm.scores.results import Estimate

Count = Literal["images", "positives", "negatives", "called", "not_called", "true_positives", "true_negatives"]
_LACKING: Mapping[Count, str] = MappingProxyType(
    {
        "positives": "there are no images of {}",
        "negatives": "all images are of {}",
        "called": "no image was predicted as {}",
        "not_called": "every image was predicted as {}",
    }
)


class WeighedQuestion:
    """One class against the rest, in every resample."""

    def __init__(self, question: Question, weights: np.ndarray) -> None:
        self.question = question
        self.weights = weights
        self._scores: dict[str, np.ndarray] = {}

    @cached_property
    def counts(self) -> Mapping[Count, np.ndarray]:
        """The number of images that are positive, predicted positive, and so on."""
        images, positives, called, both = (self.weights @ self.question.columns).T
        return {
            "images": images,
            "positives": positives,
            "negatives": images - positives,
            "called": called,
            "not_called": images - called,
            "true_positives": both,
            "true_negatives": images - positives - called + both,
        }

    def share(self, part: Count, whole: Count) -> np.ndarray:
        """One count as a fraction of another."""
        return ratio(self.counts[part], self.counts[whole])

    @cached_property
    def curve(self) -> curves.Curve:
        """The ROC curve."""
        return curves.curve(self.question.ranking, self.weights)

    def score(self, name: str) -> np.ndarray:
        """One of QUESTION_SCORES; NaN in resamples in which a count that it needs is zero."""
        if name not in self._scores:
            score = QUESTION_SCORES[name]
            defined = np.all([self.counts[need] > 0 for need in score.needs], axis=0)
            self._scores[name] = np.where(defined, score.compute(self), np.nan)
        return self._scores[name]


@dataclass(frozen=True)
class QuestionScore:
    """A score of one class against the rest: the counts that must not be zero, and the images that it is based on."""

    compute: Callable[[WeighedQuestion], np.ndarray]
    needs: tuple[Count, ...]
    over: Count = "images"
    is_share: bool = False  # of the images that it is based on


_BOTH: tuple[Count, ...] = ("positives", "negatives")
QUESTION_SCORES: Mapping[str, QuestionScore] = MappingProxyType(
    {
        "sensitivity": QuestionScore(
            lambda one: one.share("true_positives", "positives"), ("positives",), "positives", is_share=True
        ),
        "specificity": QuestionScore(
            lambda one: one.share("true_negatives", "negatives"), ("negatives",), "negatives", is_share=True
        ),
        "precision": QuestionScore(
            lambda one: one.share("true_positives", "called"), ("positives", "called"), "called", is_share=True
        ),
        "negative_predictive_value": QuestionScore(
            lambda one: one.share("true_negatives", "not_called"),
            ("negatives", "not_called"),
            "not_called",
            is_share=True,
        ),
        "f1": QuestionScore(
            lambda one: ratio(2 * one.counts["true_positives"], one.counts["positives"] + one.counts["called"]),
            ("positives",),
        ),
        "auc": QuestionScore(lambda one: curves.auc(one.curve), _BOTH),
        "average_precision": QuestionScore(lambda one: curves.average_precision(one.curve), _BOTH),
        "auc_above_80_sensitivity": QuestionScore(lambda one: curves.auc_above_sensitivity(one.curve), _BOTH),
        "sensitivity_at_90_specificity": QuestionScore(lambda one: curves.sensitivity_at_specificity(one.curve), _BOTH),
        "specificity_at_90_sensitivity": QuestionScore(lambda one: curves.specificity_at_sensitivity(one.curve), _BOTH),
    }
)


class Weighed:
    """Images of many classes, in every resample."""

    def __init__(self, images: Images, weights: np.ndarray) -> None:
        self.images = images
        self.weights = weights
        self.total: np.ndarray = weights.sum(axis=1)
        self._questions: dict[Question, WeighedQuestion] = {}

    def of(self, question: Question) -> WeighedQuestion:
        """A question about these images."""
        return self._questions.setdefault(question, WeighedQuestion(question, self.weights))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """The mean of a value over the images."""
        return ratio(self.weights @ values.astype(float), self.total)

    def macro(self, name: str) -> np.ndarray:
        """The mean of a score over the classes with images; NaN in resamples in which it is undefined for one."""
        return _mean([one.score(name) for one in self._present])

    def weighted(self, name: str) -> np.ndarray:
        """The mean of a score over the classes, weighted by their numbers of images."""
        images = [one.counts["positives"] for one in self._present]
        parts = [np.where(n > 0, n * one.score(name), 0) for n, one in zip(images, self._present, strict=True)]
        return ratio(np.sum(parts, axis=0), self.total)

    def macro_auc(self) -> np.ndarray:
        """The mean of the AUCs of each class against the rest; for two classes, the AUC of the second."""
        questions = self.images.questions
        return _mean([self.of(one).score("auc") for one in (questions[1:] if len(questions) == 2 else questions)])

    def largest_share(self) -> np.ndarray:
        """The accuracy of always predicting the most frequent class."""
        return ratio(np.max([one.counts["positives"] for one in self._present], axis=0), self.total)

    def calibration_error(self) -> np.ndarray:
        """The expected calibration error: the mean difference of confidence and accuracy over all bins.

        There are 15 bins of equal width for the predicted class's probability, weighted by their numbers of images.
        """
        return ratio(np.abs(self.weights @ self.images.excess_in_bins).sum(axis=1), self.total)

    @cached_property
    def _present(self) -> list[WeighedQuestion]:
        return [self.of(self.images.questions[number]) for number in self.images.present]


@dataclass(frozen=True)
class HeadlineScore:
    """A score over all classes, and the reason why it is undefined for some images, if it is."""

    compute: Callable[[Weighed], np.ndarray]
    lacks: Callable[[Images], str | None] = lambda _: None
    over_present: bool = False  # a mean over the classes with images
    is_share: bool = False  # of all images


def _without_images(images: Images) -> str | None:
    if len(images.classes) < 2:
        return f"all images are of {images.classes[0]}"
    return f"there are no images of {', '.join(images.missing)}" if images.missing else None


def _never_predicted(images: Images) -> str | None:
    return f"no image was predicted as {', '.join(images.never_predicted)}" if images.never_predicted else None


def _top(places: int) -> HeadlineScore:
    """How often the true class is among the most probable ones; ties are in the order of the classes."""
    return HeadlineScore(
        lambda weighed: weighed.mean(weighed.images.place_of_label < places),
        lambda images: (
            f"there are only {len(images.classes)} classes, so it would always be 1"
            if len(images.classes) <= places
            else None
        ),
    )


HEADLINE: Mapping[str, HeadlineScore] = MappingProxyType(
    {
        "accuracy": HeadlineScore(lambda weighed: weighed.mean(weighed.images.right), is_share=True),
        "majority_accuracy": HeadlineScore(Weighed.largest_share),
        "balanced_accuracy": HeadlineScore(lambda weighed: weighed.macro("sensitivity"), over_present=True),
        "macro_auc": HeadlineScore(Weighed.macro_auc, _without_images),
        "macro_f1": HeadlineScore(lambda weighed: weighed.macro("f1"), over_present=True),
        "weighted_f1": HeadlineScore(lambda weighed: weighed.weighted("f1")),
        "macro_precision": HeadlineScore(
            lambda weighed: weighed.macro("precision"), _never_predicted, over_present=True
        ),
        "macro_recall": HeadlineScore(lambda weighed: weighed.macro("sensitivity"), over_present=True),
        "weighted_precision": HeadlineScore(lambda weighed: weighed.weighted("precision"), _never_predicted),
        "weighted_recall": HeadlineScore(lambda weighed: weighed.weighted("sensitivity")),
        "top_2_accuracy": _top(2),
        "top_3_accuracy": _top(3),
        "log_loss": HeadlineScore(lambda weighed: weighed.mean(weighed.images.surprise)),
        "brier_score": HeadlineScore(lambda weighed: weighed.mean(weighed.images.squared_error)),
        "calibration_error": HeadlineScore(Weighed.calibration_error),
    }
)


@dataclass(frozen=True)
class Score:
    """One score of some images: its values under weights, its images, why it is absent, and what it omits."""

    compute: Callable[[Weighed], np.ndarray]
    n: int
    absent: str | None
    note: str | None = None
    share_of: np.ndarray | None = None  # bool: the denominator, if the score is a fraction of images

    def estimate(self, found: Estimate | None, groups: np.ndarray) -> Estimate:
        """The estimate of the bootstrap with the number of images, or the reason why there is none."""
        known = Estimate(absent=self.absent) if self.absent is not None or found is None else found
        if self.share_of is not None:
            known = with_exact_interval(known, len(np.unique(groups[self.share_of])))
        return known.model_copy(update={"note": self.note, "n": self.n})


def headline_score(images: Images, name: str) -> Score:
    """One of HEADLINE, for these images."""
    score = HEADLINE[name]
    omits = f"without {', '.join(images.missing)}: no images" if score.over_present and images.missing else None
    share_of = np.ones(len(images), dtype=bool) if score.is_share else None
    return Score(score.compute, len(images), score.lacks(images), omits, share_of)


def question_score(question: Question, name: str) -> Score:
    """One of QUESTION_SCORES, for one question about some images."""
    score = QUESTION_SCORES[name]
    counts = WeighedQuestion(question, np.ones((1, len(question.positive)))).counts
    absent = next((_LACKING[need].format(question.name) for need in score.needs if not counts[need][0]), None)
    share_of = question.images_of(score.over) if score.is_share else None
    return Score(
        lambda weighed: weighed.of(question).score(name), int(counts[score.over][0]), absent, share_of=share_of
    )


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    means: np.ndarray = np.mean(values, axis=0)
    return means
