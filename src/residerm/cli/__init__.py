"""The command line. Each command is a file that is imported only when it is called, so that --help is immediate.

Exit codes: 0 success, 1 failure, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM. Errors that a user can cause
are printed to stderr as one line that names the flag or the file, never as a traceback.
"""

from __future__ import annotations

import atexit
import io
import os
import sys
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

import residerm
from residerm.cli.flags import with_flags
from residerm.cli.signals import handle_signals, received
from residerm.errors import ResidermError, printable, system_reason
from residerm.extras import explain_missing

_STOPPED = "stopped; no partial files were left behind"

app = App(
    name="residerm",
    help="Train, evaluate, explain and serve networks for skin-lesion images. Not a medical device.",
    version=residerm.__version__,
    default_parameter=Parameter(negative_bool=(), negative_iterable=()),  # `flags` adds --no-… where it is needed
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
)
# The list of commands shows the first paragraph, the help of a command all of it.
for verb, help_text in {
    "demo": "Run the whole pipeline on synthetic lesions, in a minute or two.\n\nExample: residerm demo --out demo",
    "models": "List networks, ours and timm's, with their size and cost.\n\nExample: residerm models resnext --size 64",
    "train": "Train a model on an archive, in a new run folder.\n\n"
    "Example: residerm train HAM10000 --model resnet50 --size 64 --epochs 20",
    "evaluate": "Evaluate a run on images that it was not trained on, and write its report.\n\n"
    "Example: residerm evaluate runs/20260101-120000-resnet50-ham10000-64px-s0",
    "calibrate": "Fit calibration, prediction sets and thresholds to images from another site.\n\n"
    "Example: residerm calibrate runs/20260101-120000-resnet50-ham10000-64px-s0 --data our-clinic.csv",
    "predict": "Predict the classes of images. Not a diagnosis.\n\n"
    "Example: residerm predict runs/20260101-120000-resnet50-ham10000-64px-s0 photographs --out answers.csv",
    "explain": "Show which pixels are evidence for a class. Not a diagnosis.\n\n"
    "Example: residerm explain runs/20260101-120000-resnet50-ham10000-64px-s0 lesion.jpg --class mel",
    "export": "Export a model for ONNX Runtime or OpenVINO, and compare it with the original.\n\n"
    "Example: residerm export runs/20260101-120000-resnet50-ham10000-64px-s0 --to onnx",
    "serve": "Serve a model over HTTP, with a web page and an API. Not a diagnosis.\n\nExample: residerm serve starter",
    "runs": "List and compare runs.\n\nExample: residerm runs",
    "bench": "Measure the speed of training, inference or the service.\n\n"
    "Example: residerm bench HAM10000 --model resnet50",
}.items():
    app.command(f"residerm.cli.{verb}:{verb}_", name=verb, help=help_text)
app.command(
    "residerm.cli.data:data", name="data", help="List, download, check, describe, split, draw and preview archives."
)
app.command(
    "residerm.cli.theory:theory",
    name="theory",
    help="Check the equations, measure gradients, and repeat the degradation experiment.",
)


def main() -> None:
    """Run the command line and exit with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # characters that the terminal cannot show become question marks
    handle_signals()
    exit_code = run(sys.argv[1:])
    try:
        print(end="", flush=True)
    except OSError:  # reported by `run`; Python would try to flush again at exit, and fail with another message
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    _leave(exit_code)


def run(arguments: list[str]) -> int:
    """Run one command, print its error in one message, and return the exit code."""
    try:
        result = app(arguments, result_action="return_value")
        print(end="", flush=True)  # so that an error in writing is caught here
    except KeyboardInterrupt:
        return _complain(_STOPPED, 130)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich exits like this when a pipe, as to `head`, is closed
            return 0
        raise
    except Exception as error:
        exit_code = received()
        if exit_code is None:
            return _explained(error)
        return _complain(_STOPPED, exit_code) if exit_code == 130 else exit_code
    return result if isinstance(result, int) else 0


def _explained(error: Exception) -> int:
    """Print the message of an error that a user can cause, and return its exit code; raise any other error."""
    if isinstance(error, CycloptsError):
        from residerm.cli.usage import explain_usage

        return _complain(explain_usage(error), 2)
    if isinstance(error, ModuleNotFoundError):
        error = explain_missing(error) or error
    if isinstance(error, ResidermError):
        return _complain(str(error), error.exit_code)
    if isinstance(error, MemoryError):
        return _complain("not enough memory", 1)
    if isinstance(error, OSError):
        return 0 if isinstance(error, BrokenPipeError) else _complain(_system_text(error), 1)
    raise error


def _leave(exit_code: int) -> NoReturn:
    """Exit as multiprocessing does, without tearing down torch's modules, which would take a second."""
    atexit._run_exitfuncs()
    sys.stderr.flush()
    os._exit(exit_code)


def _complain(text: str, exit_code: int) -> int:
    print(f"residerm: {printable(with_flags(text))}", file=sys.stderr)
    return exit_code


def _system_text(error: OSError) -> str:
    """The operating system's error message, after the name of the file, if there is one."""
    about = f"{error.filename}: " if error.filename is not None else ""
    return about + system_reason(error)
