"""The sentences of report and card for different scores, and the card's metadata for model hubs."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import sample_runs
import yaml

from residerm import figures
from residerm.config import Experiment, ModelOptions, ResNetOptions, SampleOptions, TrainOptions
from residerm.report import write_card
from residerm.report.cautions import cautions
from residerm.report.estimates import HEADLINE, SCORES
from residerm.report.licence import allows_copies, consequence
from residerm.report.material import read_material
from residerm.report.sentences import Reading, calibration, malignancy, sentence
from residerm.report.tables import (
    EXACT,
    ScoreRow,
    by_attribute,
    cards,
    footnote,
    footnotes,
    options,
    without_home,
)  # fmt: skip
from residerm.runs import Evaluation, EvaluationScores, Run, RunError
from residerm.scores import Count, Estimate, ReliabilityBin, Resampling
from residerm.scores.definitions import HEADLINE as COMPUTED


def reading(counts: dict[str, int], **headline: Estimate) -> Reading:
    """Scores with these numbers of images in each class."""
    scores = EvaluationScores(
        format=1, archive="HAM10000", synthetic=False, part="test", images=100, groups=100, group_name="lesion",
        classes=tuple(counts), tta=False, prior=False, by_attribute={}, confusion=[], reliability=[],
        bootstrap=Resampling(resamples=100, unit="lesion", level=0.95, seed=0),
        counts={name: Count(images=count, groups=count) for name, count in counts.items()},
        headline=headline,
        by_class={
            name: {"sensitivity": Estimate(value=0.5) if count else Estimate(absent="none")}
            for name, count in counts.items()
        },
    )  # fmt: skip
    return Reading(Evaluation(Path("x"), scores))


def between(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, n=100)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return sample_runs.make_run(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.71, 0.9, "is above that."), (0.6, 0.8, "no improvement is shown"), (0.5, 0.69, "is below that")],
)
def test_accuracy_is_compared_with_the_majority_class(low: float, high: float, words: str) -> None:
    text = sentence("accuracy", reading({"mel": 30, "nv": 70}, accuracy=between(low, high)))
    assert "Always predicting nv, the most frequent class, would be correct for 70.0 %" in text
    assert words in text


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.4, 0.6, "the whole interval is above that"), (0.2, 0.4, "no improvement is shown"), (0.1, 0.2, "below that")],
)
def test_balanced_accuracy_is_compared_with_chance(low: float, high: float, words: str) -> None:
    text = sentence(
        "balanced_accuracy", reading({"a": 1, "b": 5, "c": 2, "d": 0}, balanced_accuracy=between(low, high))
    )
    assert "Chance level is 33.3 %" in text
    assert words in text


def test_losses_are_compared_with_class_frequencies() -> None:
    read = reading({"a": 25, "b": 75}, log_loss=between(0.1, 0.2), brier_score=between(0.8, 0.9))
    entropy = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert f"gives {entropy:.3f}; the whole interval is below that, which is better" in sentence("log_loss", read)
    assert "gives 0.375; the whole interval is above that, which is worse" in sentence("brier_score", read)


def test_score_without_interval_makes_no_claim() -> None:
    read = reading({"a": 25, "b": 75}, accuracy=Estimate(value=0.9, no_interval="too few lesions", n=100))
    text = sentence("accuracy", read)
    assert "it is unknown whether" in text
    assert text.endswith("No interval: too few lesions.")
    assert sentence("macro_auc", read) == "Missing: it was not computed."


def test_single_class_is_not_compared_with_chance() -> None:
    text = sentence("balanced_accuracy", reading({"a": 9, "b": 0}, balanced_accuracy=between(0.4, 0.6)))
    assert text == "Only a has images here: this is its sensitivity."


@pytest.mark.parametrize(("confidence", "words"), [(0.9, "overconfident"), (0.7, "underconfident"), (0.805, "neither")])
def test_calibration_sentence_names_the_direction(confidence: float, words: str) -> None:
    read = reading({"a": 50, "b": 50}, accuracy=between(0.7, 0.9))
    bins = [ReliabilityBin(n=100, confidence=confidence, accuracy=0.8, low=0.6, high=1.0)]
    scores = read.evaluation.scores.model_copy(update={"reliability": bins})
    text = calibration(Reading(Evaluation(Path("x"), scores)))
    assert words in text


def test_malignancy_counts_add_up() -> None:
    text = malignancy({"sensitivity": Estimate(value=0.994, n=9), "specificity": Estimate(value=0.333, n=9)})
    assert text == (
        "Of 100 images of a malignant class, 99 are predicted as a malignant class and 1 is missed. "
        "Of 100 benign images, 67 are false alarms."
    )
    assert malignancy(dict.fromkeys(("sensitivity", "specificity"), Estimate(absent="x"))) == ""


def test_every_score_has_a_title_and_a_sentence(run: Run) -> None:
    assert set(HEADLINE) == set(COMPUTED)
    read = Reading(Evaluation.read(sample_runs.make_evaluation(run)))
    assert len({sentence(name, read) for name in HEADLINE}) >= len(HEADLINE) - 1


def test_estimates_are_written_with_their_unit() -> None:
    share, plain = SCORES["accuracy"], SCORES["macro_auc"]
    assert share.text(between(0.6, 0.8)) == "70.0 % (60.0 to 80.0 %)"
    assert plain.text(between(0.6, 0.8)) == "0.700 (0.600 to 0.800)"
    assert share.text(Estimate(absent="why")) == "– (why)"
    assert share.text(Estimate(value=0.0, no_interval="why", n=3)) == "0.0 % (no interval: why)"


def titles(run: Run, *, loud: bool) -> set[str]:
    return {caution.title for caution in cautions(read_material(run)) if caution.loud == loud}


def test_valid_run_has_no_warning(run: Run) -> None:
    sample_runs.make_evaluation(run)
    assert titles(run, loud=True) == set()
    assert titles(run, loud=False) >= {"What the intervals do not cover", "Better on training than on test images"}


def test_leaking_split_is_a_warning(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, split={"test_images_with_lesion_in_training": 15, "grouped_by": "lesion"})
    leak = next(caution for caution in cautions(read_material(run)) if caution.loud)
    assert leak.title == "Test lesions were seen in training"
    assert "15 of 60 test images (25.0 %)" in leak.text


def test_archive_without_lesions_is_a_warning(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, split={"grouped_by": None})
    assert titles(run, loud=True) == {"Lesions may be in both training and test"}


def test_merged_labels_are_a_warning(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path)
    sample_runs.update_json(run.folder / "data.json", notes=["Two are one.", "A part."], merged=["Two are one."])
    assert titles(run, loud=True) == {"Labels were merged into one class"}
    assert "About the archive" in titles(run, loud=False)


def test_synthetic_images_are_a_warning_in_report_and_card(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, synthetic=True)
    assert titles(run, loud=True) == {"Synthetic images"}
    card = write_card(run).read_text()
    assert "has not seen real skin" in card
    assert "synthetic-data" in card.split("---")[1]


def test_model_no_better_than_a_constant_is_a_warning(run: Run) -> None:
    sample_runs.make_evaluation(run, strength=0.0)
    assert "No gain in accuracy over the most frequent class" in titles(run, loud=False)


def test_resampling_and_shifted_prior_are_described(run: Run) -> None:
    config = run.folder / "config.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(config.read_text()) | {"sampling": "over"}))
    sample_runs.update_json(run.folder / "bundle" / "model.json", prior=[1 / 3] * 3)
    assert titles(run, loud=False) >= {"Training images were resampled", "Trained with other class frequencies"}


@pytest.mark.parametrize(
    ("licence", "identifier", "commercial"),
    [
        ("CC BY-NC 4.0", "cc-by-nc-4.0", False),
        ("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0", False),
        ("CC BY 4.0", "cc-by-4.0", True),
        ("CC0 1.0", "unknown", True),
        ("not stated: see where the images come from", "unknown", True),
    ],
)
def test_licence_of_images_is_explained(licence: str, identifier: str, commercial: bool) -> None:
    found = consequence(licence)
    assert found.identifier == identifier
    assert found.non_commercial is not commercial
    assert licence in found.text


def test_copies_are_kept_if_the_licence_permits() -> None:
    assert all(map(allows_copies, ("CC0 1.0", "CC BY 4.0", "CC BY-NC 4.0", "CC-BY-NC-SA-4.0")))
    assert not any(map(allows_copies, ("CC BY-ND 4.0", "CC BY-NC-ND 4.0", "not stated: see elsewhere", "")))


def test_card_is_filled_in_with_open_questions(run: Run) -> None:
    sample_runs.make_evaluation(run)
    card = write_card(run).read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "cc-by-nc-4.0"
    assert {"resnet20", "non-commercial"} <= set(front["tags"])
    metrics = {one["type"]: one for one in front["model-index"][0]["results"][0]["metrics"]}
    assert set(metrics) == {"accuracy", "balanced_accuracy", "roc_auc", "f1"}
    low, high = metrics["accuracy"]["args"]["interval_95"]
    assert low < metrics["accuracy"]["value"] < high
    assert card.count("**[TO FILL IN]**") >= 6
    for words in ("**Non-commercial:", "Tschandl et al. (2018)", "### Limits by class", "No lesion is in two parts"):
        assert words in card
    assert card.count("Not a medical device and not a diagnosis") == 2


def test_card_tables_are_rectangular(tmp_path: Path) -> None:
    run = sample_runs.make_run(tmp_path, ("<b>&", "a|b", "*c*_d_"))
    sample_runs.make_evaluation(run)
    card = write_card(run).read_text(encoding="utf-8")
    for table in card.split("\n\n"):
        rows = [line.replace(r"\|", "") for line in table.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) <= 1
        assert len(rows) != 1
    assert "| &lt;b&gt;&amp; |" in card
    assert "<b>" not in card
    assert r"\*c\*\_d\_" in card


def test_card_of_an_unfinished_run_is_refused(run: Run) -> None:
    (run.folder / "summary.json").unlink()
    with pytest.raises(RunError, match="has not finished"):
        write_card(run)
    assert not (run.folder / "MODEL_CARD.md").exists()


def test_class_fractions_are_those_of_the_images(run: Run) -> None:
    read = Reading(Evaluation.read(sample_runs.make_evaluation(run)))
    assert sum(read.frequencies.values()) == pytest.approx(1)
    assert read.baselines["accuracy"] == pytest.approx(read.score("majority_accuracy").value)
    assert np.isclose(read.baselines["balanced_accuracy"], 1 / 3)


def test_sensitivity_to_malignancy_comes_first(run: Run) -> None:
    evaluation = Evaluation.read(sample_runs.make_evaluation(run))
    first = cards(evaluation)[0]
    assert evaluation.scores.malignancy is not None
    found = evaluation.scores.malignancy.scores["sensitivity"]
    assert first.title == "Sensitivity to malignancy"
    assert first.value == SCORES["sensitivity"].write(found.value or 0)
    assert first.interval == SCORES["sensitivity"].bounds(found)


def test_means_over_different_classes_are_not_compared(run: Run) -> None:
    folder = sample_runs.make_evaluation(run)
    content = json.loads((folder / "scores.json").read_text())
    content["by_attribute"]["sex"][0]["classes"] = 2
    (folder / "scores.json").write_text(json.dumps(content))
    few, *others = by_attribute(Evaluation.read(folder))["sex"]
    assert few.classes == 2
    assert [one.value is None for one in few.estimates] == [True, True, False]
    assert all(one.estimates[2].value is not None for one in others)
    assert "cannot be compared with other groups" in footnote(few.estimates[0])


def test_missing_values_have_footnotes() -> None:
    rows = [ScoreRow("a", "", 3, 3, [Estimate(value=1.0, no_interval="too few"), Estimate(absent="no images")])]
    rows += [
        ScoreRow("b", "", 3, 3, [Estimate(absent="no images"), Estimate(value=0.0, low=0.0, high=0.3, exact=True)])
    ]
    assert list(footnotes(rows).values()) == ["a", "b", "c"]
    assert list(footnotes(rows)) == ["no interval: too few", "no images", EXACT]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jane.doe/data/x", "~/data/x"), ("/Users/jane/x", "~/x"), (r"C:\Users\Jane\x", r"~\x"),
        ("/data/home", "/data/home"),
    ],
)  # fmt: skip
def test_home_folder_is_not_shown_in_paths(text: str, shown: str) -> None:
    assert without_home(text) == shown


def test_default_class_weights_are_not_listed_as_changed() -> None:
    for sampling in ("none", "over"):
        given = Experiment(path=Path("x"), sample=SampleOptions(sampling=sampling)).in_effect()
        assert "class_weight_power" not in options(given)[0]
    assert "class_weight_power" in options(Experiment(path=Path("x"), training=TrainOptions(class_weight_power=1)))[0]


def test_training_plots_have_the_same_size() -> None:
    curves = [{"a": [(1, 0.5), (2, 0.25)]}, {"a longer name": [(1, 12345.5)], "b": [(1, 3.0)], "c": [(2, 1.0)]}]
    drawn = [figures.svg(figures.learning_curves("Loss", "loss", curve, 1)) for curve in curves]
    sizes = [[re.search(rf'<svg[^>]* {side}="([\d.]+)pt"', one) for side in ("width", "height")] for one in drawn]
    first, second = ([float(found[1]) for found in size if found] for size in sizes)
    assert len(first) == 2
    assert first == pytest.approx(second, abs=1)


@pytest.mark.parametrize(
    ("pretrained", "zero_init", "listed"), [(False, True, False), (False, False, True), (True, True, True)]
)
def test_identity_blocks_are_the_default_of_random_weights_only(
    pretrained: bool, zero_init: bool, listed: bool
) -> None:
    network, resnet = ModelOptions(pretrained=pretrained), ResNetOptions(zero_init=zero_init)
    changed, _ = options(Experiment(path=Path("x"), network=network, resnet=resnet))
    assert ("zero_init" in changed) is listed
