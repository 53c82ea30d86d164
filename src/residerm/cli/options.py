"""Arguments that several commands share, with their help, and the groups of options in --help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

ARCHIVE = "The archive: a folder or zip as downloaded, packed or unpacked, an npz file, or a CSV table."

Archive = Annotated[Path, Parameter(help=ARCHIVE)]
ModelPath = Annotated[Path, Parameter(help="starter, a finished run, or a bundle.")]
ImagePaths = Annotated[str, Parameter(help="Image files, folders and zips of images, or patterns such as '*.jpg'.")]
Json = Annotated[bool, Parameter(help="Print the result as JSON.")]


def flags(group: Group | None = None, *, some_are_on: bool = False, several: bool = False) -> Parameter:
    """Show each option of a group as a flag.

    `some_are_on`: also as --no-…, for those that are on by default; `several`: a flag takes all values that follow it.
    """
    negative = "no-" if some_are_on else ()
    shown = Parameter(name="*", negative_bool=negative, consume_multiple=several or None)
    return Parameter.combine(shown, Parameter(group=group)) if group else shown  # `group=None` would hide it from help


BENCH_INFERENCE, BENCH_SERVICE = Group("With --inference", sort_key=20), Group("With --serve", sort_key=21)

# The groups of `train --help`; those that a newcomer needs come first.
DATA, SPLIT, NETWORK, OPTIMISATION, SAMPLING, AUGMENTATION, RESNET, DISTILLATION, TRUST, NEIGHBOURS, MEMBERS = (
    Group(title, sort_key=place)
    for place, title in enumerate(
        (
            "Data and image size",
            "Split",
            "Network",
            "Optimisation and run",
            "Sampling against class imbalance",
            "Augmentation",
            "Details of residerm's own ResNets",
            "Distillation from a teacher",
            "Calibration and thresholds",
            "Kept training images",
            "Several models",
        ),
        start=1,
    )
)
