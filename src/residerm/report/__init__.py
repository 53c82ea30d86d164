"""The report and the model card of a run, from its files alone: no torch, no archive, no network.

    write_report(run)                report.html       one page to hand on
    write_card(run)                  MODEL_CARD.md     for where the model is published
    draw_figures(folder, scores, …)  figures/*         of one evaluation

| file | what it is |
|---|---|
| `estimates` | a score with its interval, and how it is written |
| `material` | the files of a run, read and checked |
| `sentences`, `origins` | what the scores say, and where they come from, in words |
| `cautions`, `licence` | what would change the reading; what the images' licence means |
| `tables`, `comparisons`, `gallery`, `drawing` | what is shown |
| `template`, `page`, `card` | how it is laid out |
"""

from residerm.report.card import write_card
from residerm.report.drawing import draw_figures
from residerm.report.page import write_report

__all__ = ["draw_figures", "write_card", "write_report"]
