"""The pictures of a report: thumbnails embedded in the page, within a size limit."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from residerm.report.estimates import rate
from residerm.runs import Evaluation, GalleryImage

_MOST = {"error": 24, "right": 12}
_MOST_CHARACTERS = 2_000_000  # of all thumbnails together, so that the page stays far below 5 MB
_KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png"}


@dataclass(frozen=True)
class Picture:
    """One image and its prediction; `source` is None if its thumbnail is missing or too large."""

    image_id: str
    label: str
    predicted: str
    confidence: str
    probability_of_label: str
    source: str | None
    overlay: str | None = None  # with the evidence for the answer

    @property
    def wrong(self) -> bool:
        """Whether the prediction is wrong."""
        return self.label != self.predicted


def pictures(evaluation: Evaluation) -> dict[str, list[Picture]]:
    """The most confident errors and some correct predictions."""
    shown: dict[str, list[Picture]] = {kind: [] for kind in _MOST}
    room = _MOST_CHARACTERS
    for line in evaluation.gallery:
        mine = shown[line.kind]
        if len(mine) < _MOST[line.kind]:
            mine.append(_picture(evaluation, line, room))
            room -= len(mine[-1].source or "") + len(mine[-1].overlay or "")
    return shown


def _picture(evaluation: Evaluation, line: GalleryImage, room: int) -> Picture:
    source = _source(evaluation, line.file, room)
    left = room - len(source or "")
    return Picture(
        line.image_id,
        line.label,
        line.predicted,
        rate(line.confidence),
        rate(line.probability_of_label),
        source,
        _source(evaluation, line.overlay, left) if line.overlay else None,
    )


def _source(evaluation: Evaluation, file: str, room: int) -> str | None:
    """A thumbnail as a data URI."""
    path = evaluation.folder / "gallery" / file.rpartition("/")[2]  # never outside of this folder
    try:
        content = path.read_bytes()
    except OSError:
        return None
    kind = next((kind for start, kind in _KINDS.items() if content.startswith(start)), None)
    source = f"data:{kind};base64,{base64.b64encode(content).decode()}"
    return source if kind and len(source) <= room else None
