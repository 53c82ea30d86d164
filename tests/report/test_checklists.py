"""The table of reporting checklists in docs/reporting.md matches the model card."""

import re
from pathlib import Path


def test_checklist_table_names_headings_of_the_card() -> None:
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
