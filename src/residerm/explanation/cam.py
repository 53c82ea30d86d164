"""Class activation maps (Zhou et al. 2016, https://arxiv.org/abs/1512.04150): exact, with NumPy only.

If the classifier is one linear layer after the mean over the maps f,

    logit_c = b_c + w_c · mean_xy f(x, y) = b_c + mean_xy (w_c · f(x, y))

so w_c · f(x, y) is the contribution of each position: the mean of the map plus the bias is the logit. The map of an
ensemble that averages logits is the mean of its members' maps; ensembles that average probabilities, and networks with
other layers between maps and logits, have none.
"""

from __future__ import annotations

import numpy as np

from residerm.outputs import Outputs

Classifier = tuple[np.ndarray, np.ndarray]  # weight (classes, d), bias (classes,)


def class_maps(maps: np.ndarray, classifier: Classifier) -> np.ndarray:
    """The contribution of each position to each logit."""  # (n, h, w, d) → (n, h, w, classes)
    return maps @ classifier[0].T


def evidence_maps(outputs: Outputs, classifier: Classifier, target: np.ndarray) -> np.ndarray:
    """The contribution of each position to a target (n, classes)."""  # → (n, h, w)
    assert outputs.maps is not None
    images, height, width, depth = outputs.maps.shape
    weights = target @ classifier[0]  # (n, d): one product per position instead of one per class
    places = outputs.maps.reshape(images, height * width, depth) @ weights[:, :, None]
    evidence: np.ndarray = places.reshape(images, height, width)
    return evidence


def constants(classifier: Classifier, target: np.ndarray) -> np.ndarray:
    """The part of a target that no position contributes: the bias."""  # (n, classes) → (n,)
    return target @ classifier[1]
