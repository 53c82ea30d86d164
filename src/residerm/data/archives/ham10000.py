"""HAM10000: 10,015 dermoscopic images of 7,470 lesions in seven classes.

    HAM10000_metadata[.csv|.tab]     lesion_id,image_id,dx,dx_type,age,sex,localization[,dataset]
    HAM10000_images_part_{1,2}.zip   ISIC_0024306.jpg …
    HAM10000_segmentations_lesion_tschandl.zip   ISIC_0024306_segmentation.png …

Read all the same: the tab-separated form that Dataverse serves, an index column, `.jpg` in the ids, and full class
names, as copies in the wild have them. The embedded synthetic archive comes in this layout too, with a marker file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from residerm.data.records import Layout, Row
from residerm.data.tables import find_table, number
from residerm.data.tree import Tree, stem
from residerm.taxonomy import canonical

SYNTHETIC_MARKER = "synthetic.json"
_METADATA = "HAM10000_metadata*"
_MASK = "_segmentation"


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the metadata."""
    table = find_table(tree, _METADATA).require("lesion_id", "image_id", "dx")
    for line in table:
        yield Row(
            image_id=line["image_id"].removesuffix(".jpg"),
            label=canonical(line["dx"]),
            group=line["lesion_id"],
            sex=line.get("sex", ""),
            age=number(line.get("age", "")),
            site=line.get("localization", ""),
        )


def image_key(name: str) -> str | None:
    """Every image but the lesion masks."""
    key = stem(name)
    return None if key.endswith(_MASK) else key


def mask_key(name: str) -> str | None:
    """`ISIC_0024306_segmentation.png` is the mask of ISIC_0024306."""
    key = stem(name)
    return key.removesuffix(_MASK) if key.endswith(_MASK) else None


LAYOUT = Layout(
    name="ham10000",
    title="HAM10000",
    licence="CC BY-NC 4.0",
    citation="Tschandl, Rosendahl, Kittler: The HAM10000 dataset. Scientific Data 5:180161 (2018), "
    "doi:10.1038/sdata.2018.161",
    recognises=lambda tree: bool(tree.find(_METADATA)) and not tree.find(SYNTHETIC_MARKER),
    rows=rows,
    image_key=image_key,
    mask_key=mask_key,
    classes=("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"),
    grouped_by="lesion",
)
SYNTHETIC = replace(
    LAYOUT,
    name="synthetic",
    title="synthetic archive (drawn, not photographed)",
    licence="CC0 1.0",
    citation="drawn by residerm",
    recognises=lambda tree: bool(tree.find(_METADATA)) and bool(tree.find(SYNTHETIC_MARKER)),
    synthetic=True,
)
