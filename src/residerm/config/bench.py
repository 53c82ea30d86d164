"""Options of `residerm bench`, for training, for inference in each runtime, and for the service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from residerm.config.base import Options

Count = Annotated[int, Field(ge=1)]


class BenchOptions(Options):
    """How long the speed of training is measured, and what it is compared with."""

    rounds: int = Field(5, ge=1, description="Number of rounds; each measures everything once. Medians are shown.")
    steps: int = Field(20, ge=1, description="Training steps per measurement.")
    minutes: float | None = Field(None, gt=0, description="Start no new round after this many minutes.")
    plain: bool = Field(
        True,
        description="Also measure a plain training loop, for which the training images are unpacked to a temporary "
        "folder.",
    )
    startup: bool = Field(
        True, description="Also measure the start-up time and memory of a run of one epoch, in a separate process."
    )


class InferenceBenchOptions(Options):
    """The image sizes and batch sizes at which networks are measured in each runtime."""

    sizes: tuple[Count, ...] | None = Field(
        None,
        min_length=1,
        description="Image sizes, in pixels. Default: 64, 128 and 224 for the name of a network; for a run or a "
        "bundle, its own.",
    )
    batches: tuple[Count, ...] = Field((1, 32), min_length=1, description="Batch sizes.")
    threads: int | None = Field(None, ge=1, description="Number of threads of each runtime. Default: one per core.")


class ServiceBenchOptions(Options):
    """How long the service is measured under load."""

    seconds: int = Field(120, ge=1, description="Duration of the overload, in seconds.")
    requests: int = Field(100_000, ge=1, description="Number of malformed requests.")
