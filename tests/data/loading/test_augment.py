"""Augmentation compared with SciPy and Pillow (geometry) and torchvision and colorsys (colours)."""

import colorsys
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from residerm.config import AugmentOptions
from residerm.data.loading.augment import Draws, augment, draw_parameters
from residerm.errors import UsageError

BATCH = {"seed": 3, "epoch": 1, "step": 4}
STRENGTHS = AugmentOptions.model_fields.keys() - {"augment"}
GEOMETRY = {"rotation": 180.0, "flip": 0.5, "scale": 0.3, "shift": 0.2}
COLOURS = {"brightness": 0.15, "contrast": 0.3, "saturation": 0.5, "hue": 0.1}


def only(**strengths: float) -> AugmentOptions:
    """Options with all other operations disabled."""
    return AugmentOptions(**{name: strengths.get(name, 0) for name in STRENGTHS})


def noise(*shape: int, low: int = 0, high: int = 255) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(low, high + 1, shape, dtype=np.uint8))


def smooth(count: int, height: int, width: int) -> torch.Tensor:
    """Images without fine detail, for which interpolation methods agree."""
    generator = np.random.default_rng(1)
    y, x = np.mgrid[:height, :width]
    waves = [
        60 * np.sin(x * a / 12 + y * b / 12 + c) + 125 + 40 * np.cos(x * b / 20 - y * a / 20)
        for a, b, c in generator.uniform(-1, 1, (count * 3, 3)) * [1, 1, np.pi]
    ]
    return torch.from_numpy(np.stack(waves).round().astype(np.uint8).reshape(count, 3, height, width))


def transformed_by_scipy(image: np.ndarray, draws: Draws, index: int) -> np.ndarray:
    """One image of (3, height, width) flipped, scaled, rotated and shifted by SciPy, in float64."""
    height, width = image.shape[1:]
    angle, scale = draws.angle[index].item(), draws.scale[index].item()
    (left_right, up_down), (right, down) = draws.flip[index].tolist(), draws.shift[index].tolist()
    flip = np.diag([-1 if up_down else 1, -1 if left_right else 1])
    rotate = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])  # of (row, column)
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    back = np.linalg.inv(rotate @ (scale * np.eye(2)) @ flip)
    offset = centre - back @ (centre + np.array([down * height, right * width]))
    return np.stack([ndimage.affine_transform(c.astype(float), back, offset, order=3, mode="reflect") for c in image])


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 70), (71, 32)])
@pytest.mark.parametrize("operations", [*[{name: GEOMETRY[name]} for name in GEOMETRY], GEOMETRY], ids=str)
def test_geometry_matches_scipy(operations, height, width):
    images, options = smooth(12, height, width), only(**operations)
    seen = augment(images, options, **BATCH).numpy()
    draws = draw_parameters(options, count=12, **BATCH)
    expected = np.stack([transformed_by_scipy(image, draws, index) for index, image in enumerate(images.numpy())])
    assert np.abs(expected - images.numpy()).mean() > 2, "the draws move the images"
    assert np.abs(seen - expected).max() < 1, "everywhere, the reflected parts too, within one level of 255"


def test_rotation_matches_pillow():
    images, options = smooth(6, 64, 64), only(rotation=180)
    seen = augment(images, options, **BATCH)
    y, x = torch.meshgrid(torch.arange(64) - 31.5, torch.arange(64) - 31.5, indexing="ij")
    inside = (x**2 + y**2) < 28**2
    for image, result, angle in zip(images, seen, draw_parameters(options, count=6, **BATCH).angle, strict=True):
        pillow = Image.fromarray(image.permute(1, 2, 0).numpy()).rotate(math.degrees(angle), Image.Resampling.BICUBIC)
        expected = torch.from_numpy(np.array(pillow)).permute(2, 0, 1).float()
        assert (result - expected)[:, inside].abs().max() < 2


