"""From a run to its scores: the test part (or another archive) → predictions → scores, in a folder of their own.

    evaluation = evaluate(Path("runs/20260101-120000-resnet50-ham10000-64px-s0"))
    evaluation.scores.headline["balanced_accuracy"].interval

Whatever the run was trained with or chosen by is never scored as if it were new: of another archive, images that the
run knows are left out, and so are, in a comparison, those that the other run knows.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import numpy as np

from residerm.config import EvaluateOptions
from residerm.data.archives.records import Records
from residerm.errors import UsageError
from residerm.evaluation.background import in_background
from residerm.evaluation.comparison import Other
from residerm.evaluation.elsewhere import elsewhere
from residerm.evaluation.explaining import explanation_scores
from residerm.evaluation.gallery import write_gallery
from residerm.evaluation.predictions import Predictions
from residerm.evaluation.subject import Subject, finished, hiding, other_archive, own_part
from residerm.evaluation.trust import trust_scores
from residerm.evaluation.unseen import is_run
from residerm.explanation.methods import Subject as Explained
from residerm.files import new_folder, require_writable
from residerm.inference import Predictor, load, read_description
from residerm.inference.answers import Rule
from residerm.inference.bundle import find_bundle
from residerm.progress import SILENT, Progress
from residerm.report import draw_figures, write_card, write_report
from residerm.runs import Evaluation, EvaluationScores, Run, TrainingScores, write_outputs
from residerm.runs.evaluations import COMPARISON, OUTPUTS, PREDICTIONS, SCORES
from residerm.runs.explanations import explanation_file
from residerm.scores import age_bands, assess, by_attribute, headline_scores
from residerm.taxonomy import mapping_for


def evaluate(folder: Path, options: EvaluateOptions = EvaluateOptions(), progress: Progress = SILENT) -> Evaluation:
    """Score a run or a bundle, and keep the result in its folder; what is there already is given back."""
    if options.explain and options.without:
        raise UsageError("`explain` scores explanations of whole images: leave out `without`")
    if options.against and options.without:
        raise UsageError("`without` paints for one model: leave out `against`, and compare the scores of both runs")
    if (options.explain_method or options.explain_stage) and not options.explain:
        raise UsageError("`explain_method` and `explain_stage` say how to explain: give `explain` too")
    if options.prior and options.decide != "probable":
        raise UsageError("`prior` has classes named as if all were equally frequent already: leave out `decide`")
    run = finished(folder) if is_run(folder) else _bundle(folder, options)
    description = read_description(folder)
    subject = (
        other_archive(folder, description, options, progress) if options.data else own_part(run, description, progress)
    )
    target = run.evaluations / _name(subject, options)
    if target.exists() and not options.again:
        evaluation = Evaluation.read(target)
    else:
        require_writable(target)
        subject = hiding(subject, options.without, description, progress)
        for remark in subject.remarks:
            progress.remark(remark)
        evaluation = _evaluate(run, target, subject, options, progress)
    if options.explain:
        _explain(run, evaluation, subject, options, progress)
    return _reported(run, evaluation)


def _explain(run: Run, evaluation: Evaluation, subject: Subject, options: EvaluateOptions, progress: Progress) -> None:
    """Score explanations, and add the scores to the evaluation's folder."""
    path = evaluation.folder / explanation_file(options.explain_method, options.explain_stage)
    if options.again or not path.exists():
        model = Explained.open(run.folder)
        explanation_scores(model, subject, options, progress).write(path, replace=options.again)


def _evaluate(run: Run, target: Path, subject: Subject, options: EvaluateOptions, progress: Progress) -> Evaluation:
    """Predict, score, draw, and keep it all in the target."""
    began = time.perf_counter()
    predictor = load(run.folder, precision=options.precision)
    Rule.asked(predictor, options).require()
    strangers = [elsewhere(path, predictor, 8 if options.tta else 1, progress) for path in options.outliers]
    other = Other(options.against, subject, options, progress) if options.against else None
    rows = other.unknown(subject.rows) if other else subject.rows
    predictions = subject.predictions(predictor, rows, options, progress)
    comparison = other.compared_with(predictions) if other else None
    with in_background(partial(_of_training, subject, predictor, options), progress) as training:
        scores = _scores(predictions, subject, predictor, options)
        trust = trust_scores(predictions, subject, predictor, options, strangers)
        scores = scores.model_copy(update={"trust": trust})
        with new_folder(target, replace=options.again) as unfinished:
            _write_answers(predictions, scores, unfinished)
            if comparison:
                comparison.write(unfinished / COMPARISON)
            behind = _training_scores(training.result(), subject, scores)
            seconds = round(time.perf_counter() - began, 1)
            scores = scores.model_copy(update={**behind, "seconds": seconds})
            scores.write(unfinished / SCORES)
    return Evaluation(target, scores, new=True)


