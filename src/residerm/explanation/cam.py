"""Class activation maps (Zhou et al. 2016, https://arxiv.org/abs/1512.04150): exact, and NumPy alone.

Where the classifier is one linear layer behind a mean over the maps f,

    logit_c = b_c + w_c · mean_xy f(x, y) = b_c + mean_xy (w_c · f(x, y))

so that w_c · f(x, y) is what each place contributes: the mean of the map plus the bias is the logit. An ensemble whose
members are averaged in the logits has the mean of its members' maps; averaged in the probabilities, and where other
layers lie between maps and logits, it has none.
"""

from __future__ import annotations

import numpy as np

from residerm.outputs import Outputs

Classifier = tuple[np.ndarray, np.ndarray]  # weight (classes, d), bias (classes,)


def class_maps(maps: np.ndarray, classifier: Classifier) -> np.ndarray:
    """What each place contributes to each logit."""  # (n, h, w, d) → (n, h, w, classes)
    return maps @ classifier[0].T


def evidence_maps(outputs: Outputs, classifier: Classifier, target: np.ndarray) -> np.ndarray:
    """What each place contributes to a target (n, classes)."""  # → (n, h, w)
    assert outputs.maps is not None
    images, height, width, depth = outputs.maps.shape
    weights = target @ classifier[0]  # (n, d): one product for each place, not one for each class
    places = outputs.maps.reshape(images, height * width, depth) @ weights[:, :, None]
    evidence: np.ndarray = places.reshape(images, height, width)
    return evidence


def constants(classifier: Classifier, target: np.ndarray) -> np.ndarray:
    """What of a target comes from no place: the bias."""  # (n, classes) → (n,)
    return target @ classifier[1]
