"""`residerm bench`: the three contenders, and a run of its own."""

import json
from pathlib import Path

import making
import pytest

from residerm import cli

QUICK = ("--model", "cnn", "--size", "32", "--batch-size", "8", "--rounds", "1", "--steps", "2")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return making.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=35)


def test_all_three_are_measured_and_compared(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    speeds, ratios = result["images_per_second"], result["ratios"]
    assert set(speeds) == {"loop", "bare", "plain"}
    assert all(speed > 0 for speed in speeds.values())
    assert ratios["loop/bare"] == pytest.approx(speeds["loop"] / speeds["bare"])  # of one round
    assert ratios["loop/plain"] == pytest.approx(speeds["loop"] / speeds["plain"])
    assert 0 < result["run"]["imports_seconds"] < result["run"]["run_seconds"]
    assert result["run"]["peak_private_bytes"] > 50e6  # torch alone
    assert result["parameters"] == 20_819


def test_only_what_is_asked_for(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, "--no-plain", "--no-run"]) == 0
    printed = capsys.readouterr().out
    assert "bare step" in printed
    assert "plain loop" not in printed
    assert "a run of its own" not in printed


def test_without_torchvision_the_rest_is_measured(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("residerm.training.plain.PlainLoop.__init__", broken)
    assert cli.run(["bench", str(archive), *QUICK, "--no-run"]) == 0
    printed = capsys.readouterr().out
    assert "plain: not measured, torchvision cannot be imported here" in printed
    assert "loop to bare" in printed


@pytest.mark.parametrize("wrong", [("--rounds", "0"), ("--steps", "0"), ("--batch-size", "4000")])
def test_wrong_calls(archive: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
