"""A real Chromium for tests of the page, and files to upload."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from sample_images import encode

NO_BROWSER = "Chromium is not installed (`apt-get install chromium`, or set CHROMIUM to its path)"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu"]  # as root, and without a screen


def chromium() -> str:
    """The path of Chromium; without it, the test is skipped."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip(NO_BROWSER)
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=path, args=_ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


def photo(name: str, colour: tuple[int, int, int]) -> dict[str, Any]:
    """An image of one colour, in the form in which Playwright uploads files."""
    pixels = np.full((48, 64, 3), colour, np.uint8)
    return {"name": name, "mimeType": "image/png", "buffer": encode(pixels, "PNG")}


def axe() -> str:
    """The source of axe-core, which is part of axe-playwright-python; without it, the test is skipped."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="axe-core is not installed: pip install 'residerm[dev]'"
    )
    return files(package).joinpath("axe.min.js").read_text(encoding="utf-8")
