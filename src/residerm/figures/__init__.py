"""Draw arrays as matplotlib figures, without a display and without global state.

    figures.save(figures.roc({"mel": (rates, sensitivities)}, {"mel": "0.91"}), Path("roc.png"))
    figures.inline(figures.svg(figure))      an element of an HTML page

| file | draws |
|---|---|
| `style` | colours, empty figures, saving |
| `archive` | the class distribution; rows of images |
| `training` | learning curves |
| `evaluation` | confusion, ROC and precision-recall curves, reliability |
| `selective` | error rate over coverage; reliability before and after calibration |
"""

from residerm.figures.archive import class_distribution, image_rows
from residerm.figures.evaluation import confusion, precision_recall, reliability, roc
from residerm.figures.selective import calibration, risk_coverage
from residerm.figures.style import BLUE, FAINT, INK, PALE, RED, SERIES, inline, new_figure, quiet, save, svg
from residerm.figures.training import learning_curves

__all__ = [
    "BLUE",
    "FAINT",
    "INK",
    "PALE",
    "RED",
    "SERIES",
    "calibration",
    "class_distribution",
    "confusion",
    "image_rows",
    "inline",
    "learning_curves",
    "new_figure",
    "precision_recall",
    "quiet",
    "reliability",
    "risk_coverage",
    "roc",
    "save",
    "svg",
]
