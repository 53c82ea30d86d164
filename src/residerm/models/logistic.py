"""The paper's multi-class logistic regression: a linear function of the pixels.

    p = softmax(W BatchNorm(x) + b)          x: the image as one vector of size * size * 3 numbers

The softmax is part of the loss. The learnt weights can be visualised: each row of W has the shape of an image.
"""

from __future__ import annotations

from torch import Tensor, nn


class LogisticRegression(nn.Module):
    """Batch normalisation and one linear layer on the flattened image of `size` pixels."""

    classifier = "linear"

    def __init__(self, classes: int, size: int) -> None:
        super().__init__()
        pixels = 3 * size**2
        self.norm = nn.BatchNorm1d(pixels)
        self.linear = nn.Linear(pixels, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes) of normalised images (n, 3, size, size)."""
        logits: Tensor = self.linear(self.norm(images.flatten(1)))
        return logits
