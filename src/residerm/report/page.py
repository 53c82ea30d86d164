"""`report.html`: a self-contained page about a run, which opens offline.

    write_report(run)      writes or replaces report.html in the run's folder

Style, figures (SVG) and thumbnails (data URIs) are embedded in the page. There is no script. Names come from users'
archives: the template escapes all values except the figures, which are drawn here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Required, TypedDict

from markupsafe import Markup

from residerm import figures
from residerm.errors import listed
from residerm.files import new_file
from residerm.report import origins, sentences, tables
from residerm.report.cautions import Caution, cautions
from residerm.report.comparisons import ShownComparison, shown_comparison
from residerm.report.drawing import MOST_CURVES, drawn_figures, learning_figures
from residerm.report.estimates import SCORES, ScoreText
from residerm.report.explanations import believed, explained
from residerm.report.gallery import pictures
from residerm.report.licence import Consequence, consequence
from residerm.report.material import Material, read_material, size_of
from residerm.report.sentences import Reading
from residerm.report.template import environment
from residerm.report.trust import LIMITS, ShownTrust, shown_trust
from residerm.runs import Evaluation, Run
from residerm.scores import Estimate

_CONTENTS = {
    "reading": "Caveats",
    "scores": "Scores",
    "classes": "By class",
    "confusion": "Confusion",
    "curves": "Ranking and confidence",
    "trust": "Calibration and uncertainty",
    "people": "Sex, age, site",
    "gallery": "Pictures",
    "data": "Data",
    "training": "Training",
    "others": "Other evaluations",
    "repeat": "Reproduction",
}


class RunSections(TypedDict):
    """What the template shows of every run."""

    title: str
    material: Material
    cautions: list[Caution]
    licence: Consequence
    started: str
    unreadable: str
    parts: tuple[str, ...]
    grouped_by: str | None
    distribution: list[tables.ClassRow]
    split_text: str
    training_text: str
    learning: list[Markup]
    changed: dict[str, str]
    unchanged: dict[str, str]
    command: Markup
    folder: Path


class MainSections(TypedDict, total=False):
    """What the template shows of the main evaluation; if there is none, only `main`, `attributes` and `trust`."""

    main: Required[Evaluation | None]
    attributes: Required[dict[str, list[tables.ScoreRow]]]
    trust: Required[ShownTrust | None]
    size: str
    variant: str
    reading: Reading
    found: str
    headline: list[tables.HeadlineRow]
    cards: list[tables.Card]
    place: str
    intervals: str
    generalisation: str
    by_class: list[tables.ScoreRow]
    by_class_scores: list[ScoreText]
    malignancy: list[tuple[ScoreText, Estimate]]
    malignancy_found: str
    attribute_scores: list[ScoreText]
    figures: dict[str, Markup]
    most_curves: int
    calibration: str
    believed: str
    explained: list[tuple[str, ...]]
    limits: dict[str, str]


class OtherSections(TypedDict):
    """What the template shows of other evaluations."""

    others: list[tables.ScoreRow]
    other_scores: list[ScoreText]
    comparisons: list[ShownComparison]
    left_out: Sequence[str]


def write_report(run: Run) -> Path:
    """Write or replace the run's report.html."""
    page = _page(read_material(run))
    path = run.folder / "report.html"
    with new_file(path, replace=True) as partial:
        partial.write_text(page, encoding="utf-8", errors="replace")  # paths need not be valid UTF-8
    return path


def _page(material: Material) -> str:
    shown = pictures(material.main) if material.main else {}
    run, main, others = _of_run(material), _of_main(material.main), _of_others(material)
    present = {
        **dict.fromkeys(("scores", "classes", "confusion", "curves"), material.main is not None),
        "people": bool(main["attributes"]),
        "trust": main["trust"] is not None,
        "gallery": any(shown.values()),
        "others": bool(others["others"] or others["comparisons"] or others["left_out"]),
    }
    contents = {anchor: text for anchor, text in _CONTENTS.items() if present.get(anchor, True)}
    template = environment(autoescape=True, finalize=_unbroken).get_template("page.html")
    return template.render(run, **main, **others, pictures=shown, contents=contents)


def _of_run(material: Material) -> RunSections:
    """The sections that every report has: caveats, data, training and reproduction."""
    changed, unchanged = tables.options(material.experiment)
    return {
        "title": f"{material.model.model} on {material.data.archive}",
        "material": material,
        "cautions": cautions(material),
        "licence": consequence(material.data.licence),
        "started": material.environment.started.replace("T", " ")[:16],
        "unreadable": listed(material.data.left_out),
        "parts": tables.PARTS,
        "grouped_by": material.data.split.grouped_by,
        "distribution": tables.distribution(material),
        "split_text": origins.split(material.data),
        "training_text": origins.training(material),
        "learning": [_inline(figures.svg(figure)) for figure in learning_figures(material.epochs)],
        "changed": changed,
        "unchanged": unchanged,
        "command": Markup.escape(tables.command(material.environment)),
        "folder": Path(*material.run.folder.absolute().parts[-2:]),
    }


def _of_main(main: Evaluation | None) -> MainSections:
    """The scores on the run's own test part."""
    if main is None:
        return {"main": None, "attributes": {}, "trust": None}
    reading = Reading(main)
    malignancy = tables.malignancy(main)
    return {
        "main": main,
        "size": size_of(main),
        "variant": tables.variant(main),
        "reading": reading,
        "found": sentences.found(reading),
        "headline": tables.headline(main),
        "cards": tables.cards(main),
        "place": tables.place(main),
        "intervals": origins.intervals(main),
        "generalisation": sentences.generalisation(reading),
        "by_class": tables.by_class(main),
        "by_class_scores": [SCORES[name] for name in tables.BY_CLASS],
        "malignancy": malignancy,
        "malignancy_found": sentences.malignancy(main.scores.malignancy.scores) if main.scores.malignancy else "",
        "attributes": tables.by_attribute(main),
        "attribute_scores": [SCORES[name] for name in tables.BY_ATTRIBUTE],
        "figures": {name: _inline(drawing) for name, drawing in drawn_figures(main).items()},
        "most_curves": MOST_CURVES,
        "calibration": sentences.calibration(reading),
        "believed": believed(main),
        "explained": explained(main),
        "trust": shown_trust(main),
        "limits": LIMITS,
    }


def _of_others(material: Material) -> OtherSections:
    """Evaluations on other archives and with other options, comparisons, and interrupted evaluations."""
    every = [*material.others, *([material.main] if material.main else [])]
    return {
        "others": tables.others(material.others),
        "other_scores": [SCORES[name] for name in tables.OF_OTHERS],
        "comparisons": [shown_comparison(one.comparison) for one in every if one.comparison],
        "left_out": material.left_out,
    }


def _unbroken(value: object) -> object:
    """Prevent a line break between a number and its per cent sign."""
    return (
        value.replace(" %", "\N{NO-BREAK SPACE}%")
        if isinstance(value, str) and not isinstance(value, Markup)
        else value
    )


def _inline(drawing: str) -> Markup:
    return Markup(figures.inline(drawing))  # drawn by us; matplotlib escapes the names in it
