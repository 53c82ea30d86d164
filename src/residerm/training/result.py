"""Write the result of a training: the bundle of the selected weights, and last the summary, which marks the run as
finished.

A run that is killed in between can be resumed: its state is complete, and the bundle is written again.
"""

from __future__ import annotations

import numpy as np
import torch

import residerm
from residerm.data.dataset import Dataset
from residerm.data.loading.contents import contents_of
from residerm.inference import ModelDescription, Predictor, write_bundle
from residerm.inference.runtimes.torch import TorchRuntime
from residerm.inference.seen import Seen
from residerm.models.model import Model
from residerm.runs import Epoch, Run, Summary
from residerm.training.checkpoint import load_selected_weights
from residerm.training.loop import Trainer
from residerm.training.neighbours import kept_images, reference_of
from residerm.training.trust import fit_trust


def write_result(run: Run, dataset: Dataset, trainer: Trainer, stopped: str) -> None:
    """Write the bundle of the selected weights, and last the summary."""
    state, options = trainer.state, dataset.experiment.training
    model: Model = state.average.module  # type: ignore[assignment]
    load_selected_weights(model, run.best, trainer.fabric.device)
    chosen = state.rows[state.kept_epoch - 1]
    description = describe(dataset, model, trainer.objective.prior, chosen)
    predictor, experiment = Predictor(description, TorchRuntime(model)), dataset.experiment
    reference = reference_of(predictor, dataset, trainer.progress)
    trust = fit_trust(predictor, dataset, reference, experiment.trust, trainer.progress)
    neighbours = kept_images(reference, dataset, experiment.neighbours)
    write_bundle(model, description, run.bundle, trust, seen_by(dataset), neighbours, replace=True)
    run.write_summary(
        Summary(
            stopped=stopped,
            epochs=state.epoch,
            chosen_epoch=state.kept_epoch,
            selected_by=options.select,
            validation=description.validation,
            minutes=round(state.seconds / 60, 2),
        )
    )


def seen_by(dataset: Dataset) -> Seen:
    """Hashes of the training and validation images."""
    records, rows = dataset.records, np.concatenate([dataset.training_rows, dataset.validation_rows])
    images = (records.image_id(int(row)) for row in rows)
    groups = (records.group(int(row)) for row in rows)
    return Seen.of(images, groups, contents_of(records, rows))


def describe(dataset: Dataset, model: Model, prior: tuple[float, ...], chosen: Epoch) -> ModelDescription:
    """The description of the model; `chosen` is the selected epoch."""
    experiment, layout = dataset.experiment, dataset.records.layout
    return ModelDescription(
        model=experiment.network.model,
        resnet=experiment.resnet,
        classes=dataset.records.classes,
        task=dataset.records.task,
        pixels=experiment.pixels,
        mean=_colour(model.normalise.mean),
        deviation=_colour(model.normalise.deviation),
        prior=prior,
        archive=layout.title,
        synthetic=layout.synthetic,
        data_licence=layout.licence,
        data_citation=layout.citation,
        trained_on=len(dataset.training_rows),
        selected_by=f"validation {experiment.training.select}, epoch {chosen.epoch}",
        validation=dict(chosen.scores),
        residerm=residerm.__version__,
    )


def _colour(values: torch.Tensor) -> tuple[float, float, float]:
    """Red, green and blue in 0 to 1, rounded to the published digits."""
    red, green, blue = (round(value / 255, 6) for value in values.flatten().tolist())
    return red, green, blue
