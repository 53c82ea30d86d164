"""`residerm theory`: its commands and their refusals."""

import json
from pathlib import Path

import archives
import pytest

from residerm import cli
from residerm.theory import backprop

FIGURES = {"equations.png", "identity.png", "vanishing.png"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)


def trained(archive: Path, runs: Path, *options: str) -> Path:
    fixed = ("--size", "16", "--epochs", "1", "--batch-size", "16", "--precision", "float32", "--no-augment")
    assert cli.run(["train", str(archive), *fixed, "--runs", str(runs), *options]) == 0
    return max(runs.iterdir())


@pytest.fixture(scope="module")
def residual(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As published, without zero_init: otherwise, the blocks have hardly learned anything after so few steps."""
    options = ("--model", "resnet-basic-2-1-1", "--width", "4", "--no-zero-init", "--rate", "1e-3")
    return trained(archive, tmp_path_factory.mktemp("runs"), *options)


@pytest.fixture(scope="module")
def logistic(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(archive, tmp_path_factory.mktemp("runs"), "--model", "logistic")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert cli.run(["theory", *arguments]) == code
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return found.err if code else found.out


def test_every_equation_holds_inside_a_trained_run(
    residual: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures"
    report = json.loads(printed(capsys, "check", str(residual), "--depth", "8", "--out", str(out), "--json"))
    assert report["holds"]
    assert {path.name for path in out.iterdir()} == FIGURES
    equations = {one["equation"]: one for one in report["equations"]}
    assert equations["(12) at blocks of trained resnet-basic-2-1-1"]["largest_relative_error"] < 1e-10
    assert equations["(11) in trained resnet-basic-2-1-1"]["largest_relative_error"] > 0.001
    assert equations["Adam"]["limit"] == 1e-12
    assert "minus sign" in equations["CE = -Σ y log p"]["correction"]


def test_failing_equation_is_shown_with_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backprop, "by_weights_of", lambda delta, a: 2 * delta @ a.T)
    assert cli.run(["theory", "check", "--depth", "8"]) == 1
    shown = capsys.readouterr().out
    assert "FAILS" in shown
    assert "do not hold: (6), (7) ∂CE/∂w" in shown


def test_flow_of_new_networks_on_an_archive(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ("--data", str(archive), "--depths", "8", "14", "--width", "2", "--steps", "2", "--training-depth", "8")
    found = json.loads(printed(capsys, "flow", *small, "--out", str(tmp_path / "figures"), "--json"))
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "gradients.png",
        "activations.png",
        "training.png",
    }
    assert len(found["at_initialisation"]) == 16
    shown = printed(capsys, "flow", *small)
    assert shown.count("plain, sigmoid, good start: ") == 1
    assert "plain, sigmoid, 8 layers: in 2 steps the loss went from" in shown


def test_flow_of_a_run(residual: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = printed(capsys, "flow", str(residual), "--out", str(tmp_path / "figures"))
    assert "resnet-basic-2-1-1: healthy: every layer receives a gradient" in shown
    assert (tmp_path / "figures" / "layers.png").stat().st_size > 10_000


def test_flow_of_any_network(logistic: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, "flow", str(logistic), "--json"))
    assert [layer["layer"] for layer in found["layers"]] == ["linear"]


def test_run_without_shortcuts_has_no_residual_equations(
    logistic: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, "check", str(logistic), "--out", str(tmp_path / "figures"), code=2)
    assert "trained logistic has no residual blocks" in text
    assert not (tmp_path / "figures").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("check", "--depth", "21"), 2, "6n + 2 layers, such as 20 or 26"),
        (("flow", "--depths", "9"), 2, "such as 8 or 14"),
        (("flow", "--training-depth", "57"), 2, "such as 56 or 62"),
        (("flow", "nowhere"), 2, "nowhere is not a run folder"),
        (("check", "nowhere"), 2, "nowhere is not a run folder"),
        (("flow", "nowhere", "--data", "archive"), 2, "--data is for new networks"),
        (("flow", "--data", "nowhere"), 1, "nowhere"),
        (("flow", "--steps", "-1"), 2, "--steps"),
        (("check", "--seed", "-1"), 2, "--seed"),
    ],
)
def test_invalid_usage_is_one_line(
    arguments: tuple[str, ...], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, *arguments, code=code)
    assert message in text
    assert text.count("\n") == 1


def test_network_without_shortcuts_is_refused(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = ("--model", "resnet-basic-1-1-1", "--width", "2", "--shortcut", "none")
    run = trained(archive, tmp_path / "runs", *plain)
    text = printed(capsys, "check", str(run), code=2)
    assert "trained resnet-basic-1-1-1 without shortcuts has no residual blocks" in text


def test_folder_that_is_no_run_is_refused(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is not a run, or damaged" in printed(capsys, "flow", str(archive), code=1)


def test_missing_archive_of_a_run(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moved = archives.ham10000(tmp_path / "moved", lesions=105)
    run = trained(moved, tmp_path / "runs", "--model", "resnet-basic-1-1-1", "--width", "2")
    moved.rename(tmp_path / "elsewhere")
    assert "which no longer exists" in printed(capsys, "flow", str(run), code=2)
    assert archive.exists()


def test_figures_are_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    arguments = ("flow", "--depths", "8", "--width", "2", "--steps", "0", "--out", str(tmp_path))
    assert "already exists" in printed(capsys, *arguments, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_depth_trains_once(archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "depth"
    few = ("--depths", "8", "14", "--seeds", "0", "--epochs", "1", "--width", "2", "--rate", "0.02")
    small = (str(archive), *few, "--out", str(out))
    shown = printed(capsys, "depth", *small)
    assert json.loads((out / "plan.json").read_text())["rate"] == 0.02
    assert "plain: 14 layers end with a training error of" in shown
    assert "always predicting the most common class" in shown
    assert {path.name for path in (out / "figures").iterdir()} == {"depth.png", "course.png"}
    found = json.loads(printed(capsys, "depth", *small, "--json"))
    assert [(one["network"], one["depth"]) for one in found] == [
        ("plain", 8),
        ("residual", 8),
        ("plain", 14),
        ("residual", 14),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--depths", "21"), "6n + 2 layers"),
        (("--rate", "0"), "--rate must be greater than 0"),
        (("--epochs", "0"), "--epochs"),
        (("--seeds", "0", "-1"), "--seeds"),
        (("--preset", "huge"), "--preset"),
    ],
)
def test_invalid_depth_options_are_refused(
    arguments: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in printed(capsys, "depth", *arguments, "--out", str(tmp_path / "out"), code=2)
    assert not (tmp_path / "out").exists()


def test_depth_on_a_missing_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere" in printed(capsys, "depth", "nowhere", "--out", str(tmp_path / "out"), code=1)
    assert not (tmp_path / "out").exists()
