"""Align the classes of a model with those of an archive, by mapping both to classes that both can distinguish.

    alignment = align_classes(description.classes, description.task, records)
    alignment.summed(probabilities, description.classes), alignment.labels(records)          in alignment.classes

Diagnoses are aligned by name. Diagnoses, of a model or of an archive, can be mapped to malignant or benign, and to
melanoma or not, by summing probabilities. Malignancy and melanoma are never aligned: a basal cell carcinoma is
malignant but not a melanoma.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from residerm.config import Task
from residerm.data.archives.records import Records
from residerm.errors import UsageError, listed
from residerm.runs import Alignment
from residerm.taxonomy import ClassMapping, mapping_for, unchanged

_MEANING = {"melanoma": "melanoma and all else", "malignancy": "malignant and benign", "diagnosis": "diagnoses"}


@dataclass(frozen=True)
class ClassAlignment:
    """The common classes, and the mappings of the archive's and the model's classes to them."""

    task: Task
    of_archive: ClassMapping
    of_model: ClassMapping
    unmapped: dict[str, int]  # class of the archive that the model does not have → its images

    @property
    def classes(self) -> tuple[str, ...]:
        """The common classes."""
        return self.of_model.classes

    def labels(self, records: Records) -> np.ndarray:
        """The index of each image's common class, or -1 if the model does not have it."""
        places = {name: place for place, name in enumerate(self.classes)}
        targets = [self.of_archive.target(name) for name in records.classes]
        lookup = np.array([-1 if target is None else places[target] for target in targets])
        labels: np.ndarray = lookup[records.labels]
        return labels

    def summed(self, probabilities: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """The model's probabilities, summed over the classes that map to each common class."""
        summed: np.ndarray = probabilities @ self.of_model.matrix(classes)
        return summed

    @property
    def described(self) -> Alignment:
        """The alignment as written to scores.json."""
        return Alignment(
            task=self.task,
            map=dict(self.of_archive.targets),
            unmapped=self.unmapped,
            model=dict(self.of_model.targets),
        )


def align_classes(classes: tuple[str, ...], task: Task, records: Records, asked: Task | None = None) -> ClassAlignment:
    """Align a model with these classes and an archive; raise `UsageError` with the reason if that is impossible."""
    _refuse_unlike(task, records, asked)
    common = asked or (records.task if task == "diagnosis" else task)
    if common == "diagnosis":
        of_model = unchanged(task, classes)
        of_archive = ClassMapping(
            "by name", classes, {name: name if name in classes else None for name in records.classes}
        )
    else:
        of_model = unchanged(task, classes) if task == common else mapping_for(common, classes)
        of_archive = (
            unchanged(common, records.classes) if records.task == common else mapping_for(common, records.classes)
        )
    counts = records.class_counts()
    unmapped = {name: counts[name] for name in records.classes if of_archive.target(name) is None and counts[name]}
    if sum(unmapped.values()) == len(records):
        raise UsageError(
            f"`data={records.tree.path}`: none of its classes ({listed(records.classes)}) is one of the model's "
            f"({listed(classes)}); try `task=malignancy` or `task=melanoma`"
        )
    return ClassAlignment(common, of_archive, of_model, unmapped)


def _refuse_unlike(task: Task, records: Records, asked: Task | None) -> None:
    sides = {kind for kind in (task, records.task, asked or task) if kind != "diagnosis"}
    if len(sides) > 1:
        raise UsageError(
            f"`data={records.tree.path}`: the classes of the model are {_MEANING[task]}, those of the archive "
            f"{_MEANING[records.task]}"
            + (f", and `task={asked}` means {_MEANING[asked]}" if asked else "")
            + ": these are never compared, since a basal cell carcinoma is malignant but not a melanoma"
        )
    if asked == "diagnosis" and sides:
        raise UsageError(f"`task=diagnosis` requires diagnoses, but the classes here are {_MEANING[min(sides)]}")
