"""A real Chromium for tests of the page, and the files that a person would give it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from pictures import encode

NO_BROWSER = "Chromium is not here: install it (`apt-get install chromium`), or name it by CHROMIUM"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]  # as root, and without a screen


def chromium() -> str:
    """The path of a Chromium; without one the test is skipped, and says so."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip(NO_BROWSER)
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


def photo(name: str, colour: tuple[int, int, int]) -> dict[str, Any]:
    """A file of one colour, as Playwright gives it to an input."""
    pixels = np.full((48, 64, 3), colour, np.uint8)
    return {"name": name, "mimeType": "image/png", "buffer": encode(pixels, "PNG")}


def axe() -> str:
    """The text of axe-core, which the package axe-playwright-python holds; without it the test is skipped."""
    package = pytest.importorskip("axe_playwright_python", reason="axe-core is not here: pip install 'residerm[dev]'")
    return files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
