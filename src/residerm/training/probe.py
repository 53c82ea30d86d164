"""Measure the start of a run in its own process: imports, first step, private memory.

    python -m residerm.training.probe < config.yaml

Only the standard library is imported before the clock starts, so that the time of the imports is included. Prints one
line of JSON for `residerm bench`.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from residerm.config import FlatOptions

_SECONDS_BETWEEN_LOOKS = 0.02


class _PrivateMemory(threading.Thread):
    """Watches the peak of this process's private memory (RssAnon: no files, no mapped cache)."""

    peak = 0

    def run(self) -> None:
        status = Path("/proc/self/status")
        while status.exists():
            line = next(
                (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("RssAnon")),
                "RssAnon: 0",
            )
            self.peak = max(self.peak, 1024 * int(line.split()[1]))
            time.sleep(_SECONDS_BETWEEN_LOOKS)


@dataclass(frozen=True)
class Startup:
    """The start of a run and its memory."""

    imports_seconds: float
    first_step_seconds: float
    run_seconds: float
    peak_private_bytes: int


def probe(options: FlatOptions) -> Startup:
    """Train for one epoch in a temporary folder."""
    memory = _PrivateMemory(daemon=True)
    memory.start()
    began = time.perf_counter()
    from residerm.config import Experiment
    from residerm.progress import Progress
    from residerm.training.session import train

    imported = time.perf_counter()
    first: list[float] = []

    class FirstStep(Progress):
        def advance(self, stage: str, *_: object, **__: object) -> None:
            if stage == "training" and not first:
                first.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        train(Experiment.from_flat(options, "the probe"), Path(folder), FirstStep())
    ended = time.perf_counter()
    return Startup(
        imports_seconds=imported - began,
        first_step_seconds=first[0] - imported,
        run_seconds=ended - began,
        peak_private_bytes=memory.peak,
    )


if __name__ == "__main__":
    import yaml

    print(json.dumps(asdict(probe(yaml.safe_load(sys.stdin)))))
