"""Evaluate a model: the test part or another archive → predictions → scores, in a folder of its own.

    evaluation = evaluate(Path("runs/20260101-120000-resnet50-ham10000-64px-s0"))
    evaluation.scores.headline["balanced_accuracy"].interval

Images that were used for training or model selection are never scored: they are left out of another archive, and in a
comparison those of the other model are, too. Near copies are reported in a remark.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from residerm.config import EvaluateOptions
from residerm.errors import UsageError, WriteError
from residerm.evaluation.background import in_background
from residerm.evaluation.comparison import Other
from residerm.evaluation.copies import near_copies
from residerm.evaluation.elsewhere import elsewhere
from residerm.evaluation.evaluation_set import EvaluationSet, finished, hiding, other_archive, own_test_part
from residerm.evaluation.explaining import explanation_scores
from residerm.evaluation.gallery import write_gallery
from residerm.evaluation.identity import Identity, identify
from residerm.evaluation.predictions import Predictions
from residerm.evaluation.scoring import score, training_predictions, with_training
from residerm.evaluation.trust import trust_scores
from residerm.explanation.methods import ExplainedModel
from residerm.files import new_folder, require_writable
from residerm.inference import Predictor, load
from residerm.inference.answers import Rule
from residerm.inference.bundle import STARTER, find_bundle
from residerm.progress import SILENT, Progress
from residerm.report import draw_figures, write_card, write_report
from residerm.runs import Evaluation, EvaluationScores, Run, is_run, write_outputs
from residerm.runs.evaluations import COMPARISON, OUTPUTS, PREDICTIONS, SCORES
from residerm.runs.explanations import explanation_file


def evaluate(model: Path, options: EvaluateOptions = EvaluateOptions(), progress: Progress = SILENT) -> Evaluation:
    """Score a run or a bundle, and store the result in its folder; an existing, equal evaluation is read from there."""
    _require_consistent(options)
    run = _run_of(model, options)
    predictor = load(model, precision=options.precision)
    Rule.asked(predictor, options).require()
    if options.data or run is None:
        images = other_archive(model, predictor.description, options, progress)
    else:
        images = own_test_part(run, predictor.description, options, progress)
    other = Other(options.against, images, options, progress) if options.against else None
    images = replace(images, rows=other.unseen(images.rows)) if other else images
    identity = identify(model, predictor, images, other, options)
    target = _folder_of_evaluations(model, run) / identity.name
    if target.exists() and not options.overwrite:
        evaluation = Evaluation.read(target)
    else:
        require_writable(target)
        images = hiding(images, options.without, predictor.description, progress)
        copies = near_copies(run, images.records, images.rows, progress) if run and options.data else ()
        for remark in (*images.remarks, *copies):
            progress.remark(remark)
        make = partial(_evaluate, model, target, identity, images, predictor, other, options, progress)
        evaluation = make() if options.overwrite else _made_once(make, target)
    if options.explain:
        _explain(model, evaluation, images, options, progress)
    return _reported(run, evaluation)


def _require_consistent(options: EvaluateOptions) -> None:
    """Raise `UsageError` if options exclude each other."""
    if options.explain and options.without:
        raise UsageError("`explain` and `without` cannot be combined: explanations are scored on whole images")
    if options.against and options.without:
        raise UsageError("`against` and `without` cannot be combined: evaluate both runs and compare their scores")
    if (options.explain_method or options.explain_stage) and not options.explain:
        raise UsageError("`explain_method` and `explain_stage` have no effect without `explain`")
    if options.data is None and (options.layout or options.on_bad_image != "error"):
        raise UsageError("`layout` and `on_bad_image` are for another archive: give it with `data`")
    if options.prior and options.decide != "probable":
        raise UsageError("`prior` and `decide` cannot be combined: with `prior`, classes already count equally")


def _run_of(model: Path, options: EvaluateOptions) -> Run | None:
    """The run; None for a bundle, which has no test part of its own."""
    if is_run(model):
        return finished(model)
    find_bundle(model)
    if options.data is None:
        raise UsageError(f"{model} is a bundle, which has no test part: give an archive with `data`")
    return None


def _folder_of_evaluations(model: Path, run: Run | None) -> Path:
    """The folder in the run or bundle; for the starter model, one in the working directory."""
    bundle = find_bundle(model)
    return Path("starter-evaluations") if bundle == STARTER else (run or Run(bundle)).evaluations


def _evaluate(
    model: Path,
    target: Path,
    identity: Identity,
    images: EvaluationSet,
    predictor: Predictor,
    other: Other | None,
    options: EvaluateOptions,
    progress: Progress,
) -> Evaluation:
    """Predict, score and draw, with the training part predicted in parallel, and write everything to `target`."""
    began = time.perf_counter()
    strangers = [elsewhere(path, predictor, 8 if options.tta else 1, progress) for path in options.outliers]
    predictions = images.predictions(predictor, images.rows, options, progress)
    comparison = other.compared_with(predictions) if other else None
    with in_background(partial(training_predictions, images, predictor, options), progress) as training:
        scores = score(predictions, images, predictor, options, identity)
        trust = trust_scores(predictions, images, predictor, options, strangers)
        scores = scores.model_copy(update={"trust": trust})
        with new_folder(target, replace=options.overwrite) as unfinished:
            _write_answers(ExplainedModel.of(predictor, model), predictions, scores, unfinished)
            if comparison:
                comparison.write(unfinished / COMPARISON)
            scores = with_training(scores, training.result(), images, round(time.perf_counter() - began, 1))
            scores.write(unfinished / SCORES)
    return Evaluation(target, scores, new=True)


def _made_once(make: Callable[[], Evaluation], target: Path) -> Evaluation:
    """A new evaluation, or the one that another process has written in the meantime."""
    try:
        return make()
    except WriteError:
        if not target.exists():
            raise
        return Evaluation.read(target)


def _explain(
    model: Path, evaluation: Evaluation, images: EvaluationSet, options: EvaluateOptions, progress: Progress
) -> None:
    """Score explanations, and write the scores to the folder of the evaluation."""
    path = evaluation.folder / explanation_file(options.explain_method, options.explain_stage)
    if options.overwrite or not path.exists():
        scores = explanation_scores(ExplainedModel.open(model), images, options, progress)
        scores.write(path, replace=options.overwrite)


def _write_answers(model: ExplainedModel, predictions: Predictions, scores: EvaluationScores, folder: Path) -> None:
    """Write predictions, outputs, gallery and figures."""
    predictions.table.write(folder / PREDICTIONS)
    write_outputs(folder / OUTPUTS, predictions.outputs)
    write_gallery(predictions, folder, model)
    draw_figures(folder, scores, predictions.table)


def _reported(run: Run | None, evaluation: Evaluation) -> Evaluation:
    """Update the run's report and card; a bundle has none, because it holds neither options nor epochs."""
    if run:
        write_report(run)
        write_card(run)
    return evaluation
