"""Parity: whether an exported graph matches the network in torch, measured on real images, including decoding.

In float32 no logit may differ by more than 0.001, in batches of 1, 3 and 17, and the most probable class must be the
same. float16 (of the stored weights), bf16 and int8 are measured by their cost: the paired differences of balanced
accuracy, macro AUC and calibration error on the validation part, resampled by lesion; they are refused if any score
could be worse by more than half a point. Eight views of each image are used: rounding changes predictions near a tie at
random, which averages out within each lesion.

The record is stored as `parity.json`, with the SHA-256 of the files that were measured and of its own content.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from residerm.config import ExportPrecision, PixelSpec
from residerm.description import ModelDescription
from residerm.documents import newer_format
from residerm.inference.validation import BundleError, read_small_file

PARITY = "parity.json"
TOLERANCE = 1e-3  # of a logit, in float32
SCORES = ("balanced_accuracy", "macro_auc", "calibration_error")  # that a low precision may hardly change
MOST_LOST = 0.005  # of a score: half a point
BATCHES = (1, 3, 17)

Engine = Literal["onnx", "openvino"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ScoreDifference(_Part):
    """A score of the graph minus that of the network in torch, with its 95 % interval."""

    value: float
    low: float
    high: float


class RuntimeParity(_Part):
    """The measurements of one runtime."""

    runtime: Engine
    version: str
    logits: float = Field(ge=0, description="Largest difference of a logit.")
    features: float | None = Field(None, ge=0, description="Largest difference of a feature.")
    maps: float | None = Field(None, ge=0, description="Largest difference in a map.")
    other_class: int = Field(ge=0, description="Images with a different most probable class.")
    milliseconds: float = Field(gt=0, description="Median time of one image on the machine that exported.")
    scores: dict[str, ScoreDifference] | None = Field(None, description="In low precision: differences of scores.")
    undefined: dict[str, str] = Field({}, description="Scores that could not be compared, and why.")

    def passed(self, precision: ExportPrecision) -> bool:
        """Whether the differences are small enough."""
        if precision == "float32":
            return self.logits <= TOLERANCE and self.other_class == 0
        return not self.too_costly

    @property
    def explained(self) -> str:
        """A phrase about the difference from torch, in logits or in scores."""
        if not self.scores:
            return f"within {self.logits:.1g} of torch in a logit"
        costs = (f"{name} {one.value:+.4f} [{one.low:+.4f}, {one.high:+.4f}]" for name, one in self.found)
        return f"compared with torch: {', '.join(costs)}"

    @property
    def found(self) -> list[tuple[str, ScoreDifference]]:
        """The scores that could be compared."""
        return list((self.scores or {}).items())

    @property
    def too_costly(self) -> list[str]:
        """The scores that could be worse by more than half a point, or could not be compared."""
        scores = self.scores or {}
        return [name for name in SCORES if name not in scores or _lost(name, scores[name]) > MOST_LOST]


class ParityRecord(_Part):
    """parity.json."""

    format: Literal[1] = 1
    precision: ExportPrecision
    float32_layers: int | None = Field(
        None, gt=0, description="In bf16: number of first layers with weights that are computed in float32; None: none."
    )
    classes: tuple[str, ...]
    pixels: PixelSpec
    features: int
    maps: bool
    images: int = Field(gt=0, description="Number of real images that were compared.")
    source: str = Field(description="The source of the images.")
    views: int | None = Field(None, ge=1, le=8, description="Number of views of each image; None: one.")
    batches: tuple[int, ...]
    measured: tuple[RuntimeParity, ...] = Field(min_length=1)
    files: dict[str, str] = Field(min_length=1, description="SHA-256 of each measured file.")
    processor: str
    residerm: str
    digest: str = Field("", description="SHA-256 of all of the above.")

    largest: ClassVar[int] = 2**20

    @property
    def passed(self) -> bool:
        """Whether the differences are small enough in every measured runtime."""
        return all(one.passed(self.precision) for one in self.measured)

    @property
    def explained(self) -> str:
        """The measurements, in one line."""
        found = (f"{one.runtime} {one.version} {one.explained}" for one in self.measured)
        return f"{self.computed_in}, {', '.join(found)}, on {self.compared} ({self.source})"

    @property
    def computed_in(self) -> str:
        """The precision, and the number of layers in another one."""
        kept = f" with the first {self.float32_layers} layers in float32" if self.float32_layers else ""
        return f"{self.precision}{kept}"

    @property
    def compared(self) -> str:
        """The number of images and views that were compared."""
        return f"{self.images:,} images" + (f" in {self.views} views each" if self.views else "")

    @property
    def answers(self) -> int:
        """The number of predictions that were compared: one for each view of each image."""
        return self.images * (self.views or 1)

    def of(self, runtime: str) -> RuntimeParity | None:
        """The measurements of a runtime; None if it was not measured."""
        return next((one for one in self.measured if one.runtime == runtime), None)

    @property
    def fastest(self) -> tuple[Engine, ...]:
        """The measured runtimes, the fastest first."""
        return tuple(one.runtime for one in sorted(self.measured, key=lambda one: one.milliseconds))

    def sealed(self) -> Self:
        """The record with the digest of its content."""
        return self.model_copy(update={"digest": self._content_digest()})

    def write(self, folder: Path) -> None:
        """Write the record with its digest."""
        (folder / PARITY).write_text(
            self.sealed().model_dump_json(indent=2, exclude_none=True) + "\n", encoding="utf-8"
        )

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a record; an error if it was changed."""
        try:
            record = cls.model_validate_json(read_small_file(path, cls.largest))
        except ValidationError as error:
            wrong = newer_format(error) or "is damaged or of another version of residerm; export the model again"
            raise BundleError(f"{path} {wrong}") from error
        if record.digest != record._content_digest():
            raise BundleError(f"{path} was changed after it was written; export the model again")
        return record

    def require_files(self, folder: Path) -> None:
        """Raise `BundleError` if the files are not those that were measured."""
        for name, expected in self.files.items():
            if Path(name).name != name:
                raise BundleError(f"{folder / PARITY} names {name!r}, which is not a file in this folder")
            if sha256(folder / name) != expected:
                raise BundleError(f"{folder / name} does not match {PARITY}: export the model again")

    def require_description(self, folder: Path, description: ModelDescription) -> None:
        """Raise `BundleError` if the description is of another model."""
        for name in ("classes", "pixels", "features", "maps"):
            if getattr(self, name) != getattr(description, name):
                raise BundleError(f"{folder}: {PARITY} and model.json differ in {name}: export the model again")

    def _content_digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"digest"}, exclude_none=True)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes."""
    if not path.is_file():
        raise BundleError(f"{path} is missing, or is not a regular file; the bundle is damaged")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lost(name: str, difference: ScoreDifference) -> float:
    """How much a score could be worse."""
    return difference.high if name == "calibration_error" else -difference.low
