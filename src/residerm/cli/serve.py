"""`residerm serve`: serve a model over HTTP, with an API and a page."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import remarks
from residerm.config import ServeOptions

if TYPE_CHECKING:
    from residerm.service import Listening


def serve_(
    model: str = "starter",
    /,
    *,
    options: Annotated[ServeOptions, Parameter(name="*")] = ServeOptions(),
    open_page: Annotated[bool, Parameter(name="--open")] = False,
) -> int:
    """Serve a model over HTTP, with a page at / and an API under /v1. Not a diagnosis.

    Example: residerm serve starter --port 8000

    Parameters
    ----------
    model
        starter, an exported bundle, or a run.
    open_page
        Open the page in a browser, if this machine has a screen.
    """
    from residerm.service import serve

    try:
        serve(model, options, announce=partial(_announce, open_page=open_page))
    except KeyboardInterrupt:  # the usual message is about partial files, and a service writes none
        remarks.print("residerm: the service has stopped")
        return 130
    return 0


def _announce(listening: Listening, *, open_page: bool) -> None:
    remarks.print(f"residerm serves at {listening.url} (Ctrl-C to stop)")
    if open_page and _has_screen():
        import webbrowser

        webbrowser.open(listening.url)


def _has_screen() -> bool:
    """Whether a browser would have a window; otherwise, one for terminals could take this terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(one) for one in ("DISPLAY", "WAYLAND_DISPLAY"))
