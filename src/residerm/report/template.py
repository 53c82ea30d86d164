"""The Jinja environment of the templates; an undefined variable is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from residerm.disclaimer import DISCLAIMER
from residerm.report.tables import footnote, footnotes


def environment(*, autoescape: bool, finalize: Callable[[Any], Any] | None = None) -> Environment:
    """The environment of the report's templates, with filters that write counts as 1,700 and fractions as 71.2."""
    filled = Environment(
        loader=PackageLoader("residerm.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filled.globals["disclaimer"] = DISCLAIMER
    filled.globals |= {"footnotes": footnotes, "footnote": footnote}
    filled.filters["thousands"] = lambda value: f"{value:,}"
    filled.filters["percent"] = lambda value: f"{100 * value:.1f}"
    return filled
