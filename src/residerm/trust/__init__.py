"""Calibration, prediction sets, abstention and outlier detection, with NumPy only.

    trust = Trust.fit(logits, labels, groups, features, training_features, training_labels, classes=classes)
    judgements = trust.judge(outputs)
    judgements.probabilities, judgements.sets, judgements.abstain, judgements.outlier

| file | contents |
|---|---|
| `lesions` | weights, quantiles and folds by lesion instead of by image |
| `calibration` | temperature or vector scaling |
| `sets` | split conformal prediction sets, by class if there are enough lesions |
| `abstention` | the confidence below which the model abstains |
| `decision` | the threshold at which a model reaches a chosen sensitivity to malignancy |
| `outliers` | scores of the difference from the training images |
| `summary`, `storage` | the summary in `model.json`, and the arrays in `trust.npz` |
| `words` | remarks about a prediction |
| `trust` | all of these, fitted and applied together |

Everything is fitted on labelled images that the model was not trained on. It is not valid for images of another kind or
from another site; `summary.limits` lists further limits.
"""

from residerm.trust.decision import Threshold
from residerm.trust.judge import Judgements
from residerm.trust.storage import TrustError
from residerm.trust.summary import TrustSummary
from residerm.trust.trust import Trust

__all__ = ["Judgements", "Threshold", "Trust", "TrustError", "TrustSummary"]
