"""Explain wrong usage in one line: the flag, what it must be, what was given, the nearest names, and the help.

The messages of cyclopts and pydantic are written for other readers: the former mention tokens, the latter models and
web addresses.
"""

from __future__ import annotations

import re

from cyclopts import CycloptsError, MissingArgumentError, UnknownOptionError, UnusedCliTokensError
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from residerm.config.given import ALSO_CALLED
from residerm.errors import nearest, shortened

_LONGEST = 500  # characters of a message; the arguments may be longer


def explain_usage(error: CycloptsError) -> str:
    """A sentence about what is wrong with the arguments, and a pointer to their help."""
    if isinstance(error.__cause__, ValidationError):
        text = _of_options(error.__cause__)
    elif isinstance(error, MissingArgumentError) and error.argument and not error.argument.tokens:
        named = error.argument.name
        text = f"{named} needs a value" if error.argument.index is None else f"{named.lstrip('-').upper()} is missing"
    elif isinstance(error, UnusedCliTokensError):
        text = f"unexpected argument {' '.join(error.unused_tokens or ())}"
    elif isinstance(error, UnknownOptionError):
        text = _of_unknown(error)
    else:
        text = str(error)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    end = "" if text.endswith((".", "?")) else "."
    return f"{text}{end} See `{' '.join(('residerm', *(error.command_chain or ())))} --help`"


def _of_unknown(error: UnknownOptionError) -> str:
    """An unknown option, with its name in residerm if another library has it, else with the nearest spelling."""
    given = error.token.keyword or error.token.value
    ours = "--" + ALSO_CALLED.get(given.lstrip("-").replace("-", "_"), "").replace("_", "-")
    known = {name for one in error.argument_collection if one.parse for name in one.names}
    return f"Unknown option: {given}. Did you mean {ours}?" if ours in known else str(error)


def _of_options(error: ValidationError) -> str:
    wrong: dict[str, list[ErrorDetails]] = {}
    for finding in error.errors(include_url=False):
        wrong.setdefault(str(finding["loc"][0]) if finding["loc"] else "", []).append(finding)
    return "; ".join(_of_option(name, findings) for name, findings in wrong.items())


def _of_option(name: str, findings: list[ErrorDetails]) -> str:
    """What one flag must be; a flag that accepts several types has an error for each of them."""
    reasons = [re.sub(r"^Input should be |, unable to .*|^Value error, ", "", finding["msg"]) for finding in findings]
    if not name:  # the options contradict each other
        return "; ".join(reasons)
    given = str(findings[0]["input"])
    choices = re.findall("'([^']+)'", str(findings[0].get("ctx", {}).get("expected", "")))
    hint = nearest(given, choices)
    return f"--{name.replace('_', '-')} must be {' or '.join(reasons)}, not {shortened(given)}{hint and f'.{hint}'}"
