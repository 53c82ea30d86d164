"""A `theory depth` that Ctrl-C stops after its third epoch, in a process of its own.

    python stopping.py PLAN OUT        the plan as JSON

A signal that a test sends to its own process meets whatever other tests have loaded there.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hearing import Heard

from residerm.theory.depth import Plan, run_depth


def stop_after_the_third_epoch(finished: int, total: int | None) -> None:
    if (finished, total) == (3, 4):
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    try:
        run_depth(Plan.model_validate_json(sys.argv[1]), Path(sys.argv[2]), Heard(stop_after_the_third_epoch))
    except KeyboardInterrupt:
        print("stopped by Ctrl-C")
