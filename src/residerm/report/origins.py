"""Sentences about how a result was obtained: the split, the training, and the intervals."""

from __future__ import annotations

from residerm.report.estimates import SCORES, counted
from residerm.report.material import Material
from residerm.runs import DataDescription, Evaluation


def split(data: DataDescription) -> str:
    """How the archive was split, and whether parts share lesions."""
    proof = data.split
    group, options = proof.grouped_by, proof.options
    made = f"split: {options.split}, seed {options.split_seed}"
    made += f", fold {options.fold} of {options.folds}" if options.folds else ""
    if not group:
        return f"Images were split individually ({made}): the archive does not say which show the same lesion."
    shared = ", ".join(f"{parts}: {count:,}" for parts, count in proof.shared_groups.items())
    leaking = proof.test_images_with_lesion_in_training
    if not proof.leaks:
        return f"No {group} is in two parts ({made}). {group.capitalize()}s shared by {shared}."
    return (
        f"Some {group}s are in several parts ({made}). Shared by {shared}. "
        f"{counted(leaking, 'test image')} {'shows' if leaking == 1 else 'show'} a {group} that is also in training."
    )


def training(material: Material) -> str:
    """How long training took, why it stopped, and which weights were kept."""
    summary = material.summary
    text = f"{counted(summary.epochs, 'epoch')} in {summary.minutes:.1f} minutes; {summary.stopped}."
    selected = summary.selected_by
    value = summary.validation.get(selected)
    kept = f" The weights of epoch {summary.chosen_epoch} were kept"
    if value is None:
        return f"{text}{kept}."
    score = SCORES[selected]
    return (
        f"{text}{kept}: the last epoch whose {score.name} on the validation part, {score.write(value)}, is within one "
        "standard error of the best. This value is optimistic, because the epoch was selected by it; the test part was "
        "not used."
    )


def intervals(evaluation: Evaluation) -> str:
    """How the intervals were computed."""
    bootstrap = evaluation.scores.bootstrap
    unit = bootstrap.unit
    return (
        f"Each value is followed by its {100 * bootstrap.level:.0f} % bootstrap interval, from {bootstrap.resamples:,} "
        f"resamples of the test {unit}s"
        + (f", each {unit} with all of its images." if unit != "image" else ".")
        + " The mark on a bar is the value that can be reached without a model."
    )
