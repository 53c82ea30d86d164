"""The rows of metrics.csv as curves for TensorBoard, where `--tensorboard` asks for them: tensorboard --logdir RUNS"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from residerm.errors import UsageError
from residerm.runs import Run


def require_tensorboard() -> None:
    """Refuse before anything is trained."""
    if find_spec("tensorboard") is None:
        raise UsageError("--tensorboard needs a package that is not installed: pip install tensorboard")


@contextmanager
def curves(run: Run, finished_epochs: int) -> Iterator[Callable[[Any], None]]:
    """What draws each finished epoch; what an earlier sitting drew of later epochs is withdrawn."""
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(run.folder, name="tensorboard", version="", purge_step=finished_epochs + 1)

    def draw(news: Any) -> None:
        if isinstance(news, dict):
            logger.log_metrics({name: value for name, value in news.items() if name != "epoch"}, step=news["epoch"])

    try:
        yield draw
    finally:
        logger.finalize("finished")
