"""Trust: fitted on labelled outputs, stored with the model, and applied to its predictions."""

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
from residerm.trust.outliers import OutlierScorer, fit_score
from residerm.trust.summary import VALIDATION, TrustSummary, summarise
from residerm.trust.words import remarks_of

_SINGLE_VIEWS = "Fitted on single views: the mean of eight views uses the thresholds of single views."


@dataclass(frozen=True, eq=False)
class Trust:
    """What was fitted for single views and, optionally, for the mean of eight views."""

    summary: TrustSummary
    classes: tuple[str, ...]
    score: OutlierScorer
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
        """Fit on outputs of labelled images; images with the same value in `groups` show the same lesion.

        The training features are from images without augmentation. A model without features always uses the energy
        score.
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
        """Add a fit for the mean of eight views of the same images."""
        given = Labelled(outputs, np.asarray(labels), np.asarray(groups), self.classes)
        return replace(self, eight=fit_judge(given, self.score, self.options).judge)

    def refitted(
        self, outputs: Outputs, labels: np.ndarray, groups: np.ndarray, *, options: TrustOptions, fitted_on: str
    ) -> Trust:
        """Fit again on labelled outputs from another site; the outlier score itself is kept."""
        options = options.model_copy(update={"outlier_score": self.options.outlier_score})
        given = Labelled(outputs, np.asarray(labels), np.asarray(groups), self.classes)
        fitted, images = fit_judge(given, self.score, options), self.summary.outliers.training_images
        summary = summarise(given, fitted, options, fitted_on=fitted_on, training_images=images)
        return Trust(summary, self.classes, self.score, fitted.judge)

    @property
    def options(self) -> TrustOptions:
        """The levels for which it was fitted."""
        summary = self.summary
        return TrustOptions(
            coverage=summary.sets.coverage,
            error_rate=summary.abstention.error_rate,
            outlier_score=summary.outliers.score,
            accepted=summary.outliers.accepted,
        )

    def judge(self, outputs: Outputs, views: Views = 1) -> Judgements:
        """Judge outputs."""
        return self._judge(views).of(outputs, self.score)

    def outlier_threshold(self, views: Views = 1) -> float:
        """The outlier score above which an image is marked."""
        return self._judge(views).outlier_threshold

    def limits(self, views: Views = 1) -> tuple[str, ...]:
        """Sentences about the limits for this number of views."""
        unfitted = views == 8 and self.eight is None
        return (*([_SINGLE_VIEWS] if unfitted else []), *self.summary.limits)

    def prior(self, of_training: Sequence[float], views: Views = 1) -> np.ndarray:
        """The prior that calibrated probabilities contain."""
        own = self._judge(views).calibration.prior
        return np.asarray(of_training) if own is None else own

    def malignancy_threshold(self, sensitivity: float, views: Views = 1) -> Threshold:
        """The threshold on the probability of malignancy for a sensitivity."""
        decision = self._judge(views).decision
        if decision is None:
            raise UsageError(f"decide malignant: it is unknown which of {', '.join(self.classes)} are malignant")
        return decision.threshold(sensitivity)

    def named(self, probabilities: np.ndarray, threshold: Threshold, views: Views = 1) -> np.ndarray:
        """The index of the most probable malignant or benign class of each image, depending on the threshold."""
        decision = self._judge(views).decision
        assert decision is not None, "a threshold comes from a decision"
        return decision.named(probabilities, threshold.threshold)

    def remarks(self, judgements: Judgements, row: int, views: Views = 1) -> tuple[str, ...]:
        """Sentences about why the prediction for an image is unreliable; empty if it is not."""
        return remarks_of(self._judge(views), judgements, row)

    def save(self, path: Path) -> Path:
        """Write `trust.npz`, never over an existing file."""
        return storage.save(storage.Kept(self.summary, self.classes, self.score, self.one, self.eight), path)

    @classmethod
    def load(cls, path: Path) -> Trust:
        """Read `trust.npz`; an error if it is damaged."""
        kept = storage.load(path)
        return cls(kept.summary, kept.classes, kept.score, kept.one, kept.eight)

    def _judge(self, views: Views) -> Judge:
        return self.eight if views == 8 and self.eight is not None else self.one
