"""All commands: exit codes, one line for each error, and interruptions without partial files."""

from __future__ import annotations

import errno
import importlib
import inspect
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import pytest
from cyclopts import Parameter
from pydantic import model_validator
from sample_zips import zip_many_members
from system_limits import tiny_disk

import residerm
from residerm import cli
from residerm.cli.options import flags
from residerm.config import AugmentOptions, Options, PixelSpec, SampleOptions
from residerm.errors import ArchiveError, UsageError


class Pair(Options):
    low: int = 0
    high: int = 1

    @model_validator(mode="after")
    def in_order(self) -> Pair:
        if self.low > self.high:
            raise ValueError("--low is above --high")
        return self


PIXELS, SAMPLE, AUGMENTATION, PAIR = PixelSpec(), SampleOptions(), AugmentOptions(), Pair()


def probe(
    path: Path,
    *,
    pixels: Annotated[PixelSpec, flags(some_are_on=True)] = PIXELS,
    sample: Annotated[SampleOptions, Parameter(name="*")] = SAMPLE,
    augmentation: Annotated[AugmentOptions, flags(some_are_on=True)] = AUGMENTATION,
    pair: Annotated[Pair, Parameter(name="*")] = PAIR,
    count: int = 3,
) -> None:
    """Print the parsed arguments."""
    print(path, pixels.size, pixels.reduced, sample.raise_to, augmentation.augment, pair.low, count)


@pytest.fixture
def command() -> Iterator[Callable[[Callable[..., object]], None]]:
    """Add a command during the test."""
    yield lambda function: cli.app.command(function, name="probe")
    del cli.app["probe"]


# Exit codes


def ending(error: BaseException) -> Callable[[], None]:
    def end() -> None:
        raise error

    return end


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (ArchiveError("HAM10000 holds no files"), 1, "HAM10000 holds no files"),
        (UsageError("--fold 7: there are 5"), 2, "--fold 7: there are 5"),
        (KeyboardInterrupt(), 130, "stopped; no partial files were left behind"),
        (MemoryError(), 1, "not enough memory"),
        (
            PermissionError(errno.EACCES, "", "out.png"),
            1,
            "out.png: permission denied; give this user permission, or choose another place",
        ),
        (OSError(errno.ENOSPC, ""), 1, "the disk is full; make room, or choose another place"),
        (ArchiveError("a\nb\udce9\x1b[31m"), 1, "a?b??[31m"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(command, capsys, error, exit_code, message):
    importlib.import_module("residerm.cli.explain")  # becomes the attribute `explain` of residerm.cli
    command(ending(error))
    assert cli.run(["probe"]) == exit_code
    assert capsys.readouterr() == ("", f"residerm: {message}\n")


@pytest.mark.parametrize(("result", "exit_code"), [(None, 0), (0, 0), (1, 1), ("text", 0)])
def test_commands_return_an_exit_code(command, result, exit_code):
    command(lambda: result)
    assert cli.run(["probe"]) == exit_code


def test_programming_errors_are_not_hidden(command):
    command(ending(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.run(["probe"])


def test_help_and_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"{residerm.__version__}\n"
    for arguments in ([], ["--help"], ["data"], ["data", "--help"]):
        assert cli.run(arguments) == 0
        assert "Usage: residerm" in capsys.readouterr().out


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("probe", "PATH is missing."),
        ("probe x y", "unexpected argument y."),
        ("probe x --size", "--size needs a value."),
        ("probe x --size 4", "--size must be greater than or equal to 8, not '4'."),
        ("probe x --size four", "--size must be a valid integer, not 'four'."),
        ("probe x --size=1e3", "--size must be a valid integer, not '1e3'."),
        ("probe x --rotation nan", "--rotation must be a finite number, not 'nan'."),
        ("probe x --size 64 --size 32", "Parameter --size specified multiple times."),
        ("probe x --sise 4", "Unknown option: --sise. Did you mean --size?"),
        ("probe x -z", "Unknown option: -z."),
        ("probe x --aspect crap", "--aspect must be 'squash', 'crop' or 'pad', not 'crap'. Did you mean crop?"),
        (
            "probe x --raise-to medium",
            "--raise-to must be 'median' or 'largest' or a valid integer, not 'medium'. Did you mean median?",
        ),
        ("probe x --augment=maybe", 'Invalid value for --augment: unable to convert "maybe" into bool.'),
        ("probe x --count four", 'Invalid value for --count: unable to convert "four" into int.'),
        (
            "probe x --size 4 --filter none",
            "--size must be greater than or equal to 8, not '4'; --filter must be 'box', 'bilinear', 'bicubic' or "
            "'lanczos', not 'none'.",
        ),
        ("probe x --low 2", "--low is above --high."),
    ],
)
def test_usage_errors_name_the_flag_and_a_remedy(command, capsys, arguments, message):
    command(probe)
    assert cli.run(arguments.split()) == 2
    assert capsys.readouterr() == ("", f"residerm: {message} See `residerm probe --help`\n")


def test_unknown_command_error_suggests_the_nearest(command, capsys):
    command(probe)
    assert cli.run(["prob"]) == 2
    message = capsys.readouterr().err
    assert message.startswith('residerm: Unknown command "prob". Did you mean "probe"?')
    assert message.endswith("See `residerm --help`\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("probe x", "x 64 True median True 0 3"),
        ("probe x --no-reduced --no-augment --size 8", "x 8 False median False 0 3"),
        ("probe x --raise-to 20 --count=5", "x 64 True 20 True 0 5"),
        ("probe -- --size", "--size 64 True median True 0 3"),
    ],
)
def test_valid_usage(command, capsys, arguments, message):
    command(probe)
    assert cli.run(arguments.split()) == 0
    assert capsys.readouterr() == (f"{message}\n", "")


