"""Time that a browser takes to open a report, compared with an empty page: python benchmarks/report.py RUN

Measured from the start of the navigation to the end of the load event, by the page's own clock, in headless Chromium;
the two pages alternate. To make a large report:

    residerm data synth archive --images 12600 --width 96 --height 72
    residerm train archive --model logistic --size 32 --epochs 1 --test 0.8
    residerm evaluate runs/RUN
"""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

_ROUNDS = 5
_CLOCK = """<script>addEventListener("load", () => setTimeout(() => {
document.title = "loaded after " + performance.getEntriesByType("navigation")[0].loadEventEnd + " ms"; }))</script>"""
_OPEN = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def milliseconds(browser: str, page: Path) -> float:
    """The loading time that the page reports."""
    opening = [browser, *_OPEN, "--dump-dom", page.as_uri()]
    shown = subprocess.run(opening, capture_output=True, text=True, check=True).stdout
    told = re.search(r"loaded after ([\d.]+) ms", shown)
    if told is None:
        sys.exit(f"{page} never finished loading")
    return float(told[1])


def main(run: Path) -> None:
    """Open both pages in alternation, and print the medians."""
    browser = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("there is no chromium here")
    report = (run / "report.html").read_text()
    with tempfile.TemporaryDirectory() as folder:
        pages = {"report": Path(folder, "report.html"), "empty page": Path(folder, "empty.html")}
        pages["report"].write_text(report.replace("</body>", _CLOCK + "</body>"))
        pages["empty page"].write_text(f"<!doctype html><html><body>{_CLOCK}</body></html>")
        taken = [{name: milliseconds(browser, page) for name, page in pages.items()} for _ in range(_ROUNDS + 1)]
    print(f"report.html: {len(report.encode()) / 1e6:.2f} MB")
    for name in pages:
        values = [one[name] for one in taken[1:]]  # the first is a warm-up
        print(f"{name}: {statistics.median(values):.0f} ms ({min(values):.0f} to {max(values):.0f})")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
