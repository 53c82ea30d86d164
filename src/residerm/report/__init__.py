"""The report and the model card of a run, written from its files without torch, archive or network access.

    write_report(run)                report.html       a self-contained page
    write_card(run)                  MODEL_CARD.md     to publish with the model
    draw_figures(folder, scores, …)  figures/*         the figures of one evaluation

| file | contents |
|---|---|
| `estimates` | how a score and its interval are formatted |
| `material` | the files of a run, read and validated |
| `sentences`, `origins` | sentences about the scores, and about how they were obtained |
| `cautions`, `licence` | caveats, and the consequences of the images' licence |
| `tables`, `comparisons`, `gallery`, `drawing` | tables, comparisons, pictures and figures |
| `template`, `page`, `card` | layout |
"""

from residerm.report.card import write_card
from residerm.report.drawing import draw_figures
from residerm.report.page import write_report

__all__ = ["draw_figures", "write_card", "write_report"]
