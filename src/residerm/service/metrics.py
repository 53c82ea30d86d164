"""Prometheus metrics of one worker: latencies, the queue, abstentions and outliers.

Each worker has its own; the label `worker` (its process id) distinguishes them when several share a port.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from residerm.service.findings import ImageResult

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of /metrics."""

    def __init__(self, model: str, sha256: str, version: str) -> None:
        """Create the metrics, with the name, hash and version of the model."""
        self._registry = registry = CollectorRegistry()
        worker = str(os.getpid())
        self._requests = Counter(
            "residerm_requests", "Requests by route and status.", ["route", "status", "worker"], registry=registry
        )
        self._latency = Histogram(
            "residerm_request_seconds", "Seconds of a request.", ["route"], buckets=_SECONDS, registry=registry
        )
        self._stages = Histogram(
            "residerm_stage_seconds",
            "Seconds of an image in each stage: decode, wait (queue and model), model (of its batch).",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._batches = Histogram("residerm_batch_images", "Images in a batch.", buckets=_IMAGES, registry=registry)
        self._images = Counter("residerm_images", "Images answered.", registry=registry)
        self._abstained = Counter("residerm_abstentions", "Images for which the model abstained.", registry=registry)
        self._outliers = Counter("residerm_outliers", "Images unlike the training images.", registry=registry)
        self._problems = Counter("residerm_problems", "Problems by kind.", ["kind"], registry=registry)
        self._queue = Gauge("residerm_queue_images", "Images accepted and not yet answered.", registry=registry)
        self._ready = Gauge("residerm_ready", "Whether the worker is ready.", registry=registry)
        build = Gauge("residerm_model", "The model.", ["model", "sha256", "version", "python"], registry=registry)
        build.labels(model, sha256, version, platform.python_version()).set(1)
        self._of_request = cache(  # finding them by their labels is slower than counting
            lambda route, status: (self._requests.labels(route, str(status), worker), self._latency.labels(route))
        )

    def watch(self, *, queue: Callable[[], float], ready: Callable[[], bool]) -> None:
        """Read the length of the queue and the readiness at each scrape."""
        self._queue.set_function(queue)
        self._ready.set_function(lambda: float(ready()))

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        count, latency = self._of_request(route, status)
        count.inc()
        latency.observe(seconds)

    def problem(self, kind: str) -> None:
        """Count a problem."""
        self._problems.labels(kind).inc()

    def stage(self, name: str, seconds: float) -> None:
        """Record the seconds of a stage."""
        self._stages.labels(name).observe(seconds)

    def batch(self, images: int, seconds: float) -> None:
        """Record the size and seconds of a batch."""
        self._batches.observe(images)
        self._stages.labels("model").observe(seconds)

    def found(self, finding: ImageResult) -> None:
        """Count the finding for an image."""
        self._images.inc()
        self._abstained.inc(finding.abstained)
        self._outliers.inc(bool(finding.outlier))

    def text(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self._registry)
