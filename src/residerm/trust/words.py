"""What is said of an image's answer, in sentences that a page, a table and a service share."""

from __future__ import annotations

import numpy as np

from residerm.trust.judge import Judge, Judgements

CANNOT_TELL = "cannot tell"
UNLIKE = "unlike the training images"


def remarks_of(judge: Judge, judgements: Judgements, row: int) -> tuple[str, ...]:
    """Why an answer is withheld, and whether its image resembles the training images."""
    said = []
    if judgements.abstain[row]:
        said.append(f"{CANNOT_TELL}: {_unsure(float(judgements.confidence[row]), judge.abstention.threshold)}")
    if judgements.outlier[row]:
        said.append(
            f"{UNLIKE}: its outlier score is {judgements.outlier_score[row]:.3g}, and {judge.outlier_threshold:.3g} "
            "is the highest that counts as alike"
        )
    return tuple(said)


def _unsure(confidence: float, threshold: float) -> str:
    if not np.isfinite(threshold):
        return "no confidence was enough on the validation lesions"
    return f"the confidence is {confidence:.1%}, and an answer takes {threshold:.1%}"
