"""Batches for training and evaluation, read directly from the memory-mapped cache without worker processes.

The order of an epoch depends only on the seed and the epoch, so that training can be resumed at any step. Several
processes share each global batch: process `rank` of `world` takes its slice, so that two processes with batches of 32
see the same as one with batches of 64. Shuffled batches have the same length in all processes (the last batch is padded
from the start of the order if necessary); sequential ones contain each row once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from residerm.data.loading.cache import Cache

Draw = Callable[[int], np.ndarray]  # epoch → the rows of that epoch


class Batch(NamedTuple):
    """Images, labels, and their position in the global batch."""

    images: torch.Tensor  # (n, 3, size, size) uint8, channels last
    labels: torch.Tensor  # (n,) int64
    rows: np.ndarray  # (n,) the records
    first: int  # position of the first image in the global batch
    total: int  # size of the global batch


@dataclass(frozen=True)
class Batches:
    """The batches of rows of a cache. `draw` returns the rows of an epoch; without a seed, they are not shuffled."""

    cache: Cache
    labels: np.ndarray
    draw: Draw
    batch_size: int  # in each process
    seed: int | None = None
    rank: int = 0
    world: int = 1
    drop_last: bool = False

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch in global order."""
        rows = self.draw(epoch)
        if self.seed is None:
            return rows
        return rows[np.random.default_rng([self.seed, epoch]).permutation(len(rows))]

    def steps(self, epoch: int = 0) -> int:
        """Number of global batches in an epoch."""
        whole, left = divmod(len(self.draw(epoch)), self.batch_size * self.world)
        return whole + (left > 0 and not self.drop_last)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from step `start`."""
        order = self.order(epoch)
        span = self.batch_size * self.world
        for step in range(start, self.steps(epoch)):
            rows = order[step * span : (step + 1) * span]
            yield self._share(rows if self.seed is None else self._filled(rows, order))

    def _filled(self, rows: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Pad a last batch that cannot be shared evenly, from the start of the order."""
        missing = -len(rows) % self.world
        return np.concatenate([rows, np.resize(order, missing)]) if missing else rows

    def _share(self, rows: np.ndarray) -> Batch:
        """This process's slice of a global batch."""
        bounds = np.linspace(0, len(rows), self.world + 1).round().astype(int)
        first, last = int(bounds[self.rank]), int(bounds[self.rank + 1])
        mine = rows[first:last]
        images = torch.from_numpy(self.cache.pixels[mine]).permute(0, 3, 1, 2)
        return Batch(images, torch.from_numpy(self.labels[mine].astype(np.int64)), mine, first, len(rows))