def _write_answers(predictions: Predictions, scores: EvaluationScores, folder: Path) -> None:
    """What the model answered: as a table, as outputs, as pictures and as figures."""
    predictions.table.write(folder / PREDICTIONS)
    write_outputs(folder / OUTPUTS, predictions.outputs)
    write_gallery(predictions, folder)
    draw_figures(folder, scores, predictions.table)


def _bundle(folder: Path, options: EvaluateOptions) -> Run:
    """The folder of a bundle, which keeps its evaluations as a run does."""
    if options.data is None:
        raise UsageError(f"{folder} is a bundle, which has no test part of its own: name an archive with `data`")
    return Run(find_bundle(folder))


def _reported(run: Run, evaluation: Evaluation) -> Evaluation:
    """Write the run's report and card anew; a bundle has neither options nor epochs to report."""
    if is_run(run.folder):
        write_report(run)
        write_card(run)
    return evaluation


def _name(subject: Subject, options: EvaluateOptions) -> str:
    """The folder's name says on what, and how."""
    parts = [subject.name, subject.part]
    if subject.meeting and subject.meeting.task != "diagnosis":
        parts.append(subject.meeting.task)
    parts += [f"without-{options.without}"] if options.without else []
    parts += ["tta"] * options.tta + ["prior"] * options.prior
    parts += {"probable": [], "balanced": ["balanced"], "malignant": [f"malignant{options.sensitivity:g}"]}[
        options.decide
    ]
    parts += ["outliers", *(path.resolve().name for path in options.outliers)] if options.outliers else []
    if options.against:
        parts += ["against", options.against.resolve().name]
    return "-".join(parts)


def _scores(
    predictions: Predictions, subject: Subject, predictor: Predictor, options: EvaluateOptions
) -> EvaluationScores:
    """Everything in scores.json but what the training part is needed for."""
    records = predictions.records
    group_name = records.layout.grouped_by or "image"
    task = subject.meeting.task if subject.meeting else predictor.description.task
    labels, probabilities, groups = predictions.labels, predictions.probabilities, predictions.groups
    assessment = assess(
        labels, probabilities, predictions.classes, groups,
        predicted=predictions.predicted, group_name=group_name, malignant=_malignant(task, predictions.classes),
    )  # fmt: skip
    people = {"sex": predictions.sexes, "age": age_bands(predictions.ages), "site": predictions.sites}
    return EvaluationScores(
        format=1,
        archive=records.layout.title,
        synthetic=records.layout.synthetic,
        part=subject.part,
        images=len(predictions.rows),
        groups=len(np.unique(predictions.groups)),
        group_name=group_name,
        classes=predictions.classes,
        task=task,
        tta=options.tta,
        prior=options.prior,
        decide=options.decide,
        precision=predictor.precision,
        without=options.without,
        mapping=subject.meeting.described if subject.meeting else None,
        by_attribute=by_attribute(
            labels, probabilities, groups, people,
            classes=predictions.classes, predicted=predictions.predicted, group_name=group_name,
        ),
        **dict(assessment),
    )  # fmt: skip


def _malignant(task: str, classes: tuple[str, ...]) -> list[str] | None:
    """The malignant classes of a model of diagnoses; None where a class does not say which side it is on."""
    if task != "diagnosis":
        return None
    try:
        mapping = mapping_for("malignancy", classes)
    except UsageError:
        return None
    return [name for name in classes if mapping.target(name) == "malignant"]


def _of_training(
    subject: Subject, predictor: Predictor, options: EvaluateOptions, progress: Progress
) -> Predictions | None:
    """What the model says of as many images of the training part, as they are."""
    if subject.training is None:
        return None
    some = _some(subject.records, subject.training, len(subject.rows))
    return subject.predictions(predictor, some, options, progress)


def _training_scores(
    training: Predictions | None, subject: Subject, scores: EvaluationScores
) -> dict[str, TrainingScores | dict[str, float]]:
    """The headline scores of images of the training part, and how far they lie above."""
    if training is None or subject.training is None:
        return {}
    headline = headline_scores(
        training.labels, training.probabilities, training.classes, training.groups,
        predicted=training.predicted, group_name=scores.group_name,
    )  # fmt: skip
    pairs = {name: (one.value, scores.headline[name].value) for name, one in headline.items()}
    gap = {name: own - tested for name, (own, tested) in pairs.items() if own is not None and tested is not None}
    return {
        "training": TrainingScores(images=len(training.rows), of=len(subject.training), headline=headline),
        "gap": gap,
    }


def _some(records: Records, rows: np.ndarray, images: int) -> np.ndarray:
    """Whole lesions, drawn at random, until there are so many images; in the order of the archive."""
    groups, member = np.unique(records.groups[rows], return_inverse=True)
    turn = np.random.default_rng(0).permutation(len(groups))[member]
    return np.sort(rows[np.argsort(turn, kind="stable")][:images])
