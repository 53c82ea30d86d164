"""How far an answer can be trusted: calibration, prediction sets, abstention, outliers. NumPy alone.

    trust = Trust.fit(logits, labels, groups, features, training_features, training_labels, classes=classes)
    judgements = trust.judge(outputs)
    judgements.probabilities, judgements.sets, judgements.abstain, judgements.outlier

| file | what it is |
|---|---|
| `lesions` | one weight for each lesion; quantiles that count lesions, not images |
| `calibration` | temperature or vector scaling |
| `sets` | split conformal prediction sets, by class where the lesions suffice |
| `abstention` | the confidence below which the model gives no answer |
| `decision` | the threshold at which a model reaches a chosen sensitivity to malignancy |
| `outliers` | how unlike the training images an image is |
| `summary`, `storage` | what a person reads of it, in `model.json`; what a program reads, `trust.npz` |
| `words` | what is said of an answer |
| `trust` | all of it, fitted and applied together |

Everything is fitted on labelled images that the model was not trained on. Nothing of it holds for images of another
kind or another place; `summary.limits` says what else it does not promise.
"""

from residerm.trust.decision import Threshold
from residerm.trust.judge import Judgements
from residerm.trust.storage import TrustError
from residerm.trust.summary import TrustSummary
from residerm.trust.trust import Trust

__all__ = ["Judgements", "Threshold", "Trust", "TrustError", "TrustSummary"]
