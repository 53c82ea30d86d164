"""Options of `residerm bench`: of training, of inference in each runtime, and of the service."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from residerm.config.base import Options

Count = Annotated[int, Field(ge=1)]


class BenchOptions(Options):
    """How long training is measured, and against what."""

    rounds: int = Field(5, ge=1, description="Rounds in which each is measured once; their medians are shown.")
    steps: int = Field(20, ge=1, description="Training steps in a measurement.")
    minutes: float | None = Field(None, gt=0, description="Start no further round after this many minutes.")
    plain: bool = Field(
        True, description="Measure a plain loop too; it unpacks the training images into a temporary folder."
    )
    startup: bool = Field(
        True, description="Measure the start and the private memory of a run of one epoch, in its own process."
    )


class InferenceBenchOptions(Options):
    """The images with which networks are measured in each runtime."""

    sizes: tuple[Count, ...] = Field(
        (64, 128, 224), min_length=1, description="With a name of a network: sides of the images, in pixels."
    )
    batches: tuple[Count, ...] = Field((1, 32), min_length=1, description="Numbers of images in a batch.")
    threads: int | None = Field(None, ge=1, description="Threads of every runtime. Default: one for each core.")


class ServiceBenchOptions(Options):
    """How long the service is measured under load."""

    seconds: int = Field(120, ge=1, description="Seconds of overload.")
    requests: int = Field(100_000, ge=1, description="Number of malformed requests.")
