"""`residerm bench`: the three contenders, the start of a run, and Ctrl-C."""

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


def test_growing_images_are_measured_at_their_final_size(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Like those of the other contenders."""
    from residerm.training import loop

    shrink, sizes = loop.shrink, set()
    monkeypatch.setattr(loop, "shrink", lambda images, size: sizes.add(size) or shrink(images, size))
    quick = ["bench", str(archive), *QUICK, "--no-plain", "--no-startup", "--grow-from", "16"]
    assert cli.run(quick) == 0
    assert sizes == {32}


def test_optional_contenders(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, "--no-plain", "--no-startup"]) == 0
    printed = capsys.readouterr().out
    assert "bare step" in printed
    assert "plain loop" not in printed
    assert "start of a run" not in printed


def test_missing_torchvision_is_reported(
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
def test_invalid_options_are_refused(archive: Path, wrong: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", str(archive), *QUICK, *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_nothing_is_written_to_the_current_folder(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However long a step takes: training saves a checkpoint every four minutes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("residerm.training.loop._SECONDS_BETWEEN_CHECKPOINTS", -1)
    monkeypatch.setattr("residerm.training.dry_run._SECONDS", 0.01)
    assert cli.run(["bench", str(archive), *QUICK, "--no-plain", "--no-startup"]) == 0
    assert "measuring 1 round takes about" in capsys.readouterr().err
    assert cli.run(["train", str(archive), *QUICK[:6], "--dry-run"]) == 0
    assert "images/s" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def interrupt(monkeypatch: pytest.MonkeyPatch, contender: str, turn: int) -> None:
    """Press Ctrl-C in this turn of a contender, `stretch_of` for the loop or `_bare`; turn 1 is the warm-up."""
    from residerm.training import bench

    make_stretch, turns = getattr(bench, contender), []

    def make(*arguments: object) -> bench.Stretch:
        stretch = make_stretch(*arguments)

        def counting(steps: int) -> float:
            turns.append(steps)
            if len(turns) == turn:
                raise KeyboardInterrupt
            return stretch(steps)

        return counting

    monkeypatch.setattr(bench, contender, make)


STOPPED = [*QUICK[:6], "--rounds", "9", "--steps", "2", "--no-plain"]


def test_ctrl_c_shows_complete_rounds(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, "_bare", turn=4)
    assert cli.run(["bench", str(archive), *STOPPED, "--json"]) == 130
    result = json.loads(capsys.readouterr().out)
    assert len(result["rounds"]["loop"]) == len(result["rounds"]["bare"]) == 2
    assert result["startup"] is None


def test_ctrl_c_in_the_first_round_shows_what_was_measured(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, "_bare", turn=2)
    assert cli.run(["bench", str(archive), *STOPPED]) == 130
    printed = capsys.readouterr().out
    assert "of 1 round" in printed
    assert "residerm train: cache" in printed
    assert "bare: not measured, stopped before its first turn" in printed


@pytest.mark.parametrize("turn", [1, 2])
def test_ctrl_c_before_the_first_result_is_one_message(
    archive: Path, turn: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt(monkeypatch, "stretch_of", turn)
    assert cli.run(["bench", str(archive), *STOPPED, "--json"]) == 130
    printed, message = capsys.readouterr()
    assert not printed
    assert message.endswith("stopped before the first measurement: there are no results to show\n")


def test_ctrl_c_during_startup_keeps_the_rounds(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def press(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("residerm.training.bench._startup", press)
    assert cli.run(["bench", str(archive), *QUICK, "--no-plain", "--json"]) == 130
    result = json.loads(capsys.readouterr().out)
    assert len(result["rounds"]["loop"]) == 1
    assert result["interrupted"]


def test_minutes_limit_the_rounds(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [*QUICK[:6], "--rounds", "9", "--steps", "2", "--minutes", "0.000001", "--no-plain", "--no-startup"]
    assert cli.run(["bench", str(archive), *options, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rounds"]["loop"]) == 1
