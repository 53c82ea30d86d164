"""Augment whole batches on the device, between the cache and the model.

    seen = augment(batch, options, seed=0, epoch=3, step=17)

The result depends only on the images, the options, seed, epoch and step: random numbers are drawn on the CPU with a
separate generator, so that they are the same for any device, number of processes and resumed run, and the global random
state is not used. With p the position of a pixel relative to the centre, and x its colour,

    seen(p) = original(F R(-angle) (p - shift) / scale)                flips, rotation, scaling, shift: one resampling
    x' = b c (G + s (I - G) H(hue)) x + b (1 - c) mean luma            brightness b, contrast c, saturation s, hue

where each row of G is the luma, so that grey stays grey and a change of hue keeps the luma. Pixels outside of the image
are reflected, without black corners or streaks from which a network could recognise rotated images. Erasing is last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from residerm.config import AugmentOptions
from residerm.errors import UsageError

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in Pillow and torchvision
_ERASED_AREA = (0.02, 0.1)  # share of the image
_ERASED_ASPECT = 2.0  # height to width, or the inverse, at most


@dataclass(frozen=True)
class Draws:
    """The random parameters of each image, on the CPU; factors of 1, angles and shifts of 0 have no effect."""

    flip: Tensor  # (n, 2) bool: left-right, up-down
    angle: Tensor  # (n,) radians, anticlockwise as seen
    scale: Tensor  # (n,) above 1 enlarges
    shift: Tensor  # (n, 2) rightwards as a share of the width, downwards as a share of the height
    brightness: Tensor  # (n,)
    contrast: Tensor  # (n,)
    saturation: Tensor  # (n,)
    hue: Tensor  # (n,) radians, from red towards green
    erased: Tensor  # (n, 4) left, top, right, bottom as shares of the sides; all 0 where nothing is erased


def augment(
    images: Tensor,
    options: AugmentOptions,
    *,
    seed: int,
    epoch: int,
    step: int,
    first: int = 0,
    total: int | None = None,
) -> Tensor:
    """Augment a uint8 batch (n, 3, H, W); returns float32 in 0 to 255, channels-last, on the same device.

    If several processes share a batch of `total` images, `first` is the index of this process's first image in it.
    """
    _check(images)
    if not options.augment:
        return images.to(torch.float32, memory_format=torch.channels_last)
    draws = draw_parameters(options, seed=seed, epoch=epoch, step=step, count=len(images), first=first, total=total)
    with torch.autocast(images.device.type, enabled=False):  # bfloat16 cannot represent all colours of 8 bits
        pixels = images.to(torch.float32, memory_format=torch.contiguous_format)
        if options.rotation or options.scale or options.shift:
            pixels = _resampled(pixels, draws)
        elif options.flip:
            pixels = _flipped(pixels, draws)
        if options.brightness or options.contrast or options.saturation or options.hue:
            pixels = _recoloured(pixels, draws)
        pixels = pixels.clamp_(0, 255).contiguous(memory_format=torch.channels_last)
        return _erased(pixels, draws) if options.erasing else pixels


def draw_parameters(
    options: AugmentOptions,
    *,
    seed: int,
    epoch: int,
    step: int,
    count: int,
    first: int = 0,
    total: int | None = None,
) -> Draws:
    """Draw the parameters of `count` images, starting at `first`, of a batch of `total`."""
    end = first + count
    total = end if total is None else total
    if not 0 <= first <= end <= total:
        raise UsageError(f"augment: images {first} to {end - 1} are not all in a batch whose total is {total}")
    # All numbers are drawn for any strengths, so that changing one operation does not change the others.
    uniform = torch.rand(15, total, generator=_generator(seed, epoch, step), dtype=torch.float32)[:, first:end]
    signed = 2 * uniform - 1
    return Draws(
        flip=options.flip > uniform[0:2].T,
        angle=math.radians(options.rotation) * signed[2],
        scale=(1 + options.scale) ** signed[3],
        shift=options.shift * signed[4:6].T,
        brightness=1 + options.brightness * signed[6],
        contrast=1 + options.contrast * signed[7],
        saturation=1 + options.saturation * signed[8],
        hue=2 * math.pi * options.hue * signed[9],
        erased=_rectangles(uniform[10:14]) * (options.erasing > uniform[14])[:, None],
    )


def _check(images: Tensor) -> None:
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise UsageError(
            f"augment takes images as uint8 of shape (n, 3, height, width), not {images.dtype} of {tuple(images.shape)}"
        )


def _generator(seed: int, epoch: int, step: int) -> torch.Generator:
    """A generator for one batch; the hash makes the states of consecutive steps independent."""
    words = np.random.SeedSequence(seed, spawn_key=(epoch, step)).generate_state(1)
    return torch.Generator().manual_seed(int(words[0]))


def _rectangles(uniform: Tensor) -> Tensor:
    """Left, top, right and bottom, as fractions of the size, from four uniform numbers per image."""
    smallest, largest = _ERASED_AREA
    area = smallest + (largest - smallest) * uniform[0]
    aspect = _ERASED_ASPECT ** (2 * uniform[1] - 1)
    sides = torch.stack(((area / aspect).sqrt(), (area * aspect).sqrt()), dim=1)  # (n, 2) width, height
    corner = (1 - sides) * uniform[2:4].T
    return torch.cat((corner, corner + sides), dim=1)


def _resampled(pixels: Tensor, draws: Draws) -> Tensor:
    """Flips, rotation, scaling and shift in one bicubic interpolation, in pixels, to avoid shear of oblong images."""
    height, width = pixels.shape[2:]
    x = torch.arange(width) - (width - 1) / 2 - width * draws.shift[:, :1]  # (n, width)
    y = torch.arange(height) - (height - 1) / 2 - height * draws.shift[:, 1:]  # (n, height)
    cosine, sine = (draws.angle.cos() / draws.scale)[:, None], (draws.angle.sin() / draws.scale)[:, None]
    sides = (1 - 2 * draws.flip.float()) * torch.tensor([width, height])  # (n, 2), negative where flipped
    from_x = 2 * torch.stack((cosine * x, sine * x), dim=-1) / sides[:, None]
    from_y = 2 * torch.stack((-sine * y, cosine * y), dim=-1) / sides[:, None]
    places = from_x.to(pixels)[:, None] + from_y.to(pixels)[:, :, None]  # (n, height, width, 2), the image from -1 to 1
    # Reflecting the positions here is faster than letting grid_sample reflect the 16 neighbours of each.
    places.sub_(1).remainder_(4).sub_(2).abs_().sub_(1)
    # Cubic: of a 64-pixel image's finest detail (energy of the Laplacian) it keeps 78 %, bilinear 50 %, and training
    # should not see blurrier images than evaluation.
    return F.grid_sample(pixels, places, mode="bicubic", padding_mode="border", align_corners=False)


def _flipped(pixels: Tensor, draws: Draws) -> Tensor:
    """Flips without interpolation."""
    left_right, up_down = draws.flip.to(pixels.device)[:, :, None, None, None].unbind(1)
    pixels = torch.where(left_right, pixels.flip(3), pixels)
    return torch.where(up_down, pixels.flip(2), pixels)


def _recoloured(pixels: Tensor, draws: Draws) -> Tensor:
    """Brightness, contrast relative to the mean of the image, saturation and hue, in one 3x4 matrix per image."""
    luma = torch.tensor(_LUMA)
    matrix = _colour_matrix(luma, draws).to(pixels)  # (n, 3, 3)
    lift = (draws.brightness * (1 - draws.contrast))[:, None].to(pixels)
    offset = lift * (pixels.mean((2, 3)) @ luma.to(pixels))[:, None]  # (n, 1), the same for the three channels
    rows = pixels.flatten(2).transpose(1, 2)  # (n, height * width, 3): the product comes out channels-last
    recoloured = torch.baddbmm(offset[:, :, None], rows, matrix.mT)
    return recoloured.view(-1, *pixels.shape[2:], 3).permute(0, 3, 1, 2)


def _colour_matrix(luma: Tensor, draws: Draws) -> Tensor:
    """b c (G + s (I - G) H), where H rotates colours about the grey axis; the luma is preserved."""
    grey = luma.expand(3, 3)
    colour = torch.eye(3) - grey
    quarter_turn = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cosine, sine = draws.hue.cos()[:, None, None], draws.hue.sin()[:, None, None]
    turned = cosine * colour + sine * (colour @ quarter_turn)
    strength = (draws.brightness * draws.contrast)[:, None, None]
    return strength * (grey + draws.saturation[:, None, None] * turned)


def _erased(pixels: Tensor, draws: Draws) -> Tensor:
    """Fill the rectangles with the mean colour of the image."""
    chosen = draws.erased.any(dim=1).nonzero().flatten()  # on the CPU, without waiting for the device
    left, top, right, bottom = draws.erased[chosen].to(pixels).T[:, :, None]  # (k, 1)
    height, width = pixels.shape[2:]
    x = (torch.arange(width, device=pixels.device) + 0.5) / width
    y = (torch.arange(height, device=pixels.device) + 0.5) / height
    inside = ((y >= top) & (y < bottom))[:, :, None] & ((x >= left) & (x < right))[:, None]  # (k, height, width)
    images = pixels[chosen]
    pixels[chosen] = torch.where(inside[:, None], images.mean((2, 3), keepdim=True), images)
    return pixels
