"""ISIC 2019: eight classes; 25,331 training and 8,238 test images.

    ISIC_2019_{Training,Test}_Input.zip         ISIC_0000000.jpg, ISIC_0000030_downsampled.jpg …
    ISIC_2019_{Training,Test}_GroundTruth.csv   image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC[,UNK]
    ISIC_2019_{Training,Test}_Metadata.csv      image,age_approx,anatom_site_general[,lesion_id],sex

Images whose diagnosis is unknown (UNK) are left out. Where no lesion is given, an image counts as its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from residerm.data.archives.layouts import ham10000, isic
from residerm.data.archives.records import Layout, Row
from residerm.data.archives.tables import number
from residerm.storage.tree import Tree

_STEMS = {"train": "ISIC_2019_Training", "test": "ISIC_2019_Test"}
_TABLES = {part: f"{stem}_GroundTruth" for part, stem in _STEMS.items()}
_CLASSES = ("ak", "bcc", "bkl", "df", "mel", "nv", "scc", "vasc")


def rows(tree: Tree) -> Iterator[Row]:
    """A row for each line of the tables, with lesion and person from the metadata."""
    for part, table in isic.tables_of_parts(tree, _TABLES):
        people = isic.Companion(isic.table_of(tree, f"{_STEMS[part]}_Metadata"), "image")
        for line in table.require("image", *_CLASSES):
            person = people.line(line["image"])
            label = isic.marked(line, (*_CLASSES, "unk"))
            yield Row(
                image_id=isic.tidy(line["image"]),
                label=None if label == "unk" else label,
                group=person.get("lesion_id", ""),
                sex=person.get("sex", ""),
                age=number(person.get("age_approx", "")),
                site=person.get("anatom_site_general", ""),
                part=part,
                key=isic.key(line["image"]),
            )


LAYOUT = Layout(
    name="isic2019",
    isic_ids=True,
    published={"train": 25_331, "test": 8_238},
    title="ISIC 2019",
    licence="CC BY-NC 4.0",
    citation="Combalia et al.: BCN20000: Dermoscopic Lesions in the Wild. arXiv:1908.02288 (2019); Codella et al.: "
    f"Skin Lesion Analysis Toward Melanoma Detection. arXiv:1710.05006 (2017); {ham10000.CITATION}",
    recognises=lambda tree: isic.has_table(tree, *_TABLES.values()),
    rows=rows,
    images=isic.find_images,
    masks=isic.masks,
    classes=_CLASSES,
    grouped_by="lesion",
)
