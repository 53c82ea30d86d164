"""HAM10000: 10,015 dermoscopic images of 7,470 lesions in seven classes.

    HAM10000_metadata[.csv|.tab]     lesion_id,image_id,dx,dx_type,age,sex,localization[,dataset]
    HAM10000_images_part_{1,2}.zip   ISIC_0024306.jpg …
    HAM10000_segmentations_lesion_tschandl.zip   ISIC_0024306_segmentation.png …

Dataverse serves the test images of ISIC 2018 task 3 too, with a table of the same columns
(`ISIC2018_Task3_Test_GroundTruth`): where that lies here too, it is the test part, and the 10,015 are the training
part. Read all the same: the tab-separated form that Dataverse serves, an index column, `.jpg` in the ids, and full
class names, as copies in the wild have them. The embedded synthetic archive comes in this layout, with a marker file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from residerm.data.archives.layouts import isic
from residerm.data.archives.records import Layout, Row
from residerm.data.archives.tables import Table, number
from residerm.storage.tree import Tree
from residerm.taxonomy import known

CITATION = (
    "Tschandl, Rosendahl, Kittler: The HAM10000 dataset, a large collection of multi-source dermatoscopic images of "
    "common pigmented skin lesions. Scientific Data 5:180161 (2018), doi:10.1038/sdata.2018.161"
)
CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
NOT_AN_IMAGE = "isic_0035068"  # synthetic, without weight in the challenge, and missing at Dataverse
SYNTHETIC_MARKER = "synthetic.json"
_METADATA = "HAM10000_metadata"
_TEST_METADATA = "ISIC2018_Task3_Test_GroundTruth"


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the metadata, and of the test images' if they are here."""
    test = table_of_test_images(tree)
    yield from _rows(isic.needed_table(tree, _METADATA), "train" if test else "")
    if test:
        yield from _rows(test, "test")


def table_of_test_images(tree: Tree) -> Table | None:
    """The table of the test images in the form that Dataverse serves, not the one-hot form of the challenge."""
    table = isic.table_of(tree, _TEST_METADATA)
    return table if table and "dx" in table.columns else None


def _rows(table: Table, part: str) -> Iterator[Row]:
    for line in table.require("lesion_id", "image_id", "dx"):
        image_id = line["image_id"]
        key = isic.key(image_id)
        yield Row(
            image_id=isic.tidy(image_id),
            label=None if key == NOT_AN_IMAGE else _label(line["dx"]),
            group=line["lesion_id"],
            sex=line.get("sex", ""),
            age=number(line.get("age", "")),
            site=line.get("localization", ""),
            part=part,
            key=key,
        )


def _label(text: str) -> str | None:
    """The class; "actinic keratosis" is the same class as "actinic keratoses" here."""
    label = known(text)
    return "akiec" if label == "ak" else label


def _is_synthetic(tree: Tree) -> bool:
    """Whether the marker file is in the folder of the metadata."""
    tables, markers = (
        {tree.where(file).rpartition("/")[0] for file in tree.find(*names)}
        for names in (isic.spellings(_METADATA), (SYNTHETIC_MARKER,))
    )
    return bool(tables & markers)


LAYOUT = Layout(
    name="ham10000",
    isic_ids=True,
    published={"train": 10_015},  # the test images come from ISIC 2018
    title="HAM10000",
    licence="CC BY-NC 4.0",
    citation=CITATION,
    recognises=lambda tree: isic.has_table(tree, _METADATA) and not _is_synthetic(tree),
    rows=rows,
    images=isic.find_images,
    masks=isic.masks,
    classes=CLASSES,
    grouped_by="lesion",
    left_out="unknown diagnosis or a synthetic image",
)
SYNTHETIC = replace(
    LAYOUT,
    name="synthetic",
    title="synthetic archive",
    licence="CC0 1.0",
    citation="drawn by residerm",
    recognises=_is_synthetic,
    left_out="unknown diagnosis",
    synthetic=True,
    isic_ids=False,
    published={},
)
