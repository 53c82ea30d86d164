"""Outputs → answers: calibrated probabilities, the class that is named, and what trust says of both.

A model without trust answers with its softmax, and nothing is said of it. Which class is named is decided here alone:

    probable     the most probable one
    balanced     the one that is most probable relative to its share in training
    malignant    the most probable one on its side of a threshold on the probability of malignancy, which was chosen
                 on the validation part for a sensitivity
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
    """What is said of some images: a row for each."""

    probabilities: np.ndarray  # (n, classes)
    predicted: np.ndarray  # (n,), the number of the class
    judgements: Judgements | None  # None: the model has no trust
    remarks: list[tuple[str, ...]]


@dataclass(frozen=True)
class Rule:
    """How a predictor's outputs become answers."""

    predictor: Predictor
    views: Views = 1
    decide: Decision = "probable"
    sensitivity: float = SENSITIVITY

    @classmethod
    def asked(cls, predictor: Predictor, options: EvaluateOptions) -> Rule:
        """The rule that the options of an evaluation ask for."""
        return cls(predictor, 8 if options.tta else 1, options.decide, options.sensitivity)

    @property
    def prior(self) -> np.ndarray:
        """The shares of the classes that the probabilities lean towards."""
        trust, of_training = self.predictor.trust, self.predictor.description.prior
        return trust.prior(of_training, self.views) if trust else np.asarray(of_training)

    @property
    def threshold(self) -> Threshold | None:
        """The threshold on the probability of malignancy, where that decides; refused where none can be had."""
        if self.decide != "malignant":
            return None
        return self._trust().malignancy_threshold(self.sensitivity, self.views)

    def require(self) -> None:
        """Refuse a rule that this model cannot follow, before work starts."""
        _ = self.threshold

    def answer(self, outputs: Outputs) -> Answers:
        """The answers of some outputs."""
        trust = self.predictor.trust
        judged = trust.judge(outputs, self.views) if trust else None
        probabilities = judged.probabilities if judged else outputs.probabilities
        remarks = [trust.remarks(judged, row, self.views) for row in range(len(outputs))] if trust and judged else []
        return Answers(probabilities, self.name(probabilities), judged, remarks or [()] * len(outputs))

    def name(self, probabilities: np.ndarray) -> np.ndarray:
        """The number of the class that is named for each image."""
        threshold = self.threshold
        if threshold:
            return self._trust().named(probabilities, threshold, self.views)
        return named(probabilities, self.prior, balanced=self.decide == "balanced")

    def _trust(self) -> Trust:
        if self.predictor.trust is None:
            raise UsageError(
                "`decide=malignant` takes a threshold that was chosen on the validation part, and this model has none: "
                "fit it with `residerm calibrate`"
            )
        return self.predictor.trust
