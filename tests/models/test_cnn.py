"""The paper's convolutional network compared with an implementation of its description in NumPy and SciPy."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from timm.layers.pool2d_same import MaxPool2dSame

from residerm.models.cnn import ConvolutionalNetwork, SamePool


def pooled(maps: np.ndarray, side: int) -> np.ndarray:
    """Max pooling with the padding of Keras's 'same', whose smaller half is at the top left."""
    extent = -(-maps.shape[1] // side) * side
    before = (extent - maps.shape[1]) // 2
    padded = np.full((len(maps), extent, extent), -np.inf)
    padded[:, before : before + maps.shape[1], before : before + maps.shape[1]] = maps
    return padded.reshape(len(maps), extent // side, side, extent // side, side).max((2, 4))


def reference_logits(network: ConvolutionalNetwork, image: np.ndarray) -> np.ndarray:
    """The logits of one image, in float64."""
    weights = {key: value.double().numpy() for key, value in network.state_dict().items()}
    maps = image.astype(np.float64)
    for number, side in ((1, 2), (2, 3), (3, 4)):
        filters, biases = weights[f"conv{number}.weight"], weights[f"conv{number}.bias"]
        maps = np.stack([sum(map(lambda m, f: correlate2d(m, f, "same"), maps, own)) for own in filters])
        maps = pooled(np.maximum(maps + biases[:, None, None], 0), side)
    vector = maps.ravel()
    for number in (1, 2, 3):
        vector = weights[f"dense{number}.weight"] @ vector + weights[f"dense{number}.bias"]
        vector = np.maximum(vector, 0) if number < 3 else vector
    return vector


@pytest.mark.parametrize("size", [32, 64, 50])
def test_logits_match_the_description(size):
    network = ConvolutionalNetwork(7, size).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    images = torch.randn(2, 3, size, size)
    with torch.inference_mode():
        logits = network(images)
    expected = np.stack([reference_logits(network, image) for image in images.numpy()])
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("size", "flat"), [(32, 40), (64, 90)])
def test_layer_sizes_match_the_paper(size, flat):
    shapes = {name: tuple(value.shape) for name, value in ConvolutionalNetwork(7, size).named_parameters()}
    assert {name: shape for name, shape in shapes.items() if name.endswith("weight")} == {
        "conv1.weight": (10, 3, 3, 3),
        "conv2.weight": (10, 10, 5, 5),
        "conv3.weight": (10, 10, 7, 7),
        "dense1.weight": (120, flat),
        "dense2.weight": (64, 120),
        "dense3.weight": (7, 64),
    }


@pytest.mark.parametrize("side", [2, 3, 4])
@pytest.mark.parametrize("extent", [1, 2, 5, 6, 7, 16])
def test_pooling_matches_timm(side, extent):
    maps = torch.randn(2, 3, extent, extent + 1) - 5
    assert torch.equal(SamePool(side)(maps), MaxPool2dSame(side, side)(maps))


def test_channels_last_gives_the_same_outputs():
    network, images = ConvolutionalNetwork(7, 32).eval(), torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = network(images)
        logits = network.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)
