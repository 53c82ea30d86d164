"""Our scores equal those of the ISIC challenges' own package.

Its traps: it cannot read CSV with pandas 3 (frames are passed here), its sensitivity and specificity are at 0.5 and not
of the predicted class (not compared), and it gives 1.0 where a score is undefined (all are defined here).
"""

from typing import Any

import numpy as np
import pytest
from sample_predictions import make_predictions

from residerm.scores import assess

pandas = pytest.importorskip(
    "pandas", reason="isic-challenge-scoring is not installed: the official scores go unchecked"
)
classification = pytest.importorskip(
    "isic_challenge_scoring.classification",
    reason="isic-challenge-scoring is not installed: the official scores go unchecked",
)
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")


@pytest.fixture(scope="module", params=[0, 1, 2])
def both(request: pytest.FixtureRequest) -> tuple[dict[str, Any], Any]:
    """Our scores and the official ones, of the same predictions."""
    labels, probabilities, lesions = make_predictions(400, 7, seed=request.param)
    if request.param == 2:  # ties in every class, though not of the two highest, which they score as undecided
        probabilities = np.round(probabilities, 2) + np.arange(7) * 1e-9
    truth, predicted = (pandas.DataFrame(table, columns=list(CLASSES)) for table in (np.eye(7)[labels], probabilities))
    weights = pandas.DataFrame({"score_weight": np.ones(400), "validation_weight": np.ones(400)})
    metric = classification.ClassificationMetric.BALANCED_ACCURACY
    official = classification.ClassificationScore(truth, predicted, weights, metric)
    return assess(labels, probabilities, CLASSES, lesions, resamples=100), official


def test_balanced_accuracy(both: tuple[dict[str, Any], Any]) -> None:
    ours, official = both
    assert ours.headline["balanced_accuracy"].value == pytest.approx(official.overall, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "theirs"), [("auc", "auc"), ("average_precision", "ap"), ("auc_above_80_sensitivity", "auc_sens_80")]
)
def test_scores_by_class(both: tuple[dict[str, Any], Any], name: str, theirs: str) -> None:
    ours, official = both
    values = [ours.by_class[label][name].value for label in CLASSES]
    np.testing.assert_allclose(values, official.per_category[theirs], rtol=1e-12)


def test_macro_auc(both: tuple[dict[str, Any], Any]) -> None:
    ours, official = both
    assert ours.headline["macro_auc"].value == pytest.approx(official.macro_average["auc"], rel=1e-12)
