"""ISIC 2016 part 3: melanoma or not; 900 training and 379 test images.

    ISBI2016_ISIC_Part3_{Training,Test}_Data.zip          ISIC_0000000.jpg …
    ISBI2016_ISIC_Part3_{Training,Test}_GroundTruth.csv   no header; training rows `ISIC_0000000,benign`,
                                                          test rows `ISIC_0000003,0.0`

Its "malignant" means melanoma, and its "benign" anything else; hence the class names here. Part 3B is the same data
with lesion masks. It is unknown which images show the same lesion.
"""

from __future__ import annotations

from collections.abc import Iterator

from residerm.data.archives.layouts import isic
from residerm.data.archives.records import Layout, Row
from residerm.storage.tree import Tree

_TABLES = {"train": "ISBI2016_ISIC_Part3*_Training_GroundTruth", "test": "ISBI2016_ISIC_Part3*_Test_GroundTruth"}


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the tables."""
    for part, table in isic.tables_of_parts(tree, _TABLES, columns=("image_id", "label")):
        for line in table:
            image_id, label = line["image_id"], line["label"]
            yield Row(isic.tidy(image_id), isic.melanoma_or_not(label), part=part, key=isic.key(image_id))


LAYOUT = Layout(
    name="isic2016",
    isic_ids=True,
    published={"train": 900, "test": 379},
    title="ISIC 2016 part 3",
    licence="CC0 1.0",
    citation="Gutman et al.: Skin Lesion Analysis toward Melanoma Detection: A Challenge at the International "
    "Symposium on Biomedical Imaging (ISBI) 2016, hosted by the International Skin Imaging Collaboration (ISIC). "
    "arXiv:1605.01397 (2016)",
    recognises=lambda tree: isic.has_table(tree, *_TABLES.values()),
    rows=rows,
    images=isic.find_images,
    masks=isic.masks,
    classes=isic.MELANOMA_OR_NOT,
    task="melanoma",
    notes=(isic.MELANOMA_NOTE,),
)
