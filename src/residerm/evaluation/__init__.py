"""Evaluation of a trained model on images that it was not trained on: predictions, and scores with intervals."""

from residerm.evaluation.evaluate import evaluate
from residerm.runs import Evaluation

__all__ = ["Evaluation", "evaluate"]
