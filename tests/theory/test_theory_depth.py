"""The degradation experiment: equal conditions, reproducible errors, and resuming."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import archives
import interrupted_depth
import numpy as np
import pytest
from recorded_progress import RecordedProgress

from residerm.data.archives import open_archive
from residerm.errors import UsageError
from residerm.files import WriteError
from residerm.inference import load
from residerm.runs import find_runs
from residerm.theory import readings
from residerm.theory.depth import PRESETS, Cell, Outcome, Plan, experiment, run_depth


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    archive = archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=105)
    return Plan(
        path=archive, depths=(8, 14), seeds=(0,), epochs=2, width=2, batch_size=32, rate=0.05, precision="float32"
    )


@pytest.fixture(scope="module")
def done(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    out = tmp_path_factory.mktemp("depth") / "out"
    return out, run_depth(plan, out)


def without_clocks(outcomes: list[Outcome]) -> list[Outcome]:
    return [one.model_copy(update={"minutes": 0.0}) for one in outcomes]


def test_every_cell_is_trained_once_with_equal_parameter_counts(
    done: tuple[Path, list[Outcome]],
) -> None:
    out, outcomes = done
    assert [one.cell.name for one in outcomes] == ["plain-8-s0", "residual-8-s0", "plain-14-s0", "residual-14-s0"]
    assert outcomes[0].parameters == outcomes[1].parameters < outcomes[2].parameters == outcomes[3].parameters
    assert {path.name for path in out.iterdir()} == {"plan.json", *(one.cell.name for one in outcomes)}
    assert all(len(one.training_errors) == len(one.validation_errors) == 2 for one in outcomes)


def test_errors_are_those_of_the_saved_models(plan: Plan, done: tuple[Path, list[Outcome]]) -> None:
    """Computed again from the saved files through the public API."""
    out, outcomes = done
    checked = 0
    for one in outcomes:
        (run,) = find_runs(out / one.cell.name)
        if run.summary.chosen_epoch != plan.epochs:
            continue  # the bundle then holds other weights than the last ones
        predictor, records = load(run.folder), open_archive(plan.path)
        parts = {row["image_id"]: row["part"] for row in csv.DictReader((run.folder / "splits.csv").open())}
        for part, error in (("train", one.training_error), ("validation", one.validation_error)):
            rows = [row for row in range(len(records)) if parts[records.image_id(row)] == part]
            named = predictor.predict([records.read(row) for row in rows]).argmax(axis=1)
            assert np.mean(named != records.labels[rows]) == pytest.approx(error, abs=1e-9)
            checked += 1
    assert checked, "at least one of four networks is best at its last epoch"


def test_finished_cells_are_not_trained_again(plan: Plan, done: tuple[Path, list[Outcome]]) -> None:
    out, outcomes = done
    progress = RecordedProgress()
    assert run_depth(plan, out, progress) == outcomes
    assert progress.steps == []


def test_interrupted_experiment_resumes(plan: Plan, done: tuple[Path, list[Outcome]], tmp_path: Path) -> None:
    plan, out = plan.model_copy(update={"depths": (8,)}), tmp_path / "out"
    command = [sys.executable, interrupted_depth.__file__, plan.model_dump_json(), out]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "stopped by Ctrl-C" in process.stdout, process.stderr
    assert (out / "plain-8-s0" / "errors.json").exists()
    assert not (out / "residual-8-s0" / "errors.json").exists()
    progress = RecordedProgress()
    again = run_depth(plan, out, progress)
    trained = [step for stage, step in zip(progress.stages, progress.steps, strict=True) if stage == "training"]
    assert trained == [(4, 4)], "what was done before is not done again"
    assert without_clocks(again) == without_clocks(done[1][:2])


def test_runs_differ_only_in_depth_shortcut_and_seed() -> None:
    full = PRESETS["full"]
    assert len(full.cells) == 12
    flat = [experiment(full, cell, Path("archive")).flat() for cell in full.cells]
    differing = {name for name in flat[0] if len({json.dumps(one[name]) for one in flat}) > 1}
    assert differing == {"model", "shortcut", "seed"}
    assert not flat[0]["augment"]
    assert experiment(full, Cell(0, 26, residual=True), Path("archive")).network.model == "resnet-basic-4-4-4"


def test_another_plan_in_the_same_folder_is_refused(plan: Plan, done: tuple[Path, list[Outcome]]) -> None:
    with pytest.raises(UsageError, match="was started with epochs 2, not 3"):
        run_depth(plan.model_copy(update={"epochs": 3}), done[0])


def test_damaged_plan_is_refused(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read"):
        run_depth(plan, tmp_path)


def test_invalid_plan_leaves_nothing(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="6n \\+ 2 layers, such as 20 or 26"):
        run_depth(plan.model_copy(update={"depths": (20, 21)}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WriteError, match="already exists"):
        run_depth(plan, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def outcome(kind: str, depth: int, seed: int, error: float) -> Outcome:
    return Outcome(
        cell=Cell(seed, depth, kind == "residual"), training_error=error, validation_error=error, training_loss=1.0,
        baselines=(0.3, 0.3), parameters=10, minutes=1.0, training_errors=[1.0], validation_errors=[error],
    )  # fmt: skip


def test_conclusions_are_limited_to_the_seeds() -> None:
    worse = [outcome("plain", 20, 0, 0.20), outcome("plain", 20, 1, 0.22), outcome("plain", 56, 0, 0.25),
             outcome("plain", 56, 1, 0.23)]  # fmt: skip
    unclear = [outcome("residual", 20, 0, 0.2), outcome("residual", 20, 1, 0.3), outcome("residual", 56, 0, 0.25)]
    plain, residual = readings.of_depths(worse + unclear)
    assert plain.startswith("plain: 56 layers end with a training error of 24.0% (23.0% to 25.0%), 20 with 21.0%")
    assert "with every seed, deeper is harder to fit" in plain
    assert "the seeds overlap" in residual
    kinds = ("plain", "residual")
    better = [outcome(kind, depth, seed, 5 / depth) for kind in kinds for depth in (20, 56) for seed in (0, 1)]
    assert all("with every seed, deeper fits better" in reading for reading in readings.of_depths(better))
    assert all("one seed cannot rule out chance" in reading for reading in readings.of_depths(better[::2]))
    assert "give two or more" in readings.of_depths(worse[:2])[0]
