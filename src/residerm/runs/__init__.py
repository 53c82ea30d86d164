"""The run folder: everything that one training leaves behind, readable without torch."""

from residerm.runs.folder import (
    Run,
    RunError,
    create_run,
    environment,
    list_runs,
    open_run,
    read_experiment,
    read_options,
)

__all__ = [
    "Run",
    "RunError",
    "create_run",
    "environment",
    "list_runs",
    "open_run",
    "read_experiment",
    "read_options",
]
