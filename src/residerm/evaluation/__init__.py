"""A trained model on images that it has not seen: predictions, and the scores of these with their intervals."""

from residerm.evaluation.evaluate import evaluate
from residerm.runs import Evaluation

__all__ = ["Evaluation", "evaluate"]
