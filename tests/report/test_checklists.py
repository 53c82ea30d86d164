"""The table of reporting checklists, compared with the card that it speaks of."""

import re
from pathlib import Path


def test_the_table_of_checklists_names_headings_that_cards_have() -> None:
    root = Path(__file__).parents[2]
    card = (root / "src/residerm/report/templates/card.md").read_text()
    trust = (root / "src/residerm/report/templates/trust.md").read_text()
    table = (root / "docs/reporting.md").read_text()
    prompted = re.findall(r"\| prompted for \| card, ([^|:]+?)(?::[^|]*)? \|", table)
    assert len(prompted) > 20
    for heading in set(prompted):
        section = card.split(f"## {heading}\n")[1].split("\n## ")[0]
        assert "[TO FILL IN]" in section, heading
    for heading in ("Calibration and uncertainty", "Limitations"):
        assert heading in trust
    assert len(re.findall(r"^\| +\d+ \|", table, re.MULTILINE)) >= 44
