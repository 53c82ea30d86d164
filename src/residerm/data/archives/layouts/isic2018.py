"""ISIC 2018 task 3: the seven classes of HAM10000; 10,015 training, 193 validation and 1,512 test images.

    ISIC2018_Task3_{Training,Validation,Test}_Input.zip         ISIC_0024306.jpg …
    ISIC2018_Task3_{Training,Validation,Test}_GroundTruth.zip   a table: image,MEL,NV,BCC,AKIEC,BKL,DF,VASC
    ISIC2018_Task3_Training_LesionGroupings.csv                 image,lesion_id,diagnosis_confirm_type

The lesions of validation and test images are not given, so each image counts as its own lesion. `ISIC_0035068` of the
test part is a synthetic picture without weight in the official score: it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from residerm.data.archives.layouts import ham10000, isic
from residerm.data.archives.records import Layout, Row
from residerm.storage.tree import Tree

_TABLES = {
    "train": "ISIC2018_Task3_Training_GroundTruth",
    "validation": "ISIC2018_Task3_Validation_GroundTruth",
    "test": "ISIC2018_Task3_Test_GroundTruth",
}


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the tables, with the lesion where it is given."""
    lesions = isic.Companion(isic.table_of(tree, "ISIC2018_Task3_Training_LesionGroupings"), "image")
    for part, table in isic.tables_of_parts(tree, _TABLES):
        for line in table.require("image", *ham10000.CLASSES):
            key = isic.key(line["image"])
            yield Row(
                image_id=isic.tidy(line["image"]),
                label=None if key == ham10000.NOT_AN_IMAGE else isic.marked(line, ham10000.CLASSES),
                group=lesions.line(line["image"]).get("lesion_id", ""),
                part=part,
                key=key,
            )


def _recognises(tree: Tree) -> bool:
    """Any of the tables, but for HAM10000's own form of the test table."""
    return isic.has_table(tree, _TABLES["train"], _TABLES["validation"]) or (
        isic.has_table(tree, _TABLES["test"]) and not ham10000.table_of_test_images(tree)
    )


LAYOUT = Layout(
    name="isic2018",
    isic_ids=True,
    published={"train": 10_015, "validation": 193, "test": 1_512},
    title="ISIC 2018 task 3",
    licence="CC BY-NC 4.0",
    citation="Codella et al.: Skin Lesion Analysis Toward Melanoma Detection 2018: A Challenge Hosted by the "
    f"International Skin Imaging Collaboration (ISIC). arXiv:1902.03368 (2019); {ham10000.CITATION}",
    recognises=_recognises,
    rows=rows,
    images=isic.find_images,
    masks=isic.masks,
    classes=ham10000.CLASSES,
    grouped_by="lesion",
    left_out="a synthetic image without weight in the official score",
    notes=("Lesions are given for the training part only; every other image counts as a lesion of its own.",),
)
