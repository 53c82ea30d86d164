"""Answer requests: read the upload, decode it, queue it, and return the findings.

Every step is bounded by `limits`; work past its deadline, or of a client that has disconnected, is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request

from residerm.config import ServeOptions
from residerm.errors import ImageError, nearest
from residerm.parallel import cores
from residerm.service import replies
from residerm.service.answers import Answers, ImageAnswer, Refusal
from residerm.service.findings import Finder, ImageResult, Question
from residerm.service.identity import Served
from residerm.service.limits import Limits
from residerm.service.metrics import Metrics
from residerm.service.problems import Problem
from residerm.service.queue import BatchQueue, Ended, Late
from residerm.service.uploads import Upload, UploadLimits, read_uploads

DECODED_WITH_ITS_BATCH = 1_000_000  # bytes; larger files are decoded before they are queued
_GONE = "the client has gone"
_STUCK_SECONDS = 30.0
_T = TypeVar("_T")


@dataclass(frozen=True)
class Explain:
    """A request for explanations: for the class `label`, or for the predicted one."""

    label: str | None = None


class Worker:
    """A model behind a queue, with its limits and metrics."""

    def __init__(self, model: Served, options: ServeOptions, metrics: Metrics) -> None:
        """Nothing runs before `start`."""
        self.model, self.options, self.metrics = model, options, metrics
        max_bytes = int(options.max_megabytes * 1e6)
        self.limits = Limits(
            queue=options.queue,
            client_requests=options.client_requests,
            max_bytes=max_bytes,
            deadline=options.deadline,
        )
        self._upload = UploadLimits(max_bytes, options.max_files, options.upload_seconds)
        self._finder = Finder(
            model.predictor, int(options.max_megapixels * 1e6), lambda seconds: metrics.stage("decode", seconds)
        )
        self._queue: BatchQueue[Question, ImageResult] = BatchQueue(
            self._finder,
            batch_size=options.batch_size,
            threads=model.predictor.threads,
            observe=self._observe,
        )
        self._decoders = ThreadPoolExecutor(cores(), thread_name_prefix="large")
        self._ending = False
        metrics.watch(queue=lambda: self.limits.images, ready=self.is_ready)

    async def start(self) -> None:
        """Start the queue, and run the model once to warm it up."""
        self._queue.start()
        size = self.model.predictor.description.pixels.size
        blank = Question(np.full((size, size, 3), 128, np.uint8))
        await self._queue.submit(blank, time.monotonic() + _STUCK_SECONDS)

    async def end(self) -> None:
        """Finish the accepted requests, and stop."""
        self._ending = True
        await self._queue.drain()
        self._decoders.shutdown(cancel_futures=True)

    def is_alive(self) -> bool:
        """Whether the model's threads run and are not stuck."""
        return self._queue.is_well(_STUCK_SECONDS)

    def is_ready(self) -> bool:
        """Whether requests are accepted."""
        return not self._ending and self.is_alive()

    async def answer(self, request: Request, explain: Explain | None = None) -> Answers:
        """The answer to a request with images."""
        if explain:
            self._require_explainable(explain)
        client = request.client.host if request.client else ""
        with self.limits.client(client), self.limits.body() as body:
            try:
                uploads = await read_uploads(request.stream(), request.headers, self._upload, body)
            except ClientDisconnect:
                raise Gone from None
            with self.limits.room(len(uploads)):
                found = await _unless_gone(request, self._find(uploads, explain))
        return self._reply(request, uploads, found, explain)

    async def _find(self, uploads: Sequence[Upload], explain: Explain | None) -> list[ImageResult | Problem]:
        if len(uploads) == 1:
            return [await self._find_one(uploads[0], explain)]
        return await asyncio.gather(*(self._find_one(upload, explain) for upload in uploads))

    async def _find_one(self, upload: Upload, explain: Explain | None) -> ImageResult | Problem:
        """The finding for an image; a problem if it cannot be read."""
        started = time.monotonic()
        try:
            question = Question(await self._file_or_pixels(upload), explain is not None)
            finding = await self._queue.submit(question, started + self.options.deadline)
        except ImageError as error:
            return Problem("unreadable", f"{upload.name}: {error}")
        except Late:
            raise Problem("busy", "the request waited past its deadline; try again later", retry_after=1) from None
        except Ended:
            raise Problem("ending", "the service is shutting down; try again later", retry_after=5) from None
        self.metrics.stage("wait", time.monotonic() - started)
        self.metrics.found(finding)
        return finding

    async def _file_or_pixels(self, upload: Upload) -> bytes | np.ndarray:
        """A small file itself, to be decoded with its batch; a large one decoded, so that no batch waits for it."""
        data = bytes(upload.data)
        if len(data) <= DECODED_WITH_ITS_BATCH:
            return data
        return await asyncio.get_running_loop().run_in_executor(self._decoders, self._finder.decode, data)

    def _reply(
        self,
        request: Request,
        uploads: Sequence[Upload],
        found: Sequence[ImageResult | Problem],
        explain: Explain | None,
    ) -> Answers:
        problems = [one for one in found if isinstance(one, Problem)]
        if len(problems) == len(found):
            raise problems[0]
        request_id = request.scope["state"]["request_id"]
        images: list[ImageAnswer | Refusal] = [
            Refusal(name=upload.name, problem=one.details(request_id))
            if isinstance(one, Problem)
            else replies.image_answer(self.model, upload.name, one, explain.label if explain else None)
            for upload, one in zip(uploads, found, strict=True)
        ]
        return Answers(
            request_id=request_id,
            model=self.model.identity,
            disclaimer=self.model.predictor.description.disclaimer,
            warnings=list(self.model.warnings),
            images=images,
        )

    def _require_explainable(self, explain: Explain) -> None:
        if self.model.predictor.classifier is None:
            raise Problem(
                "not-explainable", "this model has no linear layer after global average pooling; use /v1/predict"
            )
        classes = self.model.classes
        if explain.label is not None and explain.label not in classes:
            hint = nearest(explain.label, classes)
            raise Problem("invalid", f"class: this model's classes are {', '.join(classes)}.{hint}")

    def _observe(self, images: int, seconds: float) -> None:
        self.metrics.batch(images, seconds)
        per_image = seconds / images / self.model.predictor.threads
        self.limits.seconds_per_image += 0.1 * (per_image - self.limits.seconds_per_image)


class Gone(Exception):
    """The client has disconnected."""


async def _unless_gone(request: Request, work: Awaitable[_T]) -> _T:
    """The result of `work`, which is cancelled if the client disconnects."""
    task = asyncio.current_task()
    assert task is not None, "requests are answered in tasks"
    over = False

    def end(watch: asyncio.Future[None]) -> None:
        if not (over or watch.cancelled()):
            task.cancel(_GONE)

    watch = asyncio.ensure_future(_disconnected(request.receive))
    watch.add_done_callback(end)
    try:
        return await work
    except asyncio.CancelledError as error:
        if error.args != (_GONE,):
            raise
        task.uncancel()
        raise Gone from None
    finally:
        over = True
        watch.cancel()


async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
