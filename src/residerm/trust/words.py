"""Remarks about a prediction, which the report, the tables and the service share."""

from __future__ import annotations

import numpy as np

from residerm.trust.judge import Judge, Judgements

CANNOT_TELL = "cannot tell"
UNLIKE = "unlike the training images"
WITHOUT_TRUST = (
    "The probabilities are not calibrated, and there are no prediction sets, abstentions or outlier marks: fit them "
    "with `residerm calibrate`."
)


def remarks_of(judge: Judge, judgements: Judgements, row: int) -> tuple[str, ...]:
    """Why the model abstains, and whether the image is an outlier."""
    remarks = []
    if judgements.abstain[row]:
        remarks.append(f"{CANNOT_TELL}: {_unsure(float(judgements.confidence[row]), judge.abstention.threshold)}")
    if judgements.outlier[row]:
        remarks.append(
            f"{UNLIKE}: its outlier score is {judgements.outlier_score[row]:.3g}, above the threshold of "
            f"{judge.outlier_threshold:.3g}"
        )
    return tuple(remarks)


def _unsure(confidence: float, threshold: float) -> str:
    if not np.isfinite(threshold):
        return "no confidence was high enough on the validation lesions"
    return f"the confidence is {confidence:.1%}, and an answer requires {threshold:.1%}"
