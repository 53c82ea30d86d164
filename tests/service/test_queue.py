"""The queue and its limits: batches, deadlines, cancellation, draining; 503 and 429."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode

from residerm.service.limits import Limits
from residerm.service.problems import Problem
from residerm.service.queue import BatchQueue, Ended, Late

PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")
FAR = 1e9


def run_queue(test: Callable[[BatchQueue[int, int], list[list[int]]], Awaitable[None]], **options) -> None:
    batches: list[list[int]] = []

    def work(items: Sequence[int], _: bool) -> list[int]:
        batches.append(list(items))
        time.sleep(0.02)
        if 13 in items:
            raise ValueError("13")
        return [item * 2 for item in items]

    async def run() -> None:
        queue: BatchQueue[int, int] = BatchQueue(work, **{"batch_size": 4} | options)
        queue.start()
        await test(queue, batches)
        await queue.drain()

    asyncio.run(run())


def test_waiting_items_are_batched() -> None:
    async def test(queue: BatchQueue[int, int], batches: list[list[int]]) -> None:
        assert await asyncio.gather(*(queue.submit(item, FAR) for item in range(10))) == [i * 2 for i in range(10)]
        assert sum(map(len, batches)) == 10
        assert max(map(len, batches)) == 4

    run_queue(test)


def test_single_item_does_not_wait() -> None:
    async def test(queue: BatchQueue[int, int], _: list[list[int]]) -> None:
        started = time.monotonic()
        await queue.submit(1, FAR)
        assert time.monotonic() - started < 1

    run_queue(test)


def run_threads(items: int) -> list[tuple[list[int], bool]]:
    """The batches of two threads, and whether each was the only one, for items that are waiting at the start."""
    batches: list[tuple[list[int], bool]] = []
    both = threading.Barrier(2)

    def work(some: Sequence[int], alone: bool) -> Sequence[int]:
        batches.append((list(some), alone))
        if not alone:
            both.wait(5)
        return some

    async def run() -> list[int]:
        queue: BatchQueue[int, int] = BatchQueue(work, batch_size=4, threads=2)
        queue._loop = asyncio.get_running_loop()
        futures = [queue.submit(item, FAR) for item in range(items)]
        queue.start()
        found = await asyncio.gather(*futures)
        await queue.drain()
        return found

    assert asyncio.run(run()) == list(range(items))
    return batches


def test_threads_share_what_is_waiting() -> None:
    assert sorted(run_threads(6)) == [([0, 1, 2], False), ([3, 4, 5], False)]


def test_single_item_has_all_cores() -> None:
    assert run_threads(1) == [([0], True)]


def test_stuck_thread_is_noticed_while_another_one_works() -> None:
    go_on = threading.Event()

    def work(items: Sequence[int], _: bool) -> Sequence[int]:
        if 0 in items:
            go_on.wait(5)
        return items

    async def run() -> None:
        queue: BatchQueue[int, int] = BatchQueue(work, batch_size=1, threads=2)
        queue.start()
        stuck = queue.submit(0, FAR)
        await asyncio.sleep(0.05)
        assert await queue.submit(1, FAR) == 1
        assert queue.is_well(1)
        assert not queue.is_well(0.01)
        go_on.set()
        await stuck
        assert queue.is_well(0.01)
        await queue.drain()

    asyncio.run(run())


def test_error_fails_only_its_batch() -> None:
    async def test(queue: BatchQueue[int, int], _: list[list[int]]) -> None:
        with pytest.raises(ValueError, match="13"):
            await queue.submit(13, FAR)
        assert await queue.submit(1, FAR) == 2
        assert queue.is_well(1)

    run_queue(test)


def test_cancelled_and_late_items_are_not_run() -> None:
    async def test(queue: BatchQueue[int, int], batches: list[list[int]]) -> None:
        first = queue.submit(1, FAR)
        await asyncio.sleep(0.005)
        gone, late = queue.submit(2, FAR), queue.submit(3, time.monotonic())
        gone.cancel()
        with pytest.raises(Late):
            await late
        assert await first == 2
        assert [2] not in batches
        assert [3] not in batches

    run_queue(test)


def test_drain_finishes_accepted_items_and_refuses_others() -> None:
    async def test(queue: BatchQueue[int, int], _: list[list[int]]) -> None:
        futures = [queue.submit(item, FAR) for item in range(9)]
        await queue.drain()
        assert await asyncio.gather(*futures) == [item * 2 for item in range(9)]
        with pytest.raises(Ended):
            queue.submit(1, FAR)

    run_queue(test)


def statuses(requests: int, predictor: colour_service.ColourPredictor, **options) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        async with colour_service.open_client(colour_service.make_app(predictor, **options)) as client:
            return await asyncio.gather(*(client.post("/v1/predict", content=PHOTO) for _ in range(requests)))

    return asyncio.run(run())


def test_full_queue_gives_503_with_retry_after() -> None:
    predictor = colour_service.ColourPredictor(before=colour_service.delay(0.1))
    replies = statuses(12, predictor, queue=4, client_requests=100)
    assert sorted({reply.status_code for reply in replies}) == [200, 503]
    assert sum(reply.status_code == 200 for reply in replies) == 4
    busy = next(reply for reply in replies if reply.status_code == 503)
    assert int(busy.headers["retry-after"]) >= 1
    assert busy.json()["type"] == "urn:residerm:problem:busy"


def test_too_many_requests_of_one_client_give_429() -> None:
    predictor = colour_service.ColourPredictor(before=colour_service.delay(0.1))
    replies = statuses(8, predictor, client_requests=2)
    assert sorted(reply.status_code for reply in replies) == [200] * 2 + [429] * 6
    assert "retry-after" in replies[-1].headers


def test_queue_is_bounded_by_waiting_images() -> None:
    limits = Limits(queue=2, client_requests=1, max_bytes=10, deadline=10)
    with limits.room(16), pytest.raises(Problem, match="16 images are waiting"):
        limits.require_room()
    limits.require_room()


def test_requests_that_would_miss_their_deadline_are_refused() -> None:
    limits = Limits(queue=100, client_requests=1, max_bytes=10, deadline=10)
    limits.seconds_per_image = 3
    with limits.room(3):
        limits.require_room()
    with limits.room(4), pytest.raises(Problem, match="4 images are waiting") as refused:
        limits.require_room()
    assert refused.value.retry_after == 12


def test_error_of_a_single_item() -> None:
    async def run() -> list[object]:
        queue: BatchQueue[int, int] = BatchQueue(
            lambda items, _: [KeyError(one) if one else one for one in items], batch_size=4
        )
        queue.start()
        found = await asyncio.gather(queue.submit(0, FAR), queue.submit(1, FAR), return_exceptions=True)
        await queue.drain()
        return found

    fine, wrong = asyncio.run(run())
    assert fine == 0
    assert isinstance(wrong, KeyError)


def test_missed_deadline_gives_503() -> None:
    predictor = colour_service.ColourPredictor(threads=1, before=colour_service.delay(0.2))
    replies = statuses(4, predictor, batch_size=1, deadline=0.25)
    assert {reply.status_code for reply in replies} == {200, 503}
    assert any("past its deadline" in reply.text for reply in replies)


def test_slow_upload_gives_408() -> None:
    async def drip():
        for byte in PHOTO[:20]:
            yield bytes([byte])
            await asyncio.sleep(0.05)

    async def run() -> httpx.Response:
        async with colour_service.open_client(colour_service.make_app(upload_seconds=0.2)) as client:
            return await client.post("/v1/predict", content=drip())

    reply = asyncio.run(run())
    assert reply.status_code == 408
    assert "0.2 seconds" in reply.json()["detail"]


def test_total_size_of_bodies_is_bounded() -> None:
    limits = Limits(queue=1, client_requests=1, max_bytes=50_000_000, deadline=10)
    with limits.body() as one, limits.body() as other, limits.body() as third:
        one.grow(50_000_000)
        other.grow(50_000_000)
        with pytest.raises(Problem, match="too many concurrent uploads"):
            third.grow(1)
    assert limits.bytes == 0


def test_counts_return_to_zero() -> None:
    limits = Limits(queue=2, client_requests=1, max_bytes=10, deadline=10)
    with pytest.raises(Problem), limits.client("a"), limits.body() as body, limits.room(2):
        body.grow(11)
    assert (limits.images, limits.bytes, dict(limits._requests)) == (0, 0, {})
