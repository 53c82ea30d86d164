"""`residerm bench`: the three contenders, and start of a run."""

import json
from pathlib import Path

import archives
import pytest

from residerm import cli

QUICK = ("--model", "cnn", "--size", "32", "--batch-size", "8", "--rounds", "1", "--steps", "2")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=35)


def test_all_three_are_measured_and_compared(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    speeds, ratios = result["images_per_second"], result["ratios"]
    assert set(speeds) == {"loop", "bare", "plain"}
    assert all(speed > 0 for speed in speeds.values())
    assert ratios["loop/bare"] == pytest.approx(speeds["loop"] / speeds["bare"])  # of one round
    assert ratios["loop/plain"] == pytest.approx(speeds["loop"] / speeds["plain"])
    assert 0 < result["startup"]["imports_seconds"] < result["startup"]["run_seconds"]
    assert result["startup"]["peak_private_bytes"] > 50e6  # torch alone
    assert result["parameters"] == 20_819


def test_growing_images_have_their_final_size(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of the other contenders have."""
    from residerm.training import loop

    shrink, sizes = loop.shrink, set()
    monkeypatch.setattr(loop, "shrink", lambda images, size: sizes.add(size) or shrink(images, size))
    quick = ["bench", str(archive), *QUICK, "--no-plain", "--no-startup", "--grow-from", "16"]
    assert cli.run(quick) == 0
    assert sizes == {32}


def test_only_what_is_asked_for(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, "--no-plain", "--no-startup"]) == 0
    printed = capsys.readouterr().out
    assert "bare step" in printed
    assert "plain loop" not in printed
    assert "start of a run" not in printed


def test_without_torchvision_the_rest_is_measured(
    archive: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("residerm.training.plain.PlainLoop.__init__", broken)
    assert cli.run(["bench", str(archive), *QUICK, "--no-startup"]) == 0
    printed = capsys.readouterr().out
    assert "plain: not measured, torchvision cannot be imported" in printed
    assert "loop to bare" in printed


@pytest.mark.parametrize("wrong", [("--rounds", "0"), ("--steps", "0"), ("--batch-size", "4000")])
def test_wrong_calls(archive: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_nothing_is_left_in_the_current_folder(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However long a step takes: a checkpoint is due every four minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("residerm.training.loop._SECONDS_BETWEEN_CHECKPOINTS", -1)
    monkeypatch.setattr("residerm.training.dry_run._SECONDS", 0.01)
    assert cli.run(["bench", str(archive), *QUICK, "--no-plain", "--no-startup"]) == 0
    assert "1 rounds take about" in capsys.readouterr().err
    assert cli.run(["train", str(archive), *QUICK[:6], "--dry-run"]) == 0
    assert "images/s" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_ctrl_c_shows_what_there_is(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from residerm.training import bench

    stretch_of, turns = bench.stretch_of, []

    def interrupted(trainer: object) -> bench.Stretch:
        stretch = stretch_of(trainer)

        def counted(steps: int) -> float:
            turns.append(steps)
            if len(turns) == 4:
                raise KeyboardInterrupt
            return stretch(steps)

        return counted

    monkeypatch.setattr(bench, "stretch_of", interrupted)
    options = [*QUICK[:6], "--rounds", "9", "--steps", "2", "--no-plain", "--json"]
    assert cli.run(["bench", str(archive), *options]) == 130
    result = json.loads(capsys.readouterr().out)
    assert len(result["rounds"]["loop"]) == len(result["rounds"]["bare"]) == 2
    assert result["startup"] is None


def test_a_limit_on_the_minutes_leaves_one_round(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*QUICK[:6], "--rounds", "9", "--steps", "2", "--minutes", "0.000001", "--no-plain", "--no-startup"]
    assert cli.run(["bench", str(archive), *options, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rounds"]["loop"]) == 1
