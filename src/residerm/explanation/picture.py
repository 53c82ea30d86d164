"""Draw an explanation: the image, the evidence and an overlay, with the probabilities and the scale.

Drawn with Pillow only. The evidence is shown twice: at its own resolution, so that a coarse map is recognised as such,
and smoothly over the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from residerm.disclaimer import DISCLAIMER
from residerm.explanation.colours import coloured, overlaid
from residerm.explanation.evidence import resized
from residerm.explanation.explain import PANEL, Explanation
from residerm.explanation.methods import METHODS
from residerm.taxonomy import NAMES

_MARGIN, _GAP = 28, 18
_WIDTH = 2 * _MARGIN + 3 * PANEL + 2 * _GAP
_TOP, _ROW = 96, 24  # top of the panels; height of a class
_IN_ROW, _THUMBNAIL = 8, 108  # neighbours in a row; size of their pictures in pixels
_CAPTION = 54  # height of their captions
_INK, _PALE, _LINE, _BAR = (25, 25, 28), (105, 105, 112), (205, 205, 210), (120, 120, 128)
_NOTE = "Red and blue show what this model used, not what is true: a model can be right for the wrong reason."


def draw_explanation(explanation: Explanation, classes: Sequence[str]) -> Image.Image:
    """Draw one explanation, for a model with these classes."""
    below = _TOP + PANEL + 44
    neighbours = below + max(len(classes) * _ROW + 34, 190)
    height = neighbours + _height_of_neighbours(explanation) + 54
    image = Image.new("RGB", (_WIDTH, height), "white")
    canvas = ImageDraw.Draw(image)
    _heading(canvas, explanation)
    _panels(image, canvas, explanation)
    _probabilities(canvas, explanation, classes, below)
    _scale(image, canvas, explanation, below)
    _neighbours(image, canvas, explanation, neighbours)
    canvas.line((_MARGIN, height - 46, _WIDTH - _MARGIN, height - 46), fill=_LINE)
    canvas.text((_MARGIN, height - 36), DISCLAIMER, _INK, _font(14))
    return image


def question(explanation: Explanation) -> str:
    """The question that the picture answers, which is its heading."""
    name = NAMES.get(explanation.explained, explanation.explained)
    if explanation.against:
        return f"Why {name}, and not {NAMES.get(explanation.against, explanation.against)}?"
    return f"What is evidence for {name}, and what against it?"


def _heading(canvas: ImageDraw.ImageDraw, explanation: Explanation) -> None:
    canvas.text((_MARGIN, 22), question(explanation), _INK, _font(26))
    name = explanation.name if len(explanation.name) < 80 else "..." + explanation.name[-77:]
    canvas.text((_MARGIN, 62), name, _PALE, _font(15))


def _panels(image: Image.Image, canvas: ImageDraw.ImageDraw, explanation: Explanation) -> None:
    places = explanation.map.shape
    smooth = resized(explanation.map[None], explanation.shown.shape[0])[0]
    cells = Image.fromarray(coloured(explanation.map, explanation.full))
    panels = (
        (Image.fromarray(explanation.shown), "the image, as the model crops it"),
        (cells.resize((PANEL, PANEL), Image.Resampling.NEAREST), f"the evidence, {places[1]} x {places[0]} values"),
        (Image.fromarray(overlaid(explanation.shown, smooth, explanation.full)), "the evidence on the image, smoothed"),
    )
    for number, (panel, caption) in enumerate(panels):
        left = _MARGIN + number * (PANEL + _GAP)
        image.paste(panel.resize((PANEL, PANEL), Image.Resampling.LANCZOS), (left, _TOP))
        canvas.rectangle((left - 1, _TOP - 1, left + PANEL, _TOP + PANEL), outline=_LINE)
        canvas.text((left, _TOP + PANEL + 9), caption, _PALE, _font(14))


def _probabilities(canvas: ImageDraw.ImageDraw, explanation: Explanation, classes: Sequence[str], top: int) -> None:
    """A bar for each class, the most probable first."""
    probabilities = dict(zip(classes, explanation.probabilities, strict=True))
    chosen = explanation.prediction_set or ()
    canvas.text((_MARGIN, top), "Probabilities" + (" and prediction set" if chosen else ""), _INK, _font(16))
    for number, name in enumerate(sorted(probabilities, key=lambda one: -probabilities[one])):
        y = top + 30 + number * _ROW
        left, width = _MARGIN + 200, 230
        short = _fitted(name, left - _MARGIN - 10, _font(15))
        canvas.text((_MARGIN, y), short, _INK, _font(15))
        after = max(_MARGIN + 60, _MARGIN + round(_font(15).getlength(short)) + 8)
        canvas.text((after, y + 1), _fitted(NAMES.get(name, ""), left - after - 10, _font(13)), _PALE, _font(13))
        canvas.rectangle((left, y + 3, left + width, y + 15), fill=(238, 238, 240))
        canvas.rectangle((left, y + 3, left + round(width * probabilities[name]), y + 15), fill=_BAR)
        canvas.text((left + width + 12, y), f"{100 * probabilities[name]:.1f} %", _INK, _font(15))
        if name in chosen:
            canvas.ellipse((left + width + 84, y + 4, left + width + 94, y + 14), fill=_INK)
            canvas.text((left + width + 101, y), "in the set", _PALE, _font(13))


def _fitted(text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Shorten a text to a width, with an ellipsis."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text.rstrip(' /')}…" if text else ""


def _scale(image: Image.Image, canvas: ImageDraw.ImageDraw, explanation: Explanation, top: int) -> None:
    """The colour scale, the method, and the remarks."""
    left, width = _WIDTH - _MARGIN - 400, 400
    full, method = explanation.full, METHODS[explanation.method].title
    canvas.text((left, top), f"Evidence, in logits ({method}{_at(explanation.stage)})", _INK, _font(16))
    strip = coloured(np.linspace(-full, full, width, dtype=np.float32)[None].repeat(16, 0), full)
    image.paste(Image.fromarray(strip), (left, top + 32))
    canvas.rectangle((left - 1, top + 31, left + width, top + 48), outline=_LINE)
    for place, text, anchor in ((0, f"-{full:g} or less", "la"), (0.5, "0", "ma"), (1, f"{full:g} or more", "ra")):
        canvas.text((left + place * width, top + 53), text, _PALE, _font(13), anchor=anchor)
    against = f"for {explanation.against}" if explanation.against else f"against {explanation.explained}"
    canvas.text((left, top + 74), against, _INK, _font(15))
    canvas.text((left + width, top + 74), f"for {explanation.explained}", _INK, _font(15), anchor="ra")
    for number, line in enumerate(_sentences(explanation)):
        canvas.text((left, top + 104 + 19 * number), line, _PALE, _font(13))


def _neighbours(image: Image.Image, canvas: ImageDraw.ImageDraw, explanation: Explanation, top: int) -> None:
    """The nearest training images, with class, similarity and id, and with pictures if the model has them."""
    if not explanation.neighbours:
        return
    canvas.text(
        (_MARGIN, top + 14), "Most similar training images (cosine similarity of their features)", _INK, _font(16)
    )
    width, side = (_WIDTH - 2 * _MARGIN + 18) // _IN_ROW, _side_of_pictures(explanation)
    for number, one in enumerate(explanation.neighbours):
        left = _MARGIN + number % _IN_ROW * width
        y = top + 44 + number // _IN_ROW * (side + _CAPTION)
        if one.picture is not None:
            small = Image.fromarray(one.picture).resize((side, side), Image.Resampling.LANCZOS)
            image.paste(small, (left, y))
            canvas.rectangle((left - 1, y - 1, left + side, y + side), outline=_LINE)
        canvas.text(
            (left, y + side + 6), _fitted(f"{one.label}  {one.similarity:.2f}", width - 10, _font(15)), _INK, _font(15)
        )
        canvas.text((left, y + side + 27), _fitted(one.image_id, width - 10, _font(13)), _PALE, _font(13))


def _height_of_neighbours(explanation: Explanation) -> int:
    rows = -(-len(explanation.neighbours) // _IN_ROW)
    return rows and 44 + rows * (_side_of_pictures(explanation) + _CAPTION)


def _side_of_pictures(explanation: Explanation) -> int:
    return _THUMBNAIL if any(one.picture is not None for one in explanation.neighbours) else 0


def _at(stage: str) -> str:
    return f" at {stage}" if stage else ""


def _sentences(explanation: Explanation) -> list[str]:
    lowest, highest = (round(float(value), 1) + 0.0 for value in (explanation.map.min(), explanation.map.max()))
    lines = [f"From {lowest} to {highest} in this image."]  # + 0.0 turns -0.0 into 0.0
    lines += [line for remark in explanation.remarks for line in wrap(remark, 62)]
    first, _, second = _NOTE.partition(": ")
    return [*lines, f"{first}:", second]


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
