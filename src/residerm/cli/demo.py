"""`residerm demo`: the whole way on the embedded archive, in a minute or two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from residerm.cli.console import out, progress

if TYPE_CHECKING:
    from residerm.demo import Findings


def demo_(output: Annotated[Path, Parameter(name="--out")] = Path("demo")) -> None:
    """Draw synthetic lesions, train a small residual network, score it, write its report, predict an image.

    Example: residerm demo --out demo

    Parameters
    ----------
    output
        New or empty folder for everything.
    """
    from residerm.demo import demonstrate

    with progress("… ") as shown:
        findings = demonstrate(output, shown)
    _show(findings)


def _show(findings: Findings) -> None:
    from residerm.demo import LINEAR, NETWORK

    scores, difference = findings.scores["headline"], findings.differences["balanced_accuracy"]
    balanced, auc = scores["balanced_accuracy"], scores["macro_auc"]
    line = findings.prediction
    out.print(
        f"\n{NETWORK}: balanced accuracy {_interval(balanced)}, macro AUC {_interval(auc)}, on "
        f"{findings.scores['images']:,} test images of {findings.scores['groups']:,} drawn lesions that it never saw"
    )
    out.print(
        f"{LINEAR} on the same images: {balanced['value'] - difference['value']:.3f}, lower by {_interval(difference)}"
    )
    out.print(f"one image ({findings.truth} in truth): {line.predicted}, probability {max(line.probabilities):.2f}")
    out.print(f"report: {findings.run / 'report.html'}\n")
    out.print("All of this is drawn, not photographed. With real data (residerm data list says where it is):")
    out.print("  residerm data fetch ham10000 --out HAM10000")
    out.print("  residerm data check HAM10000")
    out.print("  residerm train HAM10000 --model resnet50 --size 64")
    out.print("  residerm evaluate runs/RUN")
    out.print("Not a medical device and not a diagnosis: for research and teaching only.")


def _interval(estimate: dict[str, Any]) -> str:
    if "low" not in estimate:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"
