"""Labels and probabilities → scores. An undefined score is absent, with the reason; never a silent 0, 1 or NaN.

    values, reasons = point_scores(labels, probabilities)                  every epoch, for choosing a checkpoint
    result = assess(labels, probabilities, classes, lesions)               every score, with a 95 % interval
    parts = by_attribute(labels, probabilities, lesions, {"sex": sexes}, classes=classes)
    difference = compare(labels, first, second, classes, lesions)          two models on the same images
    probabilities = divide_by_prior(probabilities, prior)

`labels` contains the index of each image's class, `probabilities` a row for each image and a column for each class, and
`lesions` the group of each image, for resampling. The inputs are arrays; the results are immutable documents
(`results`), in which every score is an `Estimate`: its value with the interval, or the reason why either is missing.
"""

from residerm.scores.assessment import assess, by_attribute, headline_scores, standard_error
from residerm.scores.comparison import compare
from residerm.scores.epoch import LOWER_IS_BETTER, POINT_SCORES, Scores, is_better, macro_auc, point_scores
from residerm.scores.prior import divide_by_prior, named
from residerm.scores.results import (
    Assessment,
    Comparison,
    Count,
    Estimate,
    Estimates,
    Malignancy,
    McNemar,
    ReliabilityBin,
    Resampling,
    Subgroup,
)
from residerm.taxonomy import age_bands

__all__ = [
    "LOWER_IS_BETTER",
    "POINT_SCORES",
    "Assessment",
    "Comparison",
    "Count",
    "Estimate",
    "Estimates",
    "Malignancy",
    "McNemar",
    "ReliabilityBin",
    "Resampling",
    "Scores",
    "Subgroup",
    "age_bands",
    "assess",
    "by_attribute",
    "compare",
    "divide_by_prior",
    "headline_scores",
    "is_better",
    "macro_auc",
    "named",
    "point_scores",
    "standard_error",
]
