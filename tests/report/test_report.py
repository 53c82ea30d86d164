"""The report: its contents for different runs, its size, and refused runs."""

import csv
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import sample_runs
from sklearn.metrics import average_precision_score, roc_auc_score

from residerm.errors import ResidermError
from residerm.report import draw_figures, write_report
from residerm.report.drawing import thinned
from residerm.runs import Evaluation, Run

VOID = {"meta", "img", "input", "br", "link", "path", "use", "rect"}


class Page(HTMLParser):
    """The texts and tags of a page; tags must be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attributes if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text: str) -> None:
        self.texts.append(text)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page_of(run: Run) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def draw_figures_of(folder: Path) -> None:
    evaluation = Evaluation.read(folder)
    draw_figures(folder, evaluation.scores, evaluation.predictions)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return sample_runs.make_run(tmp_path)


def test_report_is_complete(run: Run) -> None:
    sample_runs.make_evaluation(run)
    text = page_of(run).text
    for words in (
        "resnet20 on HAM10000",
        "60 images of 30 lesions",
        "Balanced accuracy",
        "No lesion is in two parts",
        "rows in the table",
        "melanocytic nevus",
        "Confusion",
        "By sex, age and site",
        "The most confident errors",
        "Some correct predictions",
        "residerm train 'my ham & eggs' --model resnet20",
        "residerm evaluate runs/20260101-120000-resnet20-ham10000-32px-s0",
        "CC BY-NC 4.0: non-commercial use only",
        "Tschandl et al. (2018)",
        "0123abcd",
        "all epochs completed",
    ):
        assert words in text
    assert text.count("Not a medical device and not a diagnosis") == 2


def test_report_has_no_scripts_or_external_links(run: Run) -> None:
    sample_runs.make_evaluation(run)
    page = page_of(run)
    assert "script" not in page.tags
    assert page.tags.count("svg") == 8
    assert all(address.startswith(("#", "data:image/jpeg;base64,")) for address in page.addresses)
    assert not re.search(r"url\((?!#)", run.folder.joinpath("report.html").read_text())


def test_class_names_are_escaped(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, ("<b>&", "$x$ and $y$", "a'\"`class"))
    sample_runs.make_evaluation(run)
    page = page_of(run)
    assert page.text.count("<b>&") > 5
    assert page.text.count("$x$ and $y$") > 5
    source = run.folder.joinpath("report.html").read_text()
    assert "<b>&" not in source
    assert "&lt;b&gt;&amp;" in source


def test_existing_report_is_replaced(run: Run) -> None:
    sample_runs.make_evaluation(run)
    (run.folder / "report.html").write_text("old")
    assert write_report(run).read_text() != "old"
    assert [path.name for path in run.folder.iterdir() if path.name.startswith(".")] == []


def test_unfinished_run_is_refused(run: Run) -> None:
    (run.folder / "summary.json").unlink()
    with pytest.raises(ResidermError, match=r"has not finished training.*--resume"):
        write_report(run)
    assert not (run.folder / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("evaluations/ham10000-test/scores.json", "{", "scores.json cannot be used"),
        ("evaluations/ham10000-test/scores.json", "[1]", "scores.json cannot be used (Input should be an object)"),
        ("evaluations/ham10000-test/scores.json", '{"format": 1}', "bootstrap is missing"),
        ("evaluations/ham10000-test/predictions.csv", "image_id,label,p_bkl,p_nv\n1,nv,0.5,0.5\n", "column p_mel"),
        ("evaluations/ham10000-test/predictions.csv", "label,p_bkl,p_mel,p_nv\nnv,a,0,1\n", "is damaged"),
        ("evaluations/ham10000-test/predictions.csv", "", "column label is missing"),
        ("evaluations/ham10000-test/gallery.json", "nothing", "gallery.json cannot be used"),
        ("bundle/model.json", "", "model.json cannot be used"),
        (
            "evaluations/ham10000-test/scores.json",
            '{"format": 2}',
            "scores.json has format 2, from a newer version of residerm",
        ),
        ("config.yaml", "- 1", "config.yaml: must contain a line 'option: value'"),
        ("splits.csv", "a,b\n1,2\n", "splits.csv cannot be used (column image_id is missing)"),
    ],
)
def test_damaged_file_error_names_the_file(run: Run, file: str, content: str, words: str) -> None:
    sample_runs.make_evaluation(run)
    (run.folder / file).write_text(content)
    with pytest.raises(ResidermError, match=re.escape(words)):
        write_report(run)
    assert not (run.folder / "report.html").exists()


def test_run_without_evaluations(run: Run) -> None:
    text = page_of(run).text
    assert "Not scored yet" in text
    assert "No lesion is in two parts" in text
    assert "<h2>Confusion</h2>" not in text


def test_incomplete_evaluation_is_reported(run: Run) -> None:
    sample_runs.make_evaluation(run)
    (run.folder / "evaluations" / "isic2016-all").mkdir()
    assert "scores.json is missing (interrupted?): isic2016-all" in page_of(run).text


def test_test_part_comes_before_variants_and_other_archives(run: Run) -> None:
    sample_runs.make_evaluation(run, images=60)
    sample_runs.make_evaluation(run, "ham10000-test-tta", images=50, tta=True)
    mapping = {"map": {"melanoma": "mel"}, "unmapped": {"other": 7}}
    sample_runs.make_evaluation(run, "isic2016-test", images=40, archive="ISIC 2016 part 3", mapping=mapping)
    text = page_of(run).text
    assert "Scored on the test part of HAM10000 : 60 images" in text.replace("HAM10000:", "HAM10000 :")
    assert "ham10000-test-tta HAM10000, test part; mean of eight views" in text
    assert "in the classes bkl, mel, nv; left out: other (7 images)" in text


def test_full_test_part_takes_precedence_over_comparisons(run: Run) -> None:
    sample_runs.make_evaluation(run, images=60)
    folder = sample_runs.make_evaluation(run, "ham10000-test-against-other", images=44)
    reading = {"against": "other", "images": 44, "differences": {}}
    tested = {"first_only": 0, "second_only": 0, "p": 1.0}
    (folder / "comparison.json").write_text(json.dumps(reading | {"mcnemar": tested}))
    text = page_of(run).text
    assert "60 images of 30 lesions" in text
    assert "On 44 images" in text


def test_comparison_names_the_better_run(run: Run) -> None:
    folder = sample_runs.make_evaluation(run)
    (folder / "comparison.json").write_text(
        '{"against": "run <2>", "images": 60, "differences": {'
        '"accuracy": {"value": -0.02, "low": -0.03, "high": -0.01, "n": 60},'
        '"log_loss": {"value": -0.1, "low": -0.2, "high": -0.05, "n": 60},'
        '"macro_auc": {"value": 0.01, "low": -0.1, "high": 0.1, "n": 60}, "top_3_accuracy": {"absent": "why", "n": 0}},'
        '"mcnemar": {"first_only": 4, "second_only": 11, "p": 0.118}}'
    )
    text = page_of(run).text
    assert "Comparison with run <2>" in text
    assert "Accuracy −2.0 points (−3.0 to −1.0) the other run is better" in text
    assert "Log loss −0.100 (−0.200 to −0.050) this run is better" in text
    assert "Macro AUC +0.010 (−0.100 to +0.100) the interval includes 0: no difference is shown" in text
    assert "Top-3 accuracy – why" in text
    assert "4 images are classified correctly only by this run, 11 only by the other" in text
    assert "p = 0.118" in text


def test_missing_values_have_a_reason(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, ("benign", "malignant"))
    sample_runs.make_evaluation(run)
    text = page_of(run).text
    assert "Missing: there are only 2 classes, so it would always be 1." in text
    assert "None" not in text
    assert "nan" not in text.lower().replace("malignan", "").split()


def test_missing_thumbnails_and_paths_outside_the_run(run: Run, tmp_path: Path) -> None:
    folder = sample_runs.make_evaluation(run)
    (tmp_path / "secret.jpg").write_bytes(b"\xff\xd8\xffsecret")
    (folder / "gallery" / "0.jpg").unlink()
    line = {"image_id": "x", "label": "nv", "predicted": "mel", "confidence": 0.9, "probability_of_label": 0.1}
    outside = str(tmp_path / "secret.jpg")
    (folder / "gallery.json").write_text(
        f'[{{{str(line)[1:-1].replace(chr(39), chr(34))}, "kind": "error", "file": "{outside}"}}]'
    )
    page = page_of(run)
    assert "no thumbnail" in page.text
    assert "img" not in page.tags


def test_report_of_ten_thousand_images_is_small(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, [f"class {number}" for number in range(8)], images=200)
    folder = sample_runs.make_evaluation(run, images=10_000, strength=1.0)
    big = b"\xff\xd8\xff" + bytes(150_000)
    for path in (folder / "gallery").iterdir():
        path.write_bytes(big)
    began = time.perf_counter()
    size = write_report(run).stat().st_size
    assert size < 5_000_000
    assert time.perf_counter() - began < 30


def test_thinned_curve_keeps_its_ends_and_area() -> None:
    random = np.random.default_rng(0)
    across = np.sort(np.concatenate([[0, 1], random.random(20_000)]))
    up = np.sort(np.concatenate([[0, 1], random.random(20_000) ** 0.3]))
    few, thin = thinned(across, up)
    assert len(few) < 300
    assert (few[0], thin[0], few[-1], thin[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(thin, few) == pytest.approx(np.trapezoid(up, across), abs=2e-3)


def test_figures_are_written_once(run: Run) -> None:
    folder = sample_runs.make_evaluation(run)
    draw_figures_of(folder)
    names = ["confusion_counts", "confusion_shares", "precision_recall", "reliability", "roc"]
    drawn = [path.name for path in sorted((folder / "figures").iterdir())]
    assert drawn == [f"{name}.{suffix}" for name in names for suffix in ("png", "svg")]


def test_page_includes_written_figures_and_redraws_missing_ones(run: Run) -> None:
    folder = sample_runs.make_evaluation(run)
    again = page_of(run).text
    draw_figures_of(folder)
    assert page_of(run).text == again
    roc = folder / "figures" / "roc.svg"
    roc.write_text(roc.read_text().replace("ROC, each class", "Another title of"))
    assert "Another title of" in page_of(run).text
    roc.write_text(roc.read_text()[:1000])
    assert page_of(run).text == again


def test_scores_by_class_match_the_predictions(run: Run) -> None:
    folder = sample_runs.make_evaluation(run)
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    positive = [row["label"] == "mel" for row in rows]
    probability = [float(row["p_mel"]) for row in rows]
    text = page_of(run).text
    assert f"mel {roc_auc_score(positive, probability):.3f}" in text  # in the key of the ROC curves
    assert f"mel {average_precision_score(positive, probability):.3f}" in text


@pytest.mark.parametrize("name", ["one", "none"])
def test_classes_with_one_or_no_test_image(tmp_path: Path, name: str) -> None:
    run = sample_runs.make_run(tmp_path)
    folder = sample_runs.make_evaluation(run)
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    kept = [row for row in rows if row["label"] != "bkl"] + [row for row in rows if row["label"] == "bkl"][
        : name == "one"
    ]
    classes = list(sample_runs.CLASSES)
    labels = np.array([classes.index(row["label"]) for row in kept])
    probabilities = np.array([[float(row[f"p_{one}"]) for one in classes] for row in kept])
    found = sample_runs.assess(labels, probabilities, classes, [row["group"] for row in kept], resamples=200)
    sample_runs.update_json(folder / "scores.json", **json.loads(found.to_json()))
    sample_runs.write_table(folder / "predictions.csv", kept)
    text = page_of(run).text
    if name == "none":
        assert "There are no test images of bkl" in text
        assert "Missing: there are no images of bkl." in text
    else:
        assert "bkl has 1" in text
        assert "no interval: " in text
