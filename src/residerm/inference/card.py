"""The model card and the licence of an exported bundle."""

from __future__ import annotations

import shutil
from pathlib import Path

from residerm.description import ModelDescription
from residerm.disclaimer import DISCLAIMER
from residerm.inference.parity import ParityRecord

CARD, LICENCE = "MODEL_CARD.md", "LICENCE.txt"


def write_card(folder: Path, description: ModelDescription, record: ParityRecord, source: Path | None = None) -> None:
    """Write the licence, and the card of the run, or one from the description if the run has none."""
    own = source / CARD if source else None
    if own and own.is_file():
        shutil.copyfile(own, folder / CARD)
    else:
        (folder / CARD).write_text(_card(description, record), encoding="utf-8")
    (folder / LICENCE).write_text(_licence(description), encoding="utf-8")


def _card(description: ModelDescription, record: ParityRecord) -> str:
    rows = "\n".join(
        f"| {one.runtime} {one.version} | {one.logits:.1e} | {one.other_class} of {record.answers:,} |"
        for one in record.measured
    )
    synthetic = " (drawn, not photographed)" if description.synthetic else ""
    return f"""# {description.model}

**{DISCLAIMER}**

Classes: {", ".join(description.classes)}. Images: {description.pixels.size} px. Trained on {description.trained_on:,}
images of {description.archive}{synthetic}, selected by {description.selected_by}.

Exported in {record.computed_in}; compared with the network in torch on {record.compared} ({record.source}):

| runtime | largest difference of a logit | different class |
|---|---|---|
{rows}
"""


def _licence(description: ModelDescription) -> str:
    return f"""{DISCLAIMER}

The weights of this model were trained on {description.archive}, whose licence is
{description.data_licence}
Please cite
{description.data_citation}
"""
