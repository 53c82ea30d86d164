"""Trust: fitted once on labelled outputs, kept with the model, applied to whatever the model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from residerm.config.trust import TrustOptions
from residerm.errors import UsageError
from residerm.outputs import Outputs, Views
from residerm.trust import storage
from residerm.trust.decision import Threshold
from residerm.trust.judge import Judge, Judgements, Labelled, fit_judge
from residerm.trust.outliers import Score, fit_score
from residerm.trust.summary import VALIDATION, TrustSummary, summarise
from residerm.trust.words import remarks_of

_SINGLE_VIEWS = "Fitted on single views: for the mean of eight views, the thresholds are those of single ones."


@dataclass(frozen=True, eq=False)
class Trust:
    """What was fitted for one view of an image and, where that was asked for, for the mean of eight."""

    summary: TrustSummary
    classes: tuple[str, ...]
    score: Score
    one: Judge
    eight: Judge | None = None

    @classmethod
    def fit(
        cls,
        logits: np.ndarray,
        labels: np.ndarray,
        groups: np.ndarray,
        features: np.ndarray | None,
        training_features: np.ndarray | None,
        training_labels: np.ndarray | None,
        *,
        classes: Sequence[str],
        options: TrustOptions = TrustOptions(),
        fitted_on: str = VALIDATION,
    ) -> Trust:
        """Fit on outputs of labelled images; `groups` says which of them show the same lesion.

        The training features come from images without augmentation; a model without features has its outliers
        found by energy, whatever was asked for.
        """
        if features is None or training_features is None:
            options = options.model_copy(update={"outlier_score": "energy"})
        score = fit_score(options.outlier_score, training_features, training_labels)
        given = Labelled(Outputs(logits, features), np.asarray(labels), np.asarray(groups), tuple(classes))
        fitted = fit_judge(given, score, options)
        training_images = 0 if training_labels is None else len(training_labels)
        summary = summarise(given, fitted, options, fitted_on=fitted_on, training_images=training_images)
        return cls(summary, given.classes, score, fitted.judge)

    def with_eight_views(self, outputs: Outputs, labels: np.ndarray, groups: np.ndarray) -> Trust:
        """This trust with one more fit, on outputs that are the mean of eight views of the same images."""
        given = Labelled(outputs, np.asarray(labels), np.asarray(groups), self.classes)
        return replace(self, eight=fit_judge(given, self.score, self.options).judge)

    def refitted(
        self, outputs: Outputs, labels: np.ndarray, groups: np.ndarray, *, options: TrustOptions, fitted_on: str
    ) -> Trust:
        """Fit again on labelled outputs of another site; what outliers are measured against stays."""
        options = options.model_copy(update={"outlier_score": self.options.outlier_score})
        given = Labelled(outputs, np.asarray(labels), np.asarray(groups), self.classes)
        fitted, images = fit_judge(given, self.score, options), self.summary.outliers.training_images
        summary = summarise(given, fitted, options, fitted_on=fitted_on, training_images=images)
        return Trust(summary, self.classes, self.score, fitted.judge)

    @property
    def options(self) -> TrustOptions:
        """The levels that it was fitted at."""
        said = self.summary
        return TrustOptions(
            coverage=said.sets.coverage,
            error_rate=said.abstention.error_rate,
            outlier_score=said.outliers.score,
            accepted=said.outliers.accepted,
        )

    def judge(self, outputs: Outputs, views: Views = 1) -> Judgements:
        """What is said of images beside their class."""
        return self._judge(views).of(outputs, self.score)

    def outlier_threshold(self, views: Views = 1) -> float:
        """The outlier score above which an image is marked."""
        return self._judge(views).outlier_threshold

    def limits(self, views: Views = 1) -> tuple[str, ...]:
        """What is not promised of answers from so many views."""
        unfitted = views == 8 and self.eight is None
        return (*([_SINGLE_VIEWS] if unfitted else []), *self.summary.limits)

    def prior(self, of_training: Sequence[float], views: Views = 1) -> np.ndarray:
        """The shares of the classes that calibrated probabilities lean towards."""
        own = self._judge(views).calibration.prior
        return np.asarray(of_training) if own is None else own

    def malignancy_threshold(self, sensitivity: float, views: Views = 1) -> Threshold:
        """The probability of malignancy from which this share of malignant lesions is called malignant."""
        decision = self._judge(views).decision
        if decision is None:
            raise UsageError(f"decide malignant: {', '.join(self.classes)} do not say which of them are malignant")
        return decision.threshold(sensitivity)

    def named(self, probabilities: np.ndarray, threshold: Threshold, views: Views = 1) -> np.ndarray:
        """The class that is named for each image: the most probable one on its side of the threshold."""
        decision = self._judge(views).decision
        assert decision is not None, "a threshold comes from a decision"
        return decision.named(probabilities, threshold.threshold)

    def remarks(self, judgements: Judgements, row: int, views: Views = 1) -> tuple[str, ...]:
        """Why an image's answer is not to be relied on, in sentences; none where nothing speaks against it."""
        return remarks_of(self._judge(views), judgements, row)

    def save(self, path: Path) -> Path:
        """Write `trust.npz`, never over an existing file."""
        return storage.save(storage.Kept(self.summary, self.classes, self.score, self.one, self.eight), path)

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Read `trust.npz`; a damaged one is refused."""
        kept = storage.load(path)
        return cls(kept.summary, kept.classes, kept.score, kept.one, kept.eight)

    def _judge(self, views: Views) -> Judge:
        return self.eight if views == 8 and self.eight is not None else self.one
