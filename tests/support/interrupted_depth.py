"""`theory depth` interrupted by Ctrl-C after its third epoch, in a separate process.

    python interrupted_depth.py PLAN OUT        the plan as JSON

In the test's own process, the signal could interrupt code of libraries that other tests have imported.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from recorded_progress import RecordedProgress

from residerm.theory.depth import Plan, run_depth


def stop_after_the_third_epoch(finished: int, total: int | None) -> None:
    if (finished, total) == (3, 4):
        os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background a shell has it ignored
    try:
        run_depth(
            Plan.model_validate_json(sys.argv[1]), Path(sys.argv[2]), RecordedProgress(stop_after_the_third_epoch)
        )
    except KeyboardInterrupt:
        print("stopped by Ctrl-C")
