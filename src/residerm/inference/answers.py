"""Convert outputs to answers: calibrated probabilities, the predicted class, and the judgements of trust.

A model without trust answers with its softmax, without judgements. The decision rules for the predicted class are:

    probable     the most probable class
    balanced     the class with the highest probability relative to its frequency in training
    malignant    the most probable malignant or benign class, depending on a threshold on the probability of malignancy,
                 which is chosen on the validation part for a sensitivity
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from residerm.config import Decision, EvaluateOptions
from residerm.errors import UsageError
from residerm.inference.predictor import Predictor
from residerm.outputs import Outputs, Views
from residerm.scores import named
from residerm.trust import Judgements, Threshold, Trust

SENSITIVITY = 0.95


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers for some images, one row for each."""

    probabilities: np.ndarray  # (n, classes)
    predicted: np.ndarray  # (n,), index of the class
    judgements: Judgements | None  # None: the model has no trust
    remarks: list[tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """How the outputs of a predictor are converted to answers."""

    predictor: Predictor
    views: Views = 1
    decide: Decision = "probable"
    sensitivity: float = SENSITIVITY

    @classmethod
    def asked(cls, predictor: Predictor, options: EvaluateOptions) -> Rule:
        """The rule for the options of an evaluation."""
        return cls(predictor, 8 if options.tta else 1, options.decide, options.sensitivity)

    @property
    def prior(self) -> np.ndarray:
        """The prior of the classes that the probabilities contain."""
        trust, of_training = self.predictor.trust, self.predictor.description.prior
        return trust.prior(of_training, self.views) if trust else np.asarray(of_training)

    @property
    def threshold(self) -> Threshold | None:
        """The threshold on the probability of malignancy, with `malignant`; an error if the model has none."""
        if self.decide != "malignant":
            return None
        return self._trust().malignancy_threshold(self.sensitivity, self.views)

    def require(self) -> None:
        """Raise `UsageError` if the model does not support this rule."""
        _ = self.threshold

    def answer(self, outputs: Outputs) -> Answers:
        """The answers for some outputs."""
        trust = self.predictor.trust
        judged = trust.judge(outputs, self.views) if trust else None
        probabilities = judged.probabilities if judged else outputs.probabilities
        remarks = [trust.remarks(judged, row, self.views) for row in range(len(outputs))] if trust and judged else []
        return Answers(probabilities, self.name(probabilities), judged, remarks or [()] * len(outputs))

    def name(self, probabilities: np.ndarray) -> np.ndarray:
        """The index of the predicted class of each image."""
        threshold = self.threshold
        if threshold:
            return self._trust().named(probabilities, threshold, self.views)
        return named(probabilities, self.prior, balanced=self.decide == "balanced")

    def _trust(self) -> Trust:
        if self.predictor.trust is None:
            raise UsageError(
                "`decide=malignant` requires a threshold that was chosen on the validation part, which this model does "
                "not have: fit it with `residerm calibrate`"
            )
        return self.predictor.trust
