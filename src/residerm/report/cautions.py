"""Caveats about a result: leakage, imbalance, few lesions, synthetic images, and what no run can know.

Loud ones mean that the scores are misleading; the others should be kept in mind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from residerm.errors import listed
from residerm.report.estimates import rate
from residerm.report.material import Material
from residerm.report.sentences import Reading
from residerm.runs import Evaluation

_FEW_GROUPS = 30  # below it, one lesion moves a class's sensitivity by more than three points
_IMBALANCED = 5  # times as many images in the largest class as in the smallest
_OVERFITTED = 0.1  # gap between the balanced accuracies of the training part and the test part
_SHIFTED = 0.1  # between the prior of training and the class frequencies of the training part


@dataclass(frozen=True)
class Caution:
    """A title and a sentence or two; `loud` if the scores are misleading."""

    title: str
    text: str
    loud: bool = False


def cautions(material: Material) -> list[Caution]:
    """All caveats that apply to this run, the loud ones first."""
    found = [*_of_images(material), *_of_archive(material), *_of_split(material), *_of_training(material)]
    if material.main:
        found += _of_scores(material.main)
    found += _of_shortcuts(material)
    found.append(_left_out(material))
    return sorted(found, key=lambda caution: not caution.loud)


def _of_images(material: Material) -> Iterator[Caution]:
    if material.synthetic:
        yield Caution(
            "Synthetic images",
            "The images were drawn by a program, not photographed. The scores show that the software works; they say "
            "nothing about real skin.",
            loud=True,
        )


def _of_archive(material: Material) -> Iterator[Caution]:
    for note in material.data.notes:
        if note in material.data.merged:
            yield Caution("Labels were merged into one class", note, loud=True)
        else:
            yield Caution("About the archive", note)


def _of_split(material: Material) -> Iterator[Caution]:
    split = material.data.split
    leaking, tested = split.test_images_with_lesion_in_training, split.parts["test"].images
    group, options = split.grouped_by, split.options
    if not group:
        yield Caution(
            "Lesions may be in both training and test",
            f"{material.data.archive} does not say which images show the same lesion, so photographs of one lesion "
            "can be in both the training and the test part. If so, the scores are too high.",
            loud=True,
        )
    elif leaking:
        yield Caution(
            f"Test {group}s were seen in training",
            f"{leaking:,} of {tested:,} test images ({rate(leaking / tested)} %) show a {group} that is also in the "
            f"training part (split: {options.split}). The scores are too high, because the model can recognise these "
            f"{group}s. A split by {group} keeps each {group} in one part.",
            loud=True,
        )
    if options.folds:
        yield Caution(
            "One fold of several",
            f"This is fold {options.fold} of {options.folds}, counted from 0; the scores of the others can differ.",
        )


def _of_training(material: Material) -> Iterator[Caution]:
    sampling = material.experiment.sample.sampling
    if sampling != "none":
        yield Caution(
            "Training images were resampled",
            f"Resampling ({sampling}) changed how often each class was seen in training. The validation and test parts "
            "were not resampled: their scores are for the class frequencies of the archive.",
        )
    counts = material.data.split.parts["train"].classes
    fractions = {name: count / max(sum(counts.values()), 1) for name, count in counts.items()}
    prior = dict(zip(material.model.classes, material.model.prior, strict=True))
    shifted = [name for name in prior if abs(prior[name] - fractions[name]) > _SHIFTED]
    if shifted:
        changes = listed(f"{name} {rate(prior[name])} % instead of {rate(fractions[name])} %" for name in shifted)
        yield Caution(
            "Trained with other class frequencies",
            f"Sampling, class weights or logit adjustment changed the class frequencies relative to the archive: "
            f"{changes}. This improves rare classes and balanced accuracy, at the cost of accuracy and calibration.",
        )


def _of_scores(evaluation: Evaluation) -> Iterator[Caution]:
    reading = Reading(evaluation)
    missing = [name for name in evaluation.scores.classes if name not in reading.counts]
    if missing:
        yield Caution(
            "Classes without test images",
            f"There are no test images of {listed(missing)}: how well they are recognised is unknown, and scores "
            "that require them are missing.",
            loud=True,
        )
    yield from _imbalance(reading)
    yield from _few(evaluation, list(reading.counts))
    gap = (evaluation.scores.gap or {}).get("balanced_accuracy", 0.0)
    if gap > _OVERFITTED:
        yield Caution(
            "Better on training than on test images",
            f"The balanced accuracy is {rate(gap)} points higher on the training images: the network has overfitted.",
        )


def _imbalance(reading: Reading) -> Iterator[Caution]:
    largest, smallest = reading.largest, min(reading.counts, key=lambda name: reading.counts[name])
    share, times = rate(reading.baselines["accuracy"]), reading.counts[largest] / reading.counts[smallest]
    if times >= _IMBALANCED:
        yield Caution(
            "Classes are imbalanced",
            f"{largest} has {share} % of the test images, {times:.0f} times as many as {smallest}. Accuracy and "
            f"weighted scores mostly reflect how well {largest} is recognised: look at the balanced accuracy and the "
            "table by class first. With other class frequencies, as in a clinic, precision changes.",
        )
    if reading.relative_to("accuracy") in (0, -1):
        yield Caution(
            "No gain in accuracy over the most frequent class",
            f"The interval of the accuracy is not entirely above the {share} % of always predicting {largest}.",
        )


def _few(evaluation: Evaluation, present: Sequence[str]) -> Iterator[Caution]:
    group = evaluation.group_name
    groups = {name: evaluation.scores.counts[name].groups for name in present}
    few = sorted((name for name in present if groups[name] < _FEW_GROUPS), key=lambda name: groups[name])
    if few:
        counts = listed((f"{name} has {groups[name]}" for name in few), most=8)
        yield Caution(
            f"Few {group}s in some classes",
            f"{group.capitalize()}s in the test part: {counts}. A single {group} of {few[0]} changes its sensitivity "
            f"by about {rate(1 / groups[few[0]])} points: look at the intervals.",
        )


def _of_shortcuts(material: Material) -> Iterator[Caution]:
    """The balanced accuracy with the lesion, or everything but the lesion, painted over."""
    for one in material.others:
        score = one.scores.headline["balanced_accuracy"]
        if one.scores.without is None or score.value is None:
            continue
        chance = 1 / max(1, len([count for count in one.scores.counts.values() if count.images]))
        within = f" (95 % interval {rate(score.low)} to {rate(score.high)})" if score.low and score.high else ""
        result = f"the balanced accuracy is {rate(score.value)} %{within}; chance level is {rate(chance)} %."
        if one.scores.without == "background":
            yield Caution("Only the lesion", f"With everything but the lesion painted over, {result}")
        elif score.relative_to(chance) == 1:
            yield Caution(
                "Predictions depend partly on the background",
                f"On the same images with the lesion painted over with skin, {result} The rest comes from the "
                "surrounding skin, the photograph, or the outline that painting leaves.",
                loud=True,
            )
        else:
            yield Caution(
                "Without the lesion", f"On the same images without the lesion, {result} No shortcut was found."
            )


def _left_out(material: Material) -> Caution:
    unit = material.main.group_name if material.main else "lesion"
    return Caution(
        "What the intervals do not cover",
        f"They show how much the scores would vary with other {unit}s of the same kind. They do not cover the "
        f"randomness of training (another seed than {material.experiment.training.seed} gives another model), nor the "
        "differences of other hospitals, cameras and skin from this archive.",
    )
