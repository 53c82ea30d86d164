"""Where a result comes from, in words: how the parts were made, how the training went, what the intervals mean."""

from __future__ import annotations

from residerm.report.estimates import SCORES, counted
from residerm.report.material import Material
from residerm.runs import DataDescription, Evaluation


def split(data: DataDescription) -> str:
    """What the split proves, or cannot."""
    proof = data.split
    group, options = proof.grouped_by, proof.options
    made = f"split: {options.split}, seed {options.split_seed}"
    made += f", fold {options.fold} of {options.folds}" if options.folds else ""
    if not group:
        return f"Images were split one by one ({made}): the archive does not name the lesions that they show."
    shared = ", ".join(f"{sides}: {count:,}" for sides, count in proof.shared_groups.items())
    leaking = proof.test_images_with_lesion_in_training
    if not proof.leaks:
        return f"No {group} is on two sides ({made}). {group.capitalize()}s shared by {shared}."
    return (
        f"{group.capitalize()}s are on several sides ({made}). Shared by {shared}. "
        f"{counted(leaking, 'test image')} show a {group} that is in training too."
    )


def training(material: Material) -> str:
    """How the training went, and which weights were kept."""
    summary = material.summary
    told = f"{counted(summary.epochs, 'epoch')} in {summary.minutes:.1f} minutes; {summary.stopped}."
    selected = summary.selected_by
    value = summary.validation.get(selected)
    kept = f" The weights of epoch {summary.chosen_epoch} were kept"
    if value is None:
        return f"{told}{kept}."
    score = SCORES[selected]
    return (
        f"{told}{kept}: the last whose {score.name} on the validation part, {score.write(value)}, is within a standard "
        "error of the best. This value is optimistic, because the epoch was chosen by it; the test part was not used."
    )


def intervals(evaluation: Evaluation) -> str:
    """What the intervals are."""
    bootstrap = evaluation.scores.bootstrap
    unit = bootstrap.unit
    return (
        f"Each value is followed by its {100 * bootstrap.level:.0f} % interval: the range in which it stays when "
        f"the test {unit}s are drawn again {bootstrap.resamples:,} times"
        + (f", each {unit} with all of its images." if unit != "image" else ".")
        + " A mark on a line is what can be had without a model."
    )
