"""Networks: our ResNet, the paper's convolutional network and logistic regression, and timm's by name.

To be read in this order:

    resnet.py       residual networks and their plain counterparts
    cnn.py          the paper's convolutional network
    logistic.py     multi-class logistic regression on pixels
    model.py        normalisation of colours, then a network: what is trained, saved and served
    pretrained.py   weights trained on other images, from the hub, at a commit
    weights.py      weights from a file into a model
    networks.py     the bare network of a name
    shapes.py       its shapes, without memory
    complexity.py   its parameters and multiply-adds
    zoo.py          the model of a name
    start.py        a model as training begins with it: with its first weights, frozen or not
"""

from residerm.models.model import Model
from residerm.models.start import Start, begin
from residerm.models.zoo import build, find

__all__ = ["Model", "Start", "begin", "build", "find"]
