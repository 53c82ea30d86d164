"""The command line: a file for each verb, imported only when the verb is called, so that --help is immediate.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C. No error that a user can cause shows a traceback.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from cyclopts import App, CycloptsError

import residerm
from residerm.errors import ResidermError

if TYPE_CHECKING:
    from pydantic import ValidationError

app = App(
    name="residerm",
    help="Train, measure, explain and serve networks for skin-lesion images. Not a medical device.",
    version=residerm.__version__,
    exit_on_error=False,
    print_error=False,
)
data = App(name="data", help="Archives: fetch, check, describe, divide, draw and preview them.")
app.command(data)

for verb, help_text in {
    "list": "List the public archives that can be fetched.",
    "fetch": "Download a public archive; a broken transfer is taken up again.",
    "check": "Look for everything that is wrong with an archive.",
    "stats": "Count an archive by class, sex, age and site, and draw its class distribution.",
    "split": "Divide an archive into training, validation and test parts.",
    "synth": "Draw the embedded synthetic archive.",
    "preview": "Draw what training sees: originals above, augmented below.",
}.items():
    data.command(f"residerm.cli.data_{verb}:{verb}_", name=verb, help=help_text)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; say what is wrong in one message; give the exit code."""
    try:
        result = app(arguments, result_action="return_value")
    except CycloptsError as error:
        return _complain(_usage_text(error), 2)
    except ResidermError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("stopped; nothing half-written was left behind", 130)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _complain(text: str, exit_code: int) -> int:
    print(f"residerm: {text}", file=sys.stderr)
    return exit_code


def _usage_text(error: CycloptsError) -> str:
    from pydantic import ValidationError

    cause = error.__cause__
    return _validation_text(cause) if isinstance(cause, ValidationError) else str(error)


def _validation_text(error: ValidationError) -> str:
    """Pydantic's findings in the command line's words: the flag, what is wrong, what was given."""
    findings = []
    for finding in error.errors(include_url=False):
        flag = "--" + "-".join(str(part) for part in finding["loc"][:1]).replace("_", "-")
        findings.append(f"{flag}: {finding['msg'][0].lower()}{finding['msg'][1:]}, not {finding['input']!r}")
    return "; ".join(findings)
