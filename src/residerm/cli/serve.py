"""`residerm serve`: serve a model over HTTP, with an API and a page."""

from __future__ import annotations

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
) -> int:
    """Serve a model over HTTP, with a page at / and an API under /v1. Not a diagnosis.

    Example: residerm serve starter --port 8000

    Parameters
    ----------
    model
        starter, an exported bundle, or a run.
    """
    from residerm.service import serve

    try:
        serve(model, options, announce=_announce)
    except KeyboardInterrupt:  # the usual message is about partial files, and a service writes none
        remarks.print("residerm: the service has stopped")
        return 130
    return 0


def _announce(listening: Listening) -> None:
    remarks.print(f"residerm serves at {listening.url} (Ctrl-C to stop)")
