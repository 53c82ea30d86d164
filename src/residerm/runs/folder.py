"""The run folder, which holds the results of one training and is readable without torch.

    runs/<yyyymmdd-hhmmss>-<model>-<archive>-<size>px-s<seed>/
        config.yaml        all options in effect; can be given to `--config` unchanged
        environment.json   versions, hardware, command
        data.json          counts in and out, hash of the split, class mapping, licence
        splits.csv         the part of each image
        contents.csv       size and CRC-32 of each image file
        metrics.csv        a row for each finished epoch
        checkpoints/       last.ckpt, best.ckpt
        bundle/            the selected model, with its description
        summary.json       the result; written last

A folder is created together with its first files, and only one process at a time may write to it.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from filelock import FileLock, Timeout

from residerm.config import Experiment, FlatOptions
from residerm.config.options_file import MOST_BYTES, parse_options
from residerm.description import ModelDescription
from residerm.errors import ResidermError, UsageError, system_reason
from residerm.files import new_file, new_folder, read_regular
from residerm.runs.contents import CONTENTS, Content, read_contents
from residerm.runs.documents import DAMAGED_RUN, DataDescription, Environment, Summary
from residerm.runs.evaluations import EVALUATIONS
from residerm.runs.metrics import Epoch, metrics_bytes, read_metrics
from residerm.runs.splits import SplitRow, read_splits

_FIRST_FILES = ("config.yaml", "environment.json", "data.json", "splits.csv")


class RunError(ResidermError):
    """A run folder is in use or damaged, or a folder is not a run."""


@dataclass(frozen=True)
class Run:
    """A run folder."""

    folder: Path

    @property
    def last(self) -> Path:
        """The checkpoint from which training is resumed."""
        return self.folder / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The selected checkpoint."""
        return self.folder / "checkpoints" / "best.ckpt"

    @property
    def bundle(self) -> Path:
        """The bundle of the selected model."""
        return self.folder / "bundle"

    @property
    def summary(self) -> Summary | None:
        """The result of the run; None until it is finished."""
        path = self.folder / "summary.json"
        return Summary.read(path) if path.exists() else None

    @property
    def data(self) -> DataDescription:
        """The description of the archive and its split."""
        return DataDescription.read(self.folder / "data.json")

    @property
    def experiment(self) -> Experiment:
        """All options in effect."""
        path = self.folder / "config.yaml"
        try:
            return Experiment.from_flat(read_options(path, str(path)), str(path))
        except UsageError as error:
            raise RunError(f"{error}: {DAMAGED_RUN}") from error

    @property
    def environment(self) -> Environment:
        """Command, versions and machine."""
        return Environment.read(self.folder / "environment.json")

    @property
    def model(self) -> ModelDescription:
        """The description of the selected model."""
        return ModelDescription.read(self.bundle / "model.json")

    @property
    def splits(self) -> list[SplitRow]:
        """The part of each image."""
        return read_splits(self.folder / "splits.csv")

    @property
    def contents(self) -> dict[str, Content] | None:
        """Size and CRC-32 of each image file; None for runs of older versions."""
        return read_contents(self.folder / CONTENTS)

    @property
    def epochs(self) -> list[Epoch]:
        """The finished epochs."""
        return read_metrics(self.folder / "metrics.csv")

    @property
    def evaluations(self) -> Path:
        """The folder of its evaluations."""
        return self.folder / EVALUATIONS

    def write_summary(self, summary: Summary) -> None:
        """Write the result, which is the last file of a run."""
        summary.write(self.folder / "summary.json", replace=True)

    def write_epochs(self, epochs: Sequence[Epoch]) -> None:
        """Write or replace metrics.csv as a whole, so that it never holds an epoch that a resumed run will repeat."""
        with new_file(self.folder / "metrics.csv", replace=True) as partial:
            partial.write_bytes(metrics_bytes(epochs))

    def write_config(self, experiment: Experiment) -> None:
        """Replace config.yaml, when a training is resumed with new limits."""
        with new_file(self.folder / "config.yaml", replace=True) as partial:
            partial.write_bytes(config_bytes(experiment))

    def sweep(self) -> None:
        """Remove partial files that a killed process has left; call it inside `in_use`."""
        for remains in (*self.folder.glob(".*.partial"), *self.last.parent.glob(".*.partial")):
            shutil.rmtree(remains) if remains.is_dir() else remains.unlink()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Hold the lock of this run, so that no other process writes to it."""
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(f"{self.folder} is being trained by another process: wait for it, or stop it") from None
        try:
            yield
        finally:
            lock.release()


def create_run(parent: Path, name: str, files: Mapping[str, bytes]) -> Run:
    """Create a run folder with its first files; the second run of the same second gets a number."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1, 100):
        folder = parent / (f"{stamp}-{name}" if number == 1 else f"{stamp}-{name}-{number}")
        if folder.exists():
            continue
        with new_folder(folder) as partial:
            for file, content in files.items():
                (partial / file).write_bytes(content)
            (partial / "checkpoints").mkdir()
        return Run(folder)
    raise RunError(f"{parent} already has a hundred runs of this second: choose another folder with `runs`")


def config_bytes(experiment: Experiment) -> bytes:
    """Format an experiment as flat YAML, with the absolute path of its archive."""
    absolute = experiment.model_copy(update={"path": experiment.path.absolute()})
    return yaml.safe_dump(absolute.flat(), sort_keys=False).encode()


def open_run(path: Path) -> Run:
    """Open the run at a path; an error if it is not a run, or damaged."""
    if not path.is_dir():
        raise UsageError(f"{path} is not a run folder: `residerm runs` lists them")
    missing = [name for name in _FIRST_FILES if not (path / name).is_file()]
    if missing:
        raise RunError(f"{path} is not a run, or damaged: {', '.join(missing)} missing; `residerm runs` lists the runs")
    return Run(path)


def is_run(path: Path) -> bool:
    """Whether a path is the folder of a run, which may be damaged, rather than of a bundle."""
    return any((path / name).is_file() for name in _FIRST_FILES)


def find_runs(parent: Path) -> list[Run]:
    """The runs in a folder, oldest first."""
    if not parent.is_dir():
        raise UsageError(f"{parent} is not a folder: give the folder with the runs of `residerm train`")
    return [Run(path) for path in sorted(parent.iterdir()) if (path / "config.yaml").is_file()]


def read_options(path: Path, source: str) -> FlatOptions:
    """Read the options in a YAML file, which error messages call `source`."""
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{source}: {system_reason(error)}") from error
    return parse_options(content, source)
