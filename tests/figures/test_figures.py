"""Figures: drawing from arrays, and saving."""

import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from residerm import figures
from residerm.errors import UsageError, WriteError
from residerm.scores import ReliabilityBin

CLASSES = ("<b>&", "$x$ $y$", "a name that is much longer than there is room")


def texts(figure: Figure) -> list[str]:
    root = ElementTree.fromstring(figures.inline(figures.svg(figure)))
    return ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]


def drawn() -> dict[str, Figure]:
    counts = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 6]])
    curve = np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.9, 1.0])
    bins = [ReliabilityBin(low=0.4, high=0.6, n=4, confidence=0.5, accuracy=0.25)]
    curves, notes = dict.fromkeys(CLASSES, curve), dict.fromkeys(CLASSES, "0.900")
    return {
        "counts": figures.confusion(counts, CLASSES, normalise=False),
        "shares": figures.confusion(counts, CLASSES, normalise=True),
        "roc": figures.roc(curves, notes),
        "precision": figures.precision_recall(curves, notes),
        "reliability": figures.reliability(bins),
        "learning": figures.learning_curves("Loss", "nats", {"training": [(1, 2.0)], "validation": []}, 1),
        "classes": figures.class_distribution(dict.fromkeys(CLASSES, 4), dict.fromkeys(CLASSES, 2), "title"),
        "images": figures.image_rows([("row", [np.zeros((4, 4, 3), np.uint8)])], ["<b>&"], "title"),
    }


@pytest.fixture(scope="module")
def every() -> dict[str, Figure]:
    return drawn()


def test_every_figure_is_one_svg_element_with_inherited_text_colours(every: dict[str, Figure]) -> None:
    for figure in every.values():
        source = figures.inline(figures.svg(figure))
        assert source.startswith("<svg")
        assert "var(--ink)" in source
        assert not re.search("#222222|#777777|#d9d9d9|<metadata", source)
        ElementTree.fromstring(source)


def test_figures_are_reproducible() -> None:
    curves = {"mel": (np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.9, 1.0]))}
    first, second = (figures.svg(figures.roc(curves, {"mel": "0.9"})) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", ["counts", "shares", "roc", "precision", "classes"])
def test_names_are_escaped_and_long_ones_truncated(every: dict[str, Figure], name: str) -> None:
    found = " ".join(texts(every[name]))
    assert "<b>&" in found
    assert "$x$ $y$" in found
    assert "a name that is much l…" in found


def test_confusion_matrix_shows_counts_and_fractions(every: dict[str, Figure]) -> None:
    counts = [text for text in texts(every["counts"]) if text.isdigit()]
    shares = [text for text in texts(every["shares"]) if text.isdigit() or text == "–"]
    assert counts == ["3", "1", "0", "0", "0", "0", "2", "0", "6"]
    assert shares == ["75", "25", "0", "–", "–", "–", "25", "0", "75"]  # a class without images has no shares


def test_figure_format_follows_the_suffix(tmp_path: Path) -> None:
    figure = figures.confusion(np.eye(2, dtype=int), ("a", "b"), normalise=False)
    path = figures.save(figure, tmp_path / "figure.png")
    assert Image.open(path).format == "PNG"
    with pytest.raises(WriteError, match="already exists"):
        figures.save(figure, path)
    with pytest.raises(UsageError, match=r"\.png"):
        figures.save(figure, tmp_path / "figure.gif")
    assert [one.name for one in tmp_path.iterdir()] == ["figure.png"]


def test_many_classes_are_drawn_without_numbers() -> None:
    figure = figures.confusion(np.eye(30, dtype=int) * 7, [f"c{number}" for number in range(30)], normalise=False)
    assert "7" not in texts(figure)
