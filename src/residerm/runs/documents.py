"""The JSON files of a run: what it was made from, on which machine, and how it ended."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from residerm.config import SplitOptions
from residerm.documents import Document, Section

DAMAGED_RUN = "the run is damaged; train it again"
_PACKAGES = ("residerm", "torch", "timm", "lightning-fabric", "numpy", "pillow", "scikit-learn", "imbalanced-learn")


class PartCounts(Section):
    """The images of one part of a split, and the lesions (or patients) that they show."""

    images: int
    groups: int
    classes: dict[str, int]


class SplitProof(Document):
    """splits.json: what a split holds, which lesions are in several parts of it, and the hash of splits.csv."""

    sha256: str
    options: SplitOptions
    grouped_by: str | None = None
    parts: dict[str, PartCounts]
    shared_groups: dict[str, int]
    test_images_with_lesion_in_training: int

    @property
    def leaks(self) -> bool:
        """Whether a lesion is in more than one part."""
        return any(self.shared_groups.values())


class MappingDescription(Section):
    """How classes were translated: source class → target class, or None where it was left out."""

    name: str
    classes: tuple[str, ...]
    targets: dict[str, str | None]


class DataDescription(Document):
    """data.json: the archive, the images counted from its table to the parts, the classes, and the licence."""

    remedy: ClassVar[str] = DAMAGED_RUN

    archive: str
    synthetic: bool
    licence: str
    citation: str
    flow: list[tuple[str, int]]
    split: SplitProof
    mapping: MappingDescription | None = None
    left_out: dict[str, str] = Field(default_factory=dict)
    test_images: int = 0
    notes: tuple[str, ...] = ()  # what must be known of the archive
    merged: tuple[str, ...] = ()  # of these, which labels were read as one class


class Environment(Document):
    """environment.json: what a run depends on besides its options: command, versions, machine."""

    remedy: ClassVar[str] = DAMAGED_RUN

    command: list[str]
    started: str
    python: str
    platform: str
    processor: str
    cores: int | None
    versions: dict[str, str]

    @classmethod
    def here(cls) -> Environment:
        """That of this process."""
        return cls(
            command=["residerm", *sys.argv[1:]],
            started=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            python=platform.python_version(),
            platform=platform.platform(),
            processor=_processor(),
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            versions={name: found for name in _PACKAGES if (found := _version(name))},
        )


class Summary(Document):
    """summary.json: how a training ended; the last file of a run."""

    remedy: ClassVar[str] = DAMAGED_RUN

    stopped: str
    epochs: int
    chosen_epoch: int
    selected_by: str
    validation: dict[str, float]
    minutes: float


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
