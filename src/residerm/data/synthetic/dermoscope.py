"""The dermoscope: its light, lens and sensor convert the colours of the skin to a photograph."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from residerm.data.synthetic.canvas import Canvas, Colours, Plane, colour, step


@dataclass(frozen=True)
class Dermoscope:
    """The device of a clinic; all photographs of a lesion are taken with the same one."""

    balance: Colours  # of red, green and blue: the white balance
    saturation: float
    contrast: float
    field: float  # radius of the round field of view in half diagonals of the image; its edge is visible below 1


def draw_dermoscope(random: np.random.Generator) -> Dermoscope:
    """Draw a random device: its colours are warmer or colder, duller or more vivid."""
    warm = random.normal(0, 1)
    balance = np.exp(random.normal([0.03 * warm, 0, -0.05 * warm], [0.02, 0.02, 0.05]))
    saturation, contrast = 0.8 + 0.7 * random.beta(1.2, 2.5), random.uniform(0.9, 1.2)
    round_field = random.random() < 0.12
    return Dermoscope(colour(*balance), saturation, contrast, random.uniform(0.75, 1.0) if round_field else 2.0)


def expose(canvas: Canvas, random: np.random.Generator, device: Dermoscope, seen: Colours) -> Image.Image:
    """Take a photograph; the light varies slightly each time."""
    light = np.exp(random.normal(0, [0.03, 0.02, 0.03])) * random.uniform(0.88, 1.06)
    picture = seen * (device.balance * colour(*light))
    grey = picture.mean(axis=0)
    picture = grey + device.saturation * (picture - grey)
    picture = 0.6 + device.contrast * (picture - 0.6)
    picture *= _falloff(canvas, random, device)
    picture += random.uniform(0.005, 0.015) * random.standard_normal(grey.shape, dtype=np.float32)
    pixels = np.clip(picture * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return Image.fromarray(pixels.copy()).filter(
        ImageFilter.GaussianBlur(random.uniform(0.25, 0.6) * canvas.unit / 150)
    )


def _falloff(canvas: Canvas, random: np.random.Generator, device: Dermoscope) -> Plane:
    """The light over the field of view: darker towards the corners and to one side, and black outside of the tube."""
    x = np.linspace(-1, 1, canvas.width, dtype=np.float32)
    y = np.linspace(-1, 1, canvas.height, dtype=np.float32)[:, None]
    right, down = random.normal(0, 0.04), random.normal(0, 0.04)
    lean, fall = random.normal(0, 0.03), random.uniform(0, 0.28)
    diagonal = math.hypot(canvas.width, canvas.height)
    share = ((x - right) * canvas.width / diagonal) ** 2 + ((y - down) * canvas.height / diagonal) ** 2
    return (1 - fall * share + lean * x) * step(device.field - np.sqrt(share), 0.02)
