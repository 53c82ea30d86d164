"""`residerm train --preset transfer`: the options of the preset, and a training with it."""

from __future__ import annotations

from pathlib import Path

import archives
import yaml

from residerm import cli
from residerm.commands.training import make_experiment

QUICK = ("--size", "64", "--grow-from", "32", "--epochs", "1", "--batch-size", "32")


def test_transfer_starts_from_the_weights_of_a_wheel(tmp_path: Path) -> None:
    archive = archives.ham10000(tmp_path / "archive", lesions=105)
    options = ["--preset", "transfer", *QUICK, "--runs", str(tmp_path / "runs")]
    assert cli.run(["train", str(archive), *options]) == 0
    run = next((tmp_path / "runs").iterdir())
    options = yaml.safe_load((run / "config.yaml").read_text())
    assert (options["model"], options["pretrained"]) == ("tf_efficientnet_lite0", True)
    assert (options["size"], options["epochs"], options["ema"]) == (64, 1, 0.99)  # flags go before the preset


def test_weights_override_pretrained_in_a_preset() -> None:
    experiment = make_experiment("archive", {"weights": "run"}, preset="transfer")
    assert not experiment.network.pretrained
    assert experiment.network.model == "tf_efficientnet_lite0"
    assert make_experiment("archive", {}, preset="transfer").network.pretrained
