"""`residerm demo`: the whole pipeline on the synthetic archive, in a minute or two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from residerm.cli.console import out, progress

if TYPE_CHECKING:
    from residerm.demonstration import DemoResult
    from residerm.scores import Estimate


def demo_(output: Annotated[Path, Parameter(name="--out")] = Path("demo")) -> None:
    """Draw synthetic lesions, train a small residual network, evaluate it, write its report, and predict an image.

    Example: residerm demo --out demo

    Parameters
    ----------
    output
        New or empty folder for everything.
    """
    from residerm.demonstration import demonstrate

    with progress("… ") as shown:
        findings = demonstrate(output, shown)
    _show(findings)


def _show(findings: DemoResult) -> None:
    from residerm.demonstration import LINEAR, NETWORK

    headline, difference = findings.scores.headline, findings.differences["balanced_accuracy"]
    balanced, auc = headline["balanced_accuracy"], headline["macro_auc"]
    line = findings.prediction
    out.print(
        f"\n{NETWORK}: balanced accuracy {_interval(balanced)}, macro AUC {_interval(auc)}, on "
        f"{findings.scores.images:,} test images of {findings.scores.groups:,} synthetic lesions"
    )
    linear = (balanced.value or 0) - (difference.value or 0)
    out.print(f"{LINEAR} on the same images: {linear:.3f}, lower by {_interval(difference)}")
    out.print(f"one image (true class {findings.truth}): {line.predicted}, probability {max(line.probabilities):.2f}")
    out.print(f"report: {findings.run / 'report.html'}\n")
    out.print("These images are synthetic. With real data (see residerm data list):")
    out.print("  residerm data fetch ham10000 --out HAM10000")
    out.print("  residerm data check HAM10000")
    out.print("  residerm train HAM10000 --model resnet50 --size 64")
    out.print("  residerm evaluate runs/RUN")
    out.print("Not a medical device and not a diagnosis: for research and teaching only.")


def _interval(estimate: Estimate) -> str:
    if estimate.value is None:
        return "–"
    bounds = " ({:.3f} to {:.3f})".format(*estimate.interval) if estimate.interval else ""
    return f"{estimate.value:.3f}{bounds}"
