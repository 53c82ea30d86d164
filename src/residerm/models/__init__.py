"""Networks: residerm's ResNet, the paper's convolutional network and logistic regression, and those of timm.

Suggested order of reading:

    resnet.py       residual networks and their plain counterparts
    cnn.py          the paper's convolutional network
    logistic.py     multi-class logistic regression on pixels
    model.py        colour normalisation and a network: what is trained, saved and served
    pretrained.py   weights trained on other images, from the hub, at a commit
    weights.py      weights from a file into a model
    networks.py     the bare network of a name
    shapes.py       its shapes, without memory
    complexity.py   its parameters and multiply-adds
    zoo.py          the model of a name
    start.py        the initial model of a training, with its weights, frozen or not
"""

from residerm.models.model import Model
from residerm.models.start import InitialModel, build_initial_model
from residerm.models.zoo import build, find_models

__all__ = ["InitialModel", "Model", "build", "build_initial_model", "find_models"]
