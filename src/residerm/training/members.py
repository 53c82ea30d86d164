"""Train several networks that differ only in their seed, and join them into one model.

    joined = train_members(experiment, MemberOptions(members=3))

The seed determines random weights, order and augmentation. All members share the split, so that the validation and test
images are new to all of them, and the validation part can be used to calibrate the joined model. If a member is
interrupted, the others are not trained; finished members are kept, and can be joined by `residerm export`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from residerm.config import Experiment, MemberOptions
from residerm.data.dataset import Dataset
from residerm.errors import UsageError
from residerm.inference import Predictor
from residerm.inference.bundle import join_members, write_ensemble
from residerm.inference.runtimes.torch import TorchRuntime
from residerm.progress import SILENT, Progress
from residerm.runs import Run
from residerm.training.session import train
from residerm.training.soup import make_soup
from residerm.training.trust import fit_trust_of_joined
from residerm.trust import Trust


@dataclass(frozen=True)
class Joined:
    """The runs of the members, and the joined bundle; None if one was interrupted."""

    runs: tuple[Run, ...]
    bundle: Path | None


def train_members(
    experiment: Experiment, options: MemberOptions, runs: Path = Path("runs"), progress: Progress = SILENT
) -> Joined:
    """Train the members and join them."""
    _refuse_soup_of_random_weights(experiment, options)
    finished: list[Run] = []
    for member in range(options.members):
        progress.remark(f"member {member + 1} of {options.members}")
        finished.append(train(_with_seed(experiment, experiment.training.seed + member), runs, progress))
        if finished[-1].summary is None:
            return Joined(tuple(finished), None)
    return Joined(tuple(finished), _join(finished, options, progress))


def _with_seed(experiment: Experiment, seed: int) -> Experiment:
    return experiment.model_copy(update={"training": experiment.training.model_copy(update={"seed": seed})})


def _join(runs: Sequence[Run], options: MemberOptions, progress: Progress) -> Path:
    """Write the joined bundle next to the first member's run, calibrated as a whole."""
    first, folders = runs[0].folder, [run.folder for run in runs]
    place = first.with_name(f"{first.name}-{options.join}-of-{len(runs)}")
    if options.join == "ensemble":
        return write_ensemble(folders, place, _trust(runs, progress))
    soup = make_soup(folders, place, progress)
    progress.remark(f"the soup averages {len(soup.runs)} of {len(runs)} runs")
    return soup.bundle


def _trust(runs: Sequence[Run], progress: Progress) -> Trust | None:
    """Fit the trust of the ensemble on the shared validation part."""
    ensemble, description = join_members([run.folder for run in runs])
    predictor = Predictor(description, TorchRuntime(ensemble))
    return fit_trust_of_joined(predictor, Dataset.open(runs[0].experiment, progress), progress)


def _refuse_soup_of_random_weights(experiment: Experiment, options: MemberOptions) -> None:
    """Raise `UsageError` for a soup of networks with random initial weights, before anything is trained."""
    network = experiment.network
    if options.join == "soup" and options.members > 1 and not (network.pretrained or network.weights):
        raise UsageError(
            "`join=soup`: the average of networks with random initial weights is not meaningful: give `pretrained` or "
            "`weights`, or join them as an ensemble"
        )
