"""ISIC 2020: melanoma or not; 33,126 training images of 2,056 patients. The test part has no labels.

    ISIC_2020_Training_JPEG.zip              train/ISIC_0015719.jpg …
    ISIC_2020_Training_GroundTruth[_v2].csv  image_name,patient_id,[lesion_id,]sex,age_approx,
                                             anatom_site_general_challenge,diagnosis,benign_malignant,target
    ISIC_2020_Training_Duplicates.csv        image_name_1,image_name_2

Its "malignant" means melanoma; hence the class names here. Images are grouped by patient, and patients who share
copies of an image are one group, so that copies are never in different parts of a split.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from residerm.data.archives.layouts import isic
from residerm.data.archives.records import Layout, Row
from residerm.data.archives.tables import Table, number
from residerm.storage.tree import Tree

_TABLE = "ISIC_2020_Training_GroundTruth"
_DUPLICATES = "ISIC_2020_Training_Duplicates"


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the newer table, or of the older one if there is no newer one."""
    table = isic.table_of(tree, f"{_TABLE}_v2") or isic.needed_table(tree, _TABLE)
    table.require("image_name", "patient_id", "target")
    copies = _Copies(table, isic.table_of(tree, _DUPLICATES))
    for line in table:
        yield Row(
            image_id=isic.tidy(line["image_name"]),
            label=isic.melanoma_or_not(line["target"]),
            group=copies.group(_patient(line)),
            sex=line.get("sex", ""),
            age=number(line.get("age_approx", "")),
            site=line.get("anatom_site_general_challenge", ""),
            key=isic.key(line["image_name"]),
        )


def _patient(line: dict[str, str]) -> str:
    """The patient, or the lesion, or the image itself, whichever is given first."""
    return line["patient_id"] or line.get("lesion_id") or isic.tidy(line["image_name"])


class _Copies:
    """Patients who share copies of an image, joined into one group under the first of their names.

    Held in memory: the published list has 425 pairs.
    """

    def __init__(self, table: Table, duplicates: Table | None) -> None:
        lines = duplicates.require("image_name_1", "image_name_2") if duplicates else ()
        pairs = [(isic.key(line["image_name_1"]), isic.key(line["image_name_2"])) for line in lines]
        concerned = set(chain.from_iterable(pairs))
        patients = {
            image: _patient(line)
            for line in table
            if concerned and (image := isic.key(line["image_name"])) in concerned
        }
        self._leads_to: dict[str, str] = {}
        for one, other in pairs:
            if one in patients and other in patients:
                first, second = sorted((self.group(patients[one]), self.group(patients[other])))
                if first != second:
                    self._leads_to[second] = first

    def group(self, patient: str) -> str:
        """The name of a patient's group."""
        while patient in self._leads_to:
            patient = self._leads_to[patient]
        return patient


LAYOUT = Layout(
    name="isic2020",
    isic_ids=True,
    published={"train": 33_126},
    title="ISIC 2020",
    licence="CC BY-NC 4.0",
    citation="Rotemberg et al.: A patient-centric dataset of images and metadata for identifying melanomas using "
    "clinical context. Scientific Data 8:34 (2021), doi:10.1038/s41597-021-00815-z",
    recognises=lambda tree: isic.has_table(tree, _TABLE),
    rows=rows,
    images=isic.find_images,
    masks=isic.masks,
    classes=isic.MELANOMA_OR_NOT,
    task="melanoma",
    grouped_by="patient",
    notes=(isic.MELANOMA_NOTE,),
)
