"""Multinomial logistic regression compared with its formula and with scikit-learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.preprocessing import StandardScaler

from residerm.models.logistic import LogisticRegression


@pytest.mark.parametrize("size", [32, 64])
def test_logits_are_linear_in_the_pixels(size):
    network = LogisticRegression(7, size).eval()
    for parameter in (*network.parameters(), network.norm.running_mean):
        torch.nn.init.normal_(parameter)
    torch.nn.init.uniform_(network.norm.running_var, 0.5, 2)
    images = torch.randn(3, 3, size, size)
    with torch.inference_mode():
        logits = network(images).numpy()
        from_channels_last = network(images.to(memory_format=torch.channels_last)).numpy()
    own = {key: value.double().numpy() for key, value in network.state_dict().items()}
    x = images.double().numpy().reshape(3, -1)
    x = (x - own["norm.running_mean"]) / np.sqrt(own["norm.running_var"] + 1e-5) * own["norm.weight"] + own["norm.bias"]
    np.testing.assert_allclose(logits, x @ own["linear.weight"].T + own["linear.bias"], rtol=1e-4, atol=1e-3)
    assert (logits == from_channels_last).all()


def test_training_converges_to_scikit_learn():
    random = np.random.default_rng(0)
    labels = np.arange(120) % 3
    pixels = random.normal(size=(120, 12)) + labels[:, None] * random.normal(size=12) * 0.5
    standard = StandardScaler().fit_transform(pixels)
    expected = Reference(C=0.1, tol=1e-8, max_iter=10_000).fit(standard, labels).predict_proba(standard)

    network = LogisticRegression(3, 2).double().train()
    network.norm.eps = 1e-12
    for parameter in network.norm.parameters():
        parameter.requires_grad_(False)
    images, targets = torch.from_numpy(pixels).view(120, 3, 2, 2), torch.from_numpy(labels)
    optimizer = torch.optim.LBFGS(network.linear.parameters(), max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(network(images), targets, reduction="sum")
        value = value + network.linear.weight.square().sum() / (2 * 0.1)
        value.backward()
        return value

    optimizer.step(loss)
    probabilities = network(images).softmax(1).detach().numpy()
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)
