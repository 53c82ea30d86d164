"""Write the rows of metrics.csv as curves for TensorBoard, with `--tensorboard`: tensorboard --logdir RUNS"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from typing_extensions import override

from residerm.errors import UsageError
from residerm.progress import Progress, Relay, Row
from residerm.training.loop import Trainer


def require_tensorboard() -> None:
    """Raise `UsageError` if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise UsageError("`tensorboard` requires a package that is not installed: pip install tensorboard")


class _Curves(Relay):
    """Writes each finished epoch to TensorBoard, and forwards all progress."""

    def __init__(self, target: Progress, draw: Callable[[dict[str, float], int], None]) -> None:
        super().__init__(target)
        self._draw = draw

    @override
    def epoch(self, row: Row, epochs: int) -> None:
        values = {name: value for name, value in row.items() if name != "epoch" and value is not None}
        self._draw(values, int(row["epoch"] or 0))
        super().epoch(row, epochs)


@contextmanager
def drawing_curves(trainer: Trainer, folder: Path, wanted: bool) -> Iterator[None]:
    """Write each finished epoch in the first process; curves of epochs that will be repeated are removed."""
    if not (wanted and trainer.fabric.is_global_zero):
        yield
        return
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    first = trainer.state.epoch + 1
    logger = TensorBoardLogger(folder, name="tensorboard", version="", purge_step=first)
    target = trainer.progress
    trainer.progress = _Curves(target, logger.log_metrics)
    try:
        yield
    finally:
        trainer.progress = target
        logger.finalize("finished")