def test_flips_are_exact():
    images = noise(32, 3, 24, 36)
    assert torch.equal(augment(images, only(flip=1), **BATCH), images.flip(2, 3).float())
    seen, draws = augment(images, only(flip=0.5), **BATCH), draw_parameters(only(flip=0.5), count=32, **BATCH)
    for image, result, (left_right, up_down) in zip(images, seen, draws.flip.tolist(), strict=True):
        assert torch.equal(result, image.flip([2] * left_right + [1] * up_down).float())
    assert len(set(map(tuple, draws.flip.tolist()))) == 4, "all four combinations come"


def test_corners_have_image_pixels_only():
    images = torch.full((8, 3, 50, 30), 200, dtype=torch.uint8)
    seen = augment(images, only(rotation=180, flip=0.5, scale=0.9, shift=0.9), **BATCH)
    assert torch.allclose(seen, torch.tensor(200.0), atol=0.01)


def test_colour_jitter_matches_torchvision():
    from torchvision.transforms import functional

    images = noise(8, 3, 20, 30, low=90, high=160)
    for name, factor_of in (
        ("brightness", functional.adjust_brightness),
        ("contrast", functional.adjust_contrast),
        ("saturation", functional.adjust_saturation),
    ):
        options = only(**{name: 0.4})
        seen, factors = augment(images, options, **BATCH), getattr(draw_parameters(options, count=8, **BATCH), name)
        for image, result, factor in zip(images, seen, factors.tolist(), strict=True):
            assert abs(factor - 1) > 0.001
            assert (result / 255 - factor_of(image / 255, factor)).abs().max() < 1e-4


def test_hue_rotation_keeps_luma():
    images, options = noise(8, 3, 20, 30, low=70, high=180), only(hue=0.5)
    seen = augment(images, options, **BATCH).double()
    angles = draw_parameters(options, count=8, **BATCH).hue.double()[:, None, None]
    for colours in (images.double(), seen):
        assert colours.min() > 0, "nothing is clipped"
        assert colours.max() < 255, "nothing is clipped"

    def plane(colours: torch.Tensor) -> torch.Tensor:
        red, green, blue = colours.unbind(1)
        return torch.complex(2 * red - green - blue, math.sqrt(3) * (green - blue))

    def luma(colours: torch.Tensor) -> torch.Tensor:
        return torch.einsum("nchw,c->nhw", colours, torch.tensor([0.299, 0.587, 0.114], dtype=torch.float64))

    assert torch.allclose(plane(seen), plane(images.double()) * torch.exp(1j * angles), atol=1e-3)
    assert torch.allclose(luma(seen), luma(images.double()), atol=1e-3)


def test_hue_is_close_to_colorsys():
    colours = torch.tensor([[150, 90, 80], [90, 140, 100], [100, 90, 150]], dtype=torch.uint8)[:, :, None, None]
    options = only(hue=0.1)
    seen = augment(colours, options, **BATCH)[:, :, 0, 0]
    for colour, result, angle in zip(colours, seen, draw_parameters(options, count=3, **BATCH).hue, strict=True):
        turn = colorsys.rgb_to_hsv(*result.tolist())[0] - colorsys.rgb_to_hsv(*colour.flatten().tolist())[0]
        assert turn == pytest.approx(angle.item() / (2 * math.pi), abs=0.007)


def test_colour_operations_compose():
    images, options = noise(8, 3, 20, 30, low=90, high=160), only(**COLOURS)
    seen, draws = augment(images, options, **BATCH), draw_parameters(options, count=8, **BATCH)
    luma = np.array([0.299, 0.587, 0.114])
    for index, image in enumerate(images.double().numpy()):
        x = image * draws.brightness[index].item()
        contrast, saturation = draws.contrast[index].item(), draws.saturation[index].item()
        x = contrast * x + (1 - contrast) * np.tensordot(luma, x, 1).mean()
        x = saturation * x + (1 - saturation) * np.tensordot(luma, x, 1)
        axis, angle = np.ones(3) / math.sqrt(3), draws.hue[index].item()
        turned = x * math.cos(angle) + np.cross(axis, x, axisb=0, axisc=0) * math.sin(angle)
        turned += axis[:, None, None] * np.tensordot(axis, x, 1) * (1 - math.cos(angle))  # Rodrigues
        turned += np.tensordot(luma, x - turned, 1)
        assert np.abs(seen[index].numpy() - turned.clip(0, 255)).max() < 1e-3


