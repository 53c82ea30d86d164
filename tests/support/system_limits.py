"""Conditions set by the operating system: missing permissions, a full disk, bounded memory.

They are real; where they cannot be created, the test is skipped with a reason.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_NOBODY = 65534


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's temporary folders."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        subprocess.run(["chmod", "-R", "u+rwX", folder], check=True)
        shutil.rmtree(folder)


def error_without_permissions(function: Callable[[], object]) -> str:
    """The error that a function raises for a user without permissions; root may read and write everything."""
    fork = multiprocessing.get_context("fork")
    received, sent = fork.Pipe(duplex=False)
    child = fork.Process(target=_call_as_nobody, args=(function, sent))
    child.start()
    child.join(60)
    return received.recv() if received.poll() else "nothing: the process died"


def _call_as_nobody(function: Callable[[], object], sent) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    try:
        sent.send(f"nothing: it returned {function()!r}")
    except Exception as error:
        sent.send(f"{type(error).__name__}: {error}")


@contextmanager
def memory_grows_less_than(megabytes: float) -> Iterator[None]:
    """Require that the peak memory of a block is less than this above the memory in use before it."""
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
    yield
    grown = _memory("VmHWM") - before
    assert grown < megabytes, f"{grown:.0f} MB more than before"


def _memory(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def tiny_disk(kilobytes: int) -> Iterator[Path]:
    """A folder on a file system of this size."""
    folder = Path(tempfile.mkdtemp())
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs"]
    try:
        if subprocess.run(["mount", *options, folder], capture_output=True, check=False).returncode:
            pytest.skip("only root may mount the small disk that is to be full")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
    finally:
        folder.rmdir()
