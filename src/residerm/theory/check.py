"""`residerm theory check`: compare every equation of the documents with an independent computation.

report = check(seed=0)                   on random networks and images
report = check(Path("runs/…"))           also inside a trained residual network, on its own images
report.holds
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from residerm.config import EquationOptions
from residerm.progress import SILENT, Progress
from residerm.theory.check_by_hand import check_by_hand, vanishing_example
from residerm.theory.check_inside import Inside, fresh_networks, look_inside
from residerm.theory.depths import blocks_per_stage
from residerm.theory.findings import EquationCheck, EquationCheckDict
from residerm.theory.images import images_of_run, name_of, random_images

_IMAGES, _SIZE = 16, 32  # of noise
_TRAINING_IMAGES = 32


class EquationReportDict(TypedDict):
    """A report as plain data."""

    holds: bool
    equations: list[EquationCheckDict]
    gradient_after_the_sum_relative_to_the_direct_term: dict[str, dict[str, float]]


@dataclass(frozen=True)
class EquationReport:
    """The results of all comparisons, by hand and inside networks."""

    findings: tuple[EquationCheck, ...]
    inside: tuple[Inside, ...]
    example: tuple[tuple[float, float, float, float], ...]  # of `vanishing_example`

    @property
    def holds(self) -> bool:
        """Whether every equation holds, after correction where needed."""
        return all(finding.holds for finding in self.findings)

    def to_dict(self) -> EquationReportDict:
        """The report as plain data, for JSON."""
        quantiles = {one.name: one.quantiles for one in self.inside}
        return {
            "holds": self.holds,
            "equations": [finding.to_dict() for finding in self.findings],
            "gradient_after_the_sum_relative_to_the_direct_term": quantiles,
        }


def check_equations(
    run: Path | None = None, options: EquationOptions = EquationOptions(), progress: Progress = SILENT
) -> EquationReport:
    """Check every equation against its oracle; with a run, also inside its network."""
    depth, seed = options.depth, options.seed
    blocks_per_stage(depth)  # refused before work starts
    trained = [_trained(run, progress)] if run else []
    progress.advance("checking", 0, 2, unit="parts", note="the equations by hand")
    by_hand = list(check_by_hand(seed))
    progress.advance("checking", 1, 2, unit="parts", note="inside networks")
    images = random_images(_IMAGES, _SIZE, seed)
    inside = [*fresh_networks(images.pixels / 128 - 1, images.labels, depth, seed), *trained]
    findings = by_hand + [finding for one in inside for finding in one.findings]
    return EquationReport(tuple(findings), tuple(inside), vanishing_example(seed))


def _trained(run: Path, progress: Progress) -> Inside:
    model, description, images = images_of_run(run, _TRAINING_IMAGES, progress)
    return look_inside(f"trained {name_of(description)}", model.network, model.normalise(images.pixels), images.labels)