def test_grey_images_stay_grey():
    images = noise(8, 1, 16, 24).expand(-1, 3, -1, -1)
    seen = augment(images, AugmentOptions(hue=0.5), **BATCH)
    assert (seen - seen[:, :1]).abs().max() < 1e-3


def test_erasing_fills_a_rectangle_with_the_mean_colour():
    images, options = noise(64, 3, 40, 60), only(erasing=1)
    seen, draws = augment(images, options, **BATCH), draw_parameters(options, count=64, **BATCH)
    for image, result, edges in zip(images.float(), seen, draws.erased.tolist(), strict=True):
        left, top, right, bottom = (round(edge * side) for edge, side in zip(edges, (60, 40, 60, 40), strict=True))
        expected = image.clone()
        expected[:, top:bottom, left:right] = image.mean((1, 2))[:, None, None]
        assert torch.allclose(result, expected, atol=1e-3)
        changed = (result != image).any(0).float().mean().item()
        assert 0.01 < changed < 0.13  # 2 to 10 %, and up to half a pixel on each side


def test_erasing_has_the_given_probability_and_sizes():
    draws = draw_parameters(only(erasing=0.3), count=5000, **BATCH)
    erased = draws.erased[draws.erased.any(1)]
    assert len(erased) / 5000 == pytest.approx(0.3, abs=0.03)
    left, top, right, bottom = erased.T
    area, aspect = (right - left) * (bottom - top), (bottom - top) / (right - left)
    assert erased.min() >= 0
    assert erased.max() <= 1
    assert (area.min().item(), area.max().item()) == pytest.approx((0.02, 0.1), abs=0.002)
    assert (aspect.min().item(), aspect.max().item()) == pytest.approx((0.5, 2), abs=0.02)
    assert max(left.min(), top.min()) < 0.01
    assert min(right.max(), bottom.max()) > 0.99


def test_parameters_are_uniform_in_their_ranges():
    options = AugmentOptions(
        rotation=90, flip=0.25, scale=0.2, shift=0.1, brightness=0.3, contrast=0.4, saturation=0.5, hue=0.05
    )
    draws = draw_parameters(options, count=8000, **BATCH)
    within = {
        "angle": (draws.angle, math.pi / 2),
        "scale": (draws.scale.log(), math.log(1.2)),
        "right": (draws.shift[:, 0], 0.1),
        "down": (draws.shift[:, 1], 0.1),
        "brightness": (draws.brightness - 1, 0.3),
        "contrast": (draws.contrast - 1, 0.4),
        "saturation": (draws.saturation - 1, 0.5),
        "hue": (draws.hue, 0.05 * 2 * math.pi),
    }
    for name, (values, limit) in within.items():
        shares = torch.histc(values / limit, 8, -1, 1) / 8000
        assert torch.allclose(shares, torch.tensor(1 / 8), atol=0.02), name
        assert values.abs().max() <= limit + 1e-6, name
    pairs = torch.corrcoef(torch.stack([values for values, _ in within.values()])) - torch.eye(len(within))
    assert pairs.abs().max() < 0.05
    assert torch.allclose(draws.flip.float().mean(0), torch.tensor(0.25), atol=0.02)


def test_batch_depends_only_on_seed_epoch_and_step():
    images, options = noise(4, 3, 16, 16), AugmentOptions()
    once = augment(images, options, **BATCH)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002 -- the global state is what is tested
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    assert torch.equal(augment(images, options, **BATCH), once)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    others = [augment(images, options, **BATCH | {name: 0}) for name in BATCH]
    assert not any(torch.equal(other, once) for other in others)


