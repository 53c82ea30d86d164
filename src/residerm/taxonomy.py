"""The diagnoses, their names in the archives, and the mapping of classes to those of a task.

A `ClassMapping` maps each source class to a target class or leaves it out. It is applied to labels (`--task`) and to
probabilities (summed), and is stored with the run. Malignant classes are melanoma, basal cell carcinoma, squamous cell
carcinoma and the actinic keratoses (akiec, ak); the latter are strictly pre-malignant or in situ, but are counted as
malignant in the literature on HAM10000. "Unknown" is left out.

ISIC 2016 and 2020 use "malignant" for melanoma. Their classes are therefore called `not_melanoma` and `melanoma` here,
so that they are never silently compared with `benign` and `malignant`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from types import MappingProxyType
from typing import TYPE_CHECKING

from residerm.config import Task
from residerm.errors import UsageError, listed, nearest

if TYPE_CHECKING:
    import numpy as np

AGE_BANDS = ("under 30", "30 to 49", "50 to 69", "70 and over")
_AGE_BORDERS = (30, 50, 70)

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "akiec": "actinic keratosis / intraepithelial carcinoma",
        "ak": "actinic keratosis",
        "bcc": "basal cell carcinoma",
        "bkl": "benign keratosis",
        "df": "dermatofibroma",
        "mel": "melanoma",
        "nv": "melanocytic nevus",
        "scc": "squamous cell carcinoma",
        "sk": "seborrheic keratosis",
        "vasc": "vascular lesion",
        "benign": "benign",
        "malignant": "malignant",
        "melanoma": "melanoma",
        "not_melanoma": "anything but melanoma",
    }
)

_ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "actinic keratoses and intraepithelial carcinoma": "akiec",
        "actinic keratoses and intraepithelial carcinomae": "akiec",
        "actinic keratoses and intraepithelial carcinoma / bowen's disease": "akiec",
        "actinic keratoses": "akiec",
        "bowen's disease": "akiec",
        "actinic keratosis": "ak",
        "basal cell carcinoma": "bcc",
        "benign keratosis-like lesions": "bkl",
        "benign keratosis": "bkl",
        "pigmented benign keratosis": "bkl",
        "dermatofibroma": "df",
        "melanoma": "mel",
        "melanocytic nevi": "nv",
        "melanocytic nevus": "nv",
        "nevus": "nv",
        "nevi": "nv",
        "squamous cell carcinoma": "scc",
        "seborrheic keratosis": "sk",
        "vascular lesions": "vasc",
        "vascular lesion": "vasc",
    }
)

_MALIGNANT = frozenset({"mel", "bcc", "akiec", "ak", "scc", "melanoma", "malignant"})
_BENIGN = frozenset({"bkl", "df", "nv", "sk", "vasc", "benign"})
_MELANOMA = frozenset({"mel", "melanoma"})
_NOT_MELANOMA = frozenset(NAMES) - _MELANOMA - {"malignant"}
_SIDES = frozenset({"benign", "malignant", "melanoma", "not_melanoma"})  # classes of a task, not diagnoses
_UNKNOWN = frozenset({"unk", "unknown"})


def canonical(label: str) -> str:
    """The code of a diagnosis given as a code in any case or as a full name; other names are returned stripped."""
    name = label.strip()
    folded = name.lower()
    if folded in NAMES and folded != "melanoma":
        return folded
    spaced = re.sub(r"[\s_]+", " ", folded)
    return _ALIASES.get(spaced) or _ALIASES.get(spaced.replace("-", " "), name)


def known(label: str) -> str | None:
    """The canonical name of a label, or None if it means that the diagnosis is unknown."""
    return None if label.strip().lower() in _UNKNOWN else canonical(label)


@dataclass(frozen=True)
class ClassMapping:
    """Maps source classes to target classes, or to None if they are left out."""

    name: str
    classes: tuple[str, ...]
    targets: Mapping[str, str | None]

    def __post_init__(self) -> None:
        """Refuse targets that are not among the classes."""
        stray = {target for target in self.targets.values() if target is not None} - set(self.classes)
        if stray:
            raise UsageError(f"mapping {self.name}: {listed(sorted(stray))} is not one of its classes {self.classes}")

    def target(self, source: str) -> str | None:
        """The target class of a source class; None if it is left out; an unknown class is an error."""
        if source not in self.targets:
            raise UsageError(f"mapping {self.name} does not say what to do with class {source!r}")
        return self.targets[source]

    def matrix(self, sources: Iterable[str]) -> np.ndarray:
        """The matrix that sums probabilities of source classes into those of target classes."""
        import numpy as np

        targets = [self.target(source) for source in sources]
        return np.array([[target == name for name in self.classes] for target in targets], dtype=np.float64)  # S×T


def without(mapping: ClassMapping, left_out: Iterable[str]) -> ClassMapping:
    """The mapping with further source classes left out; targets without any source class are removed."""
    for name in left_out:
        if name not in mapping.targets:
            raise UsageError(
                f"`without={name}`: the archive has no such class; its classes are {', '.join(mapping.targets)}."
                + nearest(name, mapping.targets)
            )
    targets = {source: None if source in left_out else target for source, target in mapping.targets.items()}
    reached = tuple(name for name in mapping.classes if name in targets.values())
    return ClassMapping(mapping.name, reached, targets)


def unchanged(task: Task, classes: tuple[str, ...]) -> ClassMapping:
    """The identity mapping, for classes that are already those of a task."""
    return ClassMapping(task, classes, {name: name for name in classes})


def mapping_for(task: Task, classes: tuple[str, ...]) -> ClassMapping:
    """The mapping from an archive's classes to those of a task; refused if a class is ambiguous."""
    if task == "diagnosis":
        return _diagnosis(classes)
    if task == "melanoma":
        return _two_way(task, classes, ("not_melanoma", "melanoma"), _MELANOMA, _NOT_MELANOMA)
    return _two_way(task, classes, ("benign", "malignant"), _MALIGNANT, _BENIGN)


def _diagnosis(classes: tuple[str, ...]) -> ClassMapping:
    """Each class to itself, without the unknown."""
    kept = tuple(name for name in classes if name not in _UNKNOWN)
    if _SIDES.issuperset(kept):
        raise UsageError(f"`task=diagnosis`: classes {listed(kept)} are those of a two-class task, not diagnoses")
    return ClassMapping("diagnosis", kept, {name: name if name in kept else None for name in classes})


def _two_way(
    task: Task, classes: tuple[str, ...], targets: tuple[str, str], positive: frozenset[str], negative: frozenset[str]
) -> ClassMapping:
    """Map positive classes to the second target and negative ones to the first; refuse ambiguous classes."""
    silent = [name for name in classes if name not in positive | negative | _UNKNOWN]
    if silent:
        raise UsageError(f"`task={task}`: class {listed(silent)} is ambiguous: {_way_out(silent)}")
    mapped = {name: targets[name in positive] if name not in _UNKNOWN else None for name in classes}
    return ClassMapping(task, targets, mapped)


def _way_out(silent: list[str]) -> str:
    if "not_melanoma" in silent:
        return "it can include other malignant diagnoses; use `task=melanoma`"
    if "malignant" in silent:
        return "it can include diagnoses other than melanoma; use `task=malignancy`"
    return f"known diagnoses are {', '.join(NAMES)}"


def age_bands(ages: Iterable[float | None]) -> list[str]:
    """The band of each age in years, "under 30" to "70 and over"; "" if the age is None or NaN."""
    return ["" if age is None or isnan(age) else AGE_BANDS[bisect_right(_AGE_BORDERS, age)] for age in ages]
