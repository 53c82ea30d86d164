"""The JSON files of a run: its data, its environment, and its result."""

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
    """The number of images and lesions (or patients) in one part of a split, and of images per class."""

    images: int
    groups: int
    classes: dict[str, int]


class SplitProof(Document):
    """splits.json: the counts of a split, the number of lesions in several parts, and the hash of splits.csv."""

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
    """How classes were mapped: source class → target class, or None if it was left out."""

    name: str
    classes: tuple[str, ...]
    targets: dict[str, str | None]


class DataDescription(Document):
    """data.json: the archive, the number of images from its table to the parts, the classes, and the licence."""

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
    notes: tuple[str, ...] = ()  # caveats about the archive
    merged: tuple[str, ...] = ()  # those of the notes that are about labels merged into one class


class Environment(Document):
    """environment.json: the command, versions and machine of a run."""

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
        """The environment of this process."""
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
