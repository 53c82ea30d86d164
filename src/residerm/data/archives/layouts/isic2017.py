"""ISIC 2017 part 3: melanoma, seborrheic keratosis or nevus; 2,000 training, 150 validation and 600 test images.

    ISIC-2017_{Training,Validation,Test_v2}_Data.zip   ISIC_0000000.jpg, ISIC_0000000_superpixels.png (no image) …
                                                       and a table `…_Data_metadata.csv`: image_id,age_approximate,sex
    ISIC-2017_{…}_Part3_GroundTruth.csv                image_id,melanoma,seborrheic_keratosis; neither is a nevus

It is unknown which images show the same lesion.
"""

from __future__ import annotations

from collections.abc import Iterator

from residerm.data.archives.layouts import isic
from residerm.data.archives.records import Layout, Row
from residerm.data.archives.tables import number
from residerm.storage.tree import Tree

_STEMS = {"train": "ISIC-2017_Training", "validation": "ISIC-2017_Validation", "test": "ISIC-2017_Test*"}
_TABLES = {part: f"{stem}_Part3_GroundTruth" for part, stem in _STEMS.items()}
_CLASSES = {"melanoma": "mel", "seborrheic_keratosis": "sk"}


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the tables, with sex and age from the metadata where they are here."""
    for part, table in isic.tables_of_parts(tree, _TABLES):
        people = isic.Companion(isic.table_of(tree, f"{_STEMS[part]}_Data_metadata"), "image_id")
        for line in table.require("image_id", *_CLASSES):
            person = people.line(line["image_id"])
            yield Row(
                image_id=isic.tidy(line["image_id"]),
                label=_label(line),
                sex=person.get("sex", ""),
                age=number(person.get("age_approximate", "")),
                part=part,
                key=isic.key(line["image_id"]),
            )


def _label(line: dict[str, str]) -> str:
    """The marked class, or nevus if none is marked; any other text is an unknown label."""
    if all(number(line[column]) == 0 for column in _CLASSES):
        return "nv"
    label = isic.marked(line, tuple(_CLASSES))
    return _CLASSES.get(label, label)


LAYOUT = Layout(
    name="isic2017",
    isic_ids=True,
    published={"train": 2_000, "validation": 150, "test": 600},
    title="ISIC 2017 part 3",
    licence="CC0 1.0",
    citation="Codella et al.: Skin Lesion Analysis Toward Melanoma Detection: A Challenge at the 2017 International "
    "Symposium on Biomedical Imaging (ISBI), hosted by the International Skin Imaging Collaboration (ISIC). "
    "arXiv:1710.05006 (2017)",
    recognises=lambda tree: isic.has_table(tree, *_TABLES.values()),
    rows=rows,
    images=isic.find_images,
    masks=isic.masks,
    classes=("mel", "nv", "sk"),
)
