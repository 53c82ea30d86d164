"""Batches: every row once, a reproducible order, and shards of several processes."""

from pathlib import Path

import numpy as np
import pytest
import torch

from residerm.data.loading.batches import Batch, Batches
from residerm.data.loading.cache import Cache

ROWS = 50


@pytest.fixture
def cache() -> Cache:
    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, 8, 8, 3), dtype=np.uint8)
    return Cache(Path(), pixels, {})


def batches(cache: Cache, rows: int = ROWS, **options: object) -> Batches:
    labels = np.arange(ROWS, dtype=np.int16) % 7
    return Batches(cache, labels, lambda _epoch: np.arange(rows), **options)  # type: ignore[arg-type]


def rows_of(given: list[Batch]) -> list[int]:
    return [int(row) for batch in given for row in batch.rows]


def test_batch_has_pixels_and_labels_of_its_rows(cache: Cache) -> None:
    for batch in batches(cache, batch_size=16, seed=1).epoch():
        assert batch.images.dtype == torch.uint8
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert (batch.images.permute(0, 2, 3, 1).numpy() == cache.pixels[batch.rows]).all()
        assert batch.labels.tolist() == [row % 7 for row in batch.rows]


def test_without_a_seed_rows_keep_their_order(cache: Cache) -> None:
    given = list(batches(cache, batch_size=16).epoch())
    assert rows_of(given) == list(range(ROWS))
    assert [len(batch.rows) for batch in given] == [16, 16, 16, 2]


def test_shuffling_is_reproducible_and_differs_by_epoch(cache: Cache) -> None:
    first, second = (rows_of(list(batches(cache, batch_size=16, seed=5).epoch(epoch))) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(ROWS))
    assert first != second
    assert first == rows_of(list(batches(cache, batch_size=16, seed=5).epoch(0)))
    assert first != rows_of(list(batches(cache, batch_size=16, seed=6).epoch(0)))


@pytest.mark.parametrize("step", range(5))
def test_epoch_resumes_at_any_step(cache: Cache, step: int) -> None:
    whole = list(batches(cache, batch_size=16, seed=5).epoch(3))
    assert rows_of(list(batches(cache, batch_size=16, seed=5).epoch(3, start=step))) == rows_of(whole[step:])


def test_drop_last(cache: Cache) -> None:
    dropping = batches(cache, batch_size=16, seed=0, drop_last=True)
    assert dropping.steps() == 3
    assert [len(batch.rows) for batch in dropping.epoch()] == [16, 16, 16]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_the_batches_of_one(cache: Cache, world: int) -> None:
    whole = list(batches(cache, rows=48, batch_size=4 * world, seed=2).epoch(1))
    shares = [
        list(batches(cache, rows=48, batch_size=4, seed=2, rank=rank, world=world).epoch(1)) for rank in range(world)
    ]
    for step, batch in enumerate(whole):
        together = np.concatenate([share[step].rows for share in shares])
        assert (together == batch.rows).all()
        assert [share[step].first for share in shares] == [4 * rank for rank in range(world)]
        assert all(share[step].total == len(batch.rows) for share in shares)


def test_shuffled_processes_get_batches_of_equal_size(cache: Cache) -> None:
    shares = [list(batches(cache, batch_size=16, seed=2, rank=rank, world=3).epoch()) for rank in range(3)]
    for step in range(len(shares[0])):
        assert len({len(share[step].rows) for share in shares}) == 1
    assert set(rows_of([batch for share in shares for batch in share])) == set(range(ROWS))


def test_sequential_processes_cover_each_row_once(cache: Cache) -> None:
    shares = [list(batches(cache, batch_size=16, rank=rank, world=3).epoch()) for rank in range(3)]
    assert sorted(rows_of([batch for share in shares for batch in share])) == list(range(ROWS))


def test_rows_can_be_resampled_every_epoch(cache: Cache) -> None:
    drawn = Batches(cache, np.zeros(ROWS), lambda epoch: np.arange(10) + epoch, batch_size=4, seed=0)
    assert sorted(rows_of(list(drawn.epoch(7)))) == list(range(7, 17))
