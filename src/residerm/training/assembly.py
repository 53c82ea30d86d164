"""Assemble a `Trainer` from an experiment: data, initial model, optimiser, objective and batches.

`train`, `bench` and the dry run use it; the latter two without checkpoints, so that they write nothing.
"""

from __future__ import annotations

import copy
from functools import partial

import torch
from lightning_fabric import Fabric
from torch import nn

from residerm.config import Experiment, TrainOptions
from residerm.data.dataset import Dataset
from residerm.data.loading.batches import Batches
from residerm.errors import UsageError
from residerm.models.complexity import measure
from residerm.models.start import InitialModel
from residerm.progress import SILENT, Progress
from residerm.training.checkpoint import Checkpoints, State
from residerm.training.distillation import Distillation, ask_teacher, require_teacher
from residerm.training.hardware import synchronised
from residerm.training.loop import Trainer
from residerm.training.memory import require_memory
from residerm.training.neighbours import require_licence
from residerm.training.objective import Classification
from residerm.training.recipe import MovingAverage, loss_for, optimizer_for
from residerm.training.start import make_initial_model


def prepare(experiment: Experiment, progress: Progress = SILENT) -> Dataset:
    """Open the dataset of an experiment, and check that it can be trained on."""
    dataset = Dataset.open(experiment, progress)
    options, images = experiment.training, len(dataset.drawn())
    if options.batch_size > images:
        raise UsageError(f"`batch_size={options.batch_size}` is larger than the {images} training images")
    if options.grow_from is not None:
        _refuse_what_cannot_grow(options.grow_from, experiment)
    if experiment.distillation.teacher is not None:
        require_teacher(experiment.distillation.teacher, dataset.records.classes)
    require_licence(dataset.records.layout.licence, experiment.neighbours)
    return dataset


def initial_model_of(dataset: Dataset) -> InitialModel:
    """The model with its initial weights."""
    experiment = dataset.experiment
    torch.manual_seed(experiment.training.seed)
    start = make_initial_model(experiment.network, dataset.records.classes, experiment.pixels.size, experiment.resnet)
    _refuse_single_images(start.model, experiment.training)
    require_memory(start.model, experiment.training, experiment.pixels.size)
    return start


def assemble(
    dataset: Dataset,
    start: InitialModel,
    fabric: Fabric,
    checkpoints: Checkpoints | None = None,
    progress: Progress = SILENT,
) -> Trainer:
    """Put the parts of a training together."""
    experiment, labels = dataset.experiment, dataset.records.labels
    options = experiment.training
    model = synchronised(start.model.to(fabric.device).to(memory_format=torch.channels_last), fabric)
    average = MovingAverage(model, copy.deepcopy(model), options.ema)
    optimizer = optimizer_for(model.parameter_groups(start.options.backbone_rate), options)
    network, wrapped = fabric.setup(model, optimizer)
    shared = partial(
        Batches,
        dataset.cache,
        labels,
        batch_size=options.batch_size // fabric.world_size,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    validation_rows = dataset.validation_rows
    return Trainer(
        fabric=fabric,
        network=network,
        state=State(model, average, wrapped),
        objective=_objective(dataset, fabric, progress),
        training=shared(draw=dataset.drawn, seed=options.seed, drop_last=True),
        validation=shared(draw=lambda _: validation_rows),
        options=options,
        augmentation=experiment.augmentation,
        checkpoints=checkpoints,
        progress=progress if fabric.is_global_zero else SILENT,
    )


def _objective(dataset: Dataset, fabric: Fabric, progress: Progress) -> Classification:
    """The objective: the labels, and the predictions of a teacher if there is one."""
    experiment, groups = dataset.experiment, dataset.records.groups
    loss = loss_for(dataset.counts(), experiment.training, fabric.device)
    if experiment.distillation.teacher is None:
        return Classification(loss, groups, experiment.training)
    taught = ask_teacher(dataset, experiment.distillation.teacher, progress)
    return Distillation(loss, groups, experiment.training, taught, experiment.distillation)


def _refuse_single_images(model: nn.Module, options: TrainOptions) -> None:
    normalised = any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules())
    if normalised and options.batch_size // options.devices // options.accumulate < 2:
        raise UsageError(
            "`batch_size`: a batch of one image has no statistics for BatchNorm; give each process, and each part of "
            "`accumulate`, two or more"
        )


def _refuse_what_cannot_grow(smallest: int, experiment: Experiment) -> None:
    name, size = experiment.network.model, experiment.pixels.size
    costs = [measure(name, 2, pixels, experiment.resnet) for pixels in (smallest, size)]
    if costs[0] is None or costs[1] is None or costs[0].parameters != costs[1].parameters:
        raise UsageError(
            f"`grow_from={smallest}`: {name} has weights for one size of image, or cannot see so small ones"
        )
