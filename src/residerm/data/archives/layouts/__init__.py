"""A file for each layout in which archives are published: how it is recognised, its rows, licence and citation.

A new layout is a file with a `LAYOUT`, and its name in `PUBLISHED`. The plain layouts are considered only if none of
the published ones fits: first a table of images and labels, then a folder for each class.
"""

from residerm.data.archives.layouts import (
    class_folders,
    csv_table,
    dermamnist,
    ham10000,
    isic2016,
    isic2017,
    isic2018,
    isic2019,
    isic2020,
)

PUBLISHED = (
    ham10000.LAYOUT,
    ham10000.SYNTHETIC,
    isic2016.LAYOUT,
    isic2017.LAYOUT,
    isic2018.LAYOUT,
    isic2019.LAYOUT,
    isic2020.LAYOUT,
    dermamnist.LAYOUT,
)
PLAIN = (csv_table.LAYOUT, class_folders.LAYOUT)
LAYOUTS = {layout.name: layout for layout in (*PUBLISHED, *PLAIN)}