# As a process of its own


def residerm_process(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "residerm", *map(os.fspath, arguments)]
    return subprocess.run(command, text=True, check=False, **{"capture_output": True, **options})


def test_missing_path(tmp_path):
    done = residerm_process("data", "stats", tmp_path / "HAM10000")
    reason = "there is no such file or folder; PATH is the folder or the zip of the archive"
    message = f"residerm: cannot read {tmp_path}/HAM10000: {reason}\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", message)


def test_path_that_is_not_utf8(tmp_path):
    done = residerm_process("data", "stats", tmp_path / os.fsdecode(b"l\xe9sions"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"residerm: cannot read {tmp_path}/l?sions: there is no such file")


def test_full_temporary_folder(tmp_path):
    (tmp_path / "a.zip").write_bytes(zip_many_members(3_000))
    with tiny_disk(kilobytes=64) as folder:
        done = residerm_process("data", "stats", tmp_path / "a.zip", env={**os.environ, "TMPDIR": str(folder)})
    message = (
        f"residerm: cannot write temporary files in {folder}: the disk is full; make room, or choose another place"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{message}; set TMPDIR to another folder\n"


ENDLESS = """
import sys, time
from pathlib import Path
from residerm import cli
from residerm.files import new_folder

def lines():
    for number in range(100_000):
        print(number)

def work(out: Path):
    with new_folder(out) as folder:
        (folder / "half").write_text("half")
        print("working", flush=True)
        time.sleep(60)

class Slow:
    def __del__(self):
        print("working", flush=True)
        time.sleep(2)

def lost():
    Slow()  # Python drops what is raised in a finaliser
    time.sleep(60)

def replaced():
    try:
        print("working", flush=True)
        time.sleep(60)
    except BaseException:
        raise TypeError("an error of a library")

for command in (lines, work, lost, replaced):
    cli.app.command(command)
sys.argv[0] = "residerm"
cli.main()
"""


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_command_leaves_nothing(tmp_path, number, exit_code):
    command = [sys.executable, "-c", ENDLESS, "work", tmp_path / "deep" / "out"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        message = process.communicate(timeout=30)[1]
    assert process.returncode == exit_code
    assert message == ("residerm: stopped; no partial files were left behind\n" if exit_code == 130 else "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["lost", "replaced"])
def test_interrupt_whose_exception_is_lost_or_replaced(command, number, exit_code):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", ENDLESS, command], text=True, **pipes) as process:
        assert process.stdout.readline() == "working\n"
        process.send_signal(number)
        message = process.communicate(timeout=30)[1]
    assert process.returncode == exit_code
    assert message == ("residerm: stopped; no partial files were left behind\n" if exit_code == 130 else "")


@pytest.mark.parametrize("arguments", [["-c", ENDLESS, "lines"], ["-m", "residerm", "--help"]])
def test_closed_pipe(arguments):
    """As with `| head -1`."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, *arguments], bufsize=0, **pipes) as process:
        if "lines" in arguments:
            assert process.stdout.read(1) == b"0"
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [["-c", ENDLESS, "lines"], ["-m", "residerm", "--help"]])
def test_full_output_device(arguments):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == "residerm: the disk is full; make room, or choose another place\n"
    assert done.returncode == 1


def test_closed_output():
    script = f"{sys.executable} -m residerm --help >&-"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_ascii_terminal():
    done = residerm_process("--help", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage: residerm COMMAND" in done.stdout


@pytest.mark.parametrize(
    "command",
    ["demo", "models", "train", "evaluate", "calibrate", "predict", "explain", "export", "serve", "runs", "bench"]
    + [f"data.{verb}" for verb in ("check", "fetch", "list", "preview", "split", "stats", "synth")],
)
def test_help_shows_every_option(command, capsys):
    module = importlib.import_module(f"residerm.cli.{command}")
    (function,) = (value for name, value in vars(module).items() if name == f"{command.split('.')[-1]}_")
    given = [parameter.default for parameter in inspect.signature(function).parameters.values()]
    names = {name for options in given if isinstance(options, Options) for name in type(options).model_fields}
    assert cli.run([*command.split("."), "--help"]) == 0
    shown = set(re.findall(r"--(?:no-)?([a-z][a-z-]*)", capsys.readouterr().out))
    assert {name.replace("_", "-") for name in names} - shown == set()


def test_help_is_fast():
    """Under 0.3 s by itself, because slow packages are not imported."""
    program = "import sys; from residerm import cli; cli.run(['--help']); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"numpy", "torch", "PIL", "pydantic", "matplotlib", "sklearn", "httpx", "imblearn"})
    assert "residerm.cli" in loaded


def test_installed_command(tmp_path):
    command = Path(sys.executable).with_name("residerm")
    if not command.exists():
        pytest.skip("residerm is not installed beside this Python")
    done = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{residerm.__version__}\n")
