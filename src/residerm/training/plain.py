"""A plain training loop for comparison in `residerm bench`: ImageFolder, DataLoader with two workers, float32.

It reads the same JPEGs, trains the same network, and augments each image with torchvision's transforms of the same
strengths.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from residerm.config import AugmentOptions, Experiment
from residerm.data.archives.records import Records
from residerm.models.model import IMAGENET_DEVIATION, IMAGENET_MEAN, Model
from residerm.training.hardware import wait_for

_WORKERS = 2


def unpack(records: Records, rows: np.ndarray, folder: Path) -> None:
    """Write the image files of some rows for ImageFolder, in a folder for each class."""
    for row in rows:
        path = folder / f"{records.labels[row]:03d}" / f"{records.image_id(row)}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(records.read(row))


class PlainLoop:
    """The plain training loop, run for some steps at a time."""

    def __init__(self, folder: Path, experiment: Experiment, model: Model, device: torch.device) -> None:
        """Train the model's network on the images in a folder for each class."""
        from torch.utils.data import DataLoader
        from torchvision.datasets import ImageFolder

        options = experiment.training
        self._device, self._network = device, model.network.to(device).train()
        self._optimizer = torch.optim.AdamW(
            self._network.parameters(), lr=options.rate, weight_decay=options.weight_decay
        )
        images = ImageFolder(str(folder), _transforms(experiment.augmentation, experiment.pixels.size))
        self._loader = DataLoader(
            images,
            batch_size=options.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=_WORKERS,
            pin_memory=device.type == "cuda",
        )

    def stretch(self, steps: int, warm_up: int) -> float:
        """Images per second over `steps` steps, after `warm_up` steps that use up the prefetched batches."""
        batches = self._endless()
        for _ in range(warm_up):
            self._step(*next(batches))
        wait_for(self._device)
        began, seen = time.perf_counter(), 0
        for _ in range(steps):
            images, labels = next(batches)
            self._step(images, labels)
            seen += len(images)
        wait_for(self._device)
        return seen / (time.perf_counter() - began)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            yield from self._loader

    def _step(self, images: Tensor, labels: Tensor) -> None:
        images, labels = images.to(self._device), labels.to(self._device)
        self._optimizer.zero_grad()
        loss = F.cross_entropy(self._network(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        loss.item()


def _transforms(options: AugmentOptions, size: int) -> Callable[[Any], Tensor]:
    """The same operations and strengths as data/augment.py's, image by image."""
    from torchvision import transforms

    steps = [transforms.Resize((size, size))]
    if options.augment:
        steps += [
            transforms.RandomHorizontalFlip(options.flip),
            transforms.RandomVerticalFlip(options.flip),
            transforms.RandomAffine(
                options.rotation,
                translate=(options.shift, options.shift),
                scale=(1 / (1 + options.scale), 1 + options.scale),
                interpolation=transforms.InterpolationMode.BILINEAR,
            ),
            transforms.ColorJitter(options.brightness, options.contrast, options.saturation, options.hue),
        ]
    steps += [transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_DEVIATION)]
    if options.augment:
        steps.append(transforms.RandomErasing(options.erasing, scale=(0.02, 0.1), ratio=(0.5, 2.0)))
    composed: Callable[[Any], Tensor] = transforms.Compose(steps)
    return composed
