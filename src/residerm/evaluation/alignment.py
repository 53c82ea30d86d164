"""How the classes of a model and of an archive are aligned: both are read in classes that both can tell apart.

    alignment = align_classes(description.classes, description.task, records)
    alignment.summed(probabilities, description.classes), alignment.labels(records)          in alignment.classes

Diagnoses are aligned by name. A model of diagnoses can be read as malignant or benign, and as melanoma or not, by
summing probabilities, and so can an archive of diagnoses. Malignancy and melanoma are never aligned: a basal cell
carcinoma is malignant and no melanoma, and neither answer tells which of the two was meant.
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

_MEANING = {"melanoma": "melanoma from all else", "malignancy": "malignant from benign", "diagnosis": "diagnoses"}


@dataclass(frozen=True)
class ClassAlignment:
    """The classes in which both are read, and how each gets there."""

    task: Task
    of_archive: ClassMapping
    of_model: ClassMapping
    unmapped: dict[str, int]  # class of the archive → its images, which the model has no class for

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of both."""
        return self.of_model.classes

    def labels(self, records: Records) -> np.ndarray:
        """Index of each image's class, or -1 where the model has none for it."""
        places = {name: place for place, name in enumerate(self.classes)}
        targets = [self.of_archive.target(name) for name in records.classes]
        lookup = np.array([-1 if target is None else places[target] for target in targets])
        labels: np.ndarray = lookup[records.labels]
        return labels

    def summed(self, probabilities: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """The model's probabilities, summed into the classes of both."""
        summed: np.ndarray = probabilities @ self.of_model.matrix(classes)
        return summed

    @property
    def described(self) -> Alignment:
        """As it stands in scores.json."""
        return Alignment(
            task=self.task,
            map=dict(self.of_archive.targets),
            unmapped=self.unmapped,
            model=dict(self.of_model.targets),
        )


def align_classes(classes: tuple[str, ...], task: Task, records: Records, asked: Task | None = None) -> ClassAlignment:
    """The alignment of a model with these classes and an archive; refused, with the reason, where there is none."""
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
            f"`data={records.tree.path}`: the model tells {_MEANING[task]}, the archive {_MEANING[records.task]}"
            + (f", and `task={asked}` asks for {_MEANING[asked]}" if asked else "")
            + ": these are never compared, since a basal cell carcinoma is malignant and no melanoma"
        )
    if asked == "diagnosis" and sides:
        raise UsageError(f"`task=diagnosis`: only diagnoses can be read so, and there are {_MEANING[min(sides)]} here")