def test_neighbouring_batches_are_independent():
    angles = [
        draw_parameters(AugmentOptions(), seed=seed, epoch=epoch, step=step, count=1).angle.item()
        for seed in (0, 1, 2, 2**40)
        for epoch in range(5)
        for step in range(50)
    ]
    assert len(set(angles)) == len(angles)


def test_strengths_are_independent():
    some = draw_parameters(AugmentOptions(), count=9, **BATCH)
    other = draw_parameters(AugmentOptions(rotation=0, flip=0, erasing=0, brightness=0.4), count=9, **BATCH)
    for name in ("scale", "shift", "contrast", "saturation", "hue"):
        assert torch.equal(getattr(some, name), getattr(other, name))
    assert not torch.equal(some.brightness, other.brightness)
    assert not other.angle.any()


def test_shards_are_slices_of_the_batch():
    images, options = noise(11, 3, 24, 32), AugmentOptions(erasing=0.5)
    whole = augment(images, options, **BATCH)
    edges = [0, 1, 6, 6, 11]  # one image, five, none, five
    shards = [augment(images[a:b], options, first=a, total=11, **BATCH) for a, b in pairwise(edges)]
    assert torch.allclose(torch.cat(shards), whole, atol=1e-3)


def test_zero_strengths_are_the_identity():
    images = noise(5, 3, 17, 23)
    assert torch.equal(augment(images, only(), **BATCH), images.float())


def test_no_augment_only_casts():
    images = noise(5, 3, 17, 23)
    seen = augment(images, AugmentOptions(augment=False), **BATCH)
    assert torch.equal(seen, images.float())
    assert seen.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("operations", [{}, GEOMETRY, COLOURS, {"flip": 1}, {"erasing": 1}, None], ids=str)
@pytest.mark.parametrize("shape", [(4, 3, 64, 64), (1, 3, 40, 72), (3, 3, 1, 1)])
def test_output_type_and_layout(shape, operations):
    options = AugmentOptions() if operations is None else only(**operations)
    images = noise(*shape)
    before = images.clone()
    seen = augment(images.contiguous(memory_format=torch.channels_last), options, **BATCH)
    assert seen.dtype == torch.float32
    assert seen.shape == shape
    assert seen.is_contiguous(memory_format=torch.channels_last)
    assert seen.min() >= 0
    assert seen.max() <= 255
    assert torch.equal(seen, augment(images, options, **BATCH)), "the memory format makes no difference"
    assert torch.equal(images, before), "the cache's pixels stay as they were"


def test_values_are_clipped():
    images = noise(32, 3, 32, 32)
    seen = augment(images, only(brightness=0.9, contrast=0.9), **BATCH)
    assert (seen.min(), seen.max()) == (0, 255)


def test_autocast_has_no_effect():
    images, options = noise(4, 3, 32, 32), AugmentOptions()
    with torch.autocast("cpu", torch.bfloat16):
        inside = augment(images, options, **BATCH)
    assert torch.equal(inside, augment(images, options, **BATCH))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cuda_matches_cpu():
    images, options = noise(16, 3, 48, 64), AugmentOptions(erasing=0.5)
    seen = augment(images.cuda(), options, **BATCH)
    assert seen.device.type == "cuda"
    assert torch.allclose(seen.cpu(), augment(images, options, **BATCH), atol=0.05)


@pytest.mark.parametrize(
    "images",
    [torch.zeros(2, 3, 8, 8), torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 8, dtype=torch.uint8)],
    ids=["float", "one channel", "one image"],
)
def test_invalid_images_are_refused(images):
    with pytest.raises(UsageError, match=r"uint8 of shape \(n, 3, height, width\), not torch"):
        augment(images, AugmentOptions(), **BATCH)


@pytest.mark.parametrize("place", [{"first": 3, "total": 6}, {"first": -1, "total": 6}, {"total": 3}], ids=str)
def test_invalid_shard_is_refused(place):
    with pytest.raises(UsageError, match="are not all in a batch whose total is"):
        augment(noise(4, 3, 8, 8), AugmentOptions(), **BATCH, **place)
