"""What an ensemble gives: its scores beside those of its members, and what their disagreement tells.

    python benchmarks/ensembles.py RUN RUN… --out outputs [--soup]

The runs are finished trainings on one split. Each member, the mean of all probabilities and, with --soup, the model of
their averaged weights is calibrated on the validation part and scores the test part, with eight views and decisions for
balanced accuracy. Intervals resample lesions. Disagreement is the mutual information of prediction and member: the
entropy of the mean minus the mean of the entropies.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from residerm.data.dataset import Dataset
from residerm.inference import load
from residerm.outputs import Outputs, concatenated
from residerm.runs import open_run
from residerm.scores.assessment import assess
from residerm.scores.comparison import compare
from residerm.training.soup import make_soup
from residerm.trust import Trust
from trust import Labelled, selected, text

BATCH = 64
HEADLINE = ("macro_auc", "balanced_accuracy", "accuracy", "log_loss", "calibration_error")
PARTS = ("validation", "test")


class Member:
    """A run or a bundle: what its model gives for the validation and the test part, computed once and kept."""

    def __init__(self, model: Path, dataset: Dataset, out: Path) -> None:
        """Read what is kept, or compute it."""
        self.dataset, self.predictor = dataset, load(model, precision="float32")
        self.outputs = {part: self._kept(out / f"{model.name}-{part}.npz", self.rows(part)) for part in PARTS}

    def rows(self, part: str) -> np.ndarray:
        """The rows of a part."""
        return self.dataset.validation_rows if part == "validation" else self.dataset.test_rows

    def labelled(self, part: str, outputs: Outputs) -> Labelled:
        """Outputs for a part, with its labels and lesions."""
        records, rows = self.dataset.records, self.rows(part)
        return Labelled(outputs, records.labels[rows], records.groups[rows])

    def _kept(self, path: Path, rows: np.ndarray) -> Outputs:
        if not path.exists():
            pixels = self.dataset.cache.pixels
            found = [
                self.predictor.outputs(pixels[rows[at : at + BATCH]], views=8) for at in range(0, len(rows), BATCH)
            ]
            outputs = concatenated(found)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, logits=outputs.logits, features=outputs.features)
        with np.load(path) as opened:
            return Outputs(opened["logits"], opened["features"])


def joined(members: Sequence[Outputs]) -> Outputs:
    """The outputs of the ensemble: the mean of the probabilities, and all features side by side."""
    mean = np.mean([one.probabilities for one in members], axis=0)
    features = np.concatenate([one.features for one in members if one.features is not None], axis=1)
    return Outputs(np.log(np.maximum(mean, np.finfo(np.float32).tiny)), features)


def disagreement(members: Sequence[Outputs]) -> np.ndarray:
    """The mutual information of answer and member, for each image."""
    every = np.stack([one.probabilities for one in members])
    return _entropy(every.mean(axis=0)) - _entropy(every).mean(axis=0)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    entropy: np.ndarray = -(probabilities * np.log(np.maximum(probabilities, 1e-30))).sum(axis=-1)
    return entropy


def soup_of(runs: Sequence[Path], out: Path) -> Path:
    """The bundle of averaged weights, made once."""
    bundle = out / ("soup-of-" + "-".join(run.name for run in runs))
    if not bundle.exists():
        made = make_soup(runs, bundle)
        print(f"the soup is of {len(made.runs)} of {len(runs)} runs", flush=True)
    return bundle


def report(members: Sequence[Member], soup: Member | None = None) -> None:
    """Each member, the ensemble, the soup, the ensemble's difference, and the confidences of the ensemble."""
    first = members[0]
    description = first.predictor.description
    prior = np.asarray(description.prior)
    every = {f"member {number}": one.outputs for number, one in enumerate(members, start=1)}
    every["ensemble"] = {part: joined([one.outputs[part] for one in members]) for part in PARTS}
    if soup is not None:
        every["soup"] = soup.outputs
    print(
        "| | macro AUC | balanced accuracy | accuracy | log loss | calibration error | malignant or benign |\n"
        + "|---" * 7
        + "|"
    )
    judged, named = {}, {}
    for name, outputs in every.items():
        validation, test = (first.labelled(part, outputs[part]) for part in PARTS)
        trust = Trust.fit(
            validation.outputs.logits, validation.labels, validation.groups, validation.outputs.features,
            validation.outputs.features, validation.labels, classes=description.classes,
        )  # fmt: skip
        judged[name] = trust.judge(test.outputs)
        named[name] = (judged[name].probabilities / prior).argmax(axis=1)
        found = assess(
            test.labels, judged[name].probabilities, description.classes, test.groups,
            predicted=named[name], malignant=("akiec", "bcc", "mel"),
        )  # fmt: skip
        assert found.malignancy is not None
        cells = [text(found.headline[score]) for score in HEADLINE] + [text(found.malignancy.scores["auc"])]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    test = first.labelled("test", every["ensemble"]["test"])
    less = compare(
        test.labels,
        judged["ensemble"].probabilities,
        judged["member 1"].probabilities,
        description.classes,
        test.groups,
        predicted=(named["ensemble"], named["member 1"]),
    ).differences
    print("| ensemble less member 1 | " + " | ".join(text(less[score]) for score in HEADLINE) + " | |")
    known = {"disagreement": -disagreement([one.outputs["test"] for one in members])}
    selected(test, judged["ensemble"].probabilities, ~judged["ensemble"].abstain, known)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("outputs"))
    parser.add_argument("--soup", action="store_true", help="Score the averaged weights as well.")
    given = parser.parse_args()
    dataset = Dataset.open(open_run(given.runs[0]).experiment)
    soup = Member(soup_of(given.runs, given.out), dataset, given.out) if given.soup else None
    report([Member(run, dataset, given.out) for run in given.runs], soup)


if __name__ == "__main__":
    main()
