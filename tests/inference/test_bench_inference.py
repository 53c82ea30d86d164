"""`residerm bench --inference`: every runtime and precision, with ratios to eager PyTorch."""

import json
from pathlib import Path

import pytest
from sample_models import make_description, make_model

from residerm import cli
from residerm.config import ResNetOptions
from residerm.inference import write_bundle
from residerm.inference.bench import EAGER, Case, Speeds, bench_inference, measure

QUICK = ("--sizes", "16", "24", "--batches", "1", "--rounds", "2", "--threads", "1")


def test_every_runtime_is_measured() -> None:
    speeds = bench_inference(["resnet20", "cnn"], sizes=(32,), batches=(1, 3), rounds=1, threads=1, int8=False)
    cases = [(case.model, case.size, case.batch) for case in speeds.cases]
    assert cases == [("resnet20", 32, 1), ("resnet20", 32, 3), ("cnn", 32, 1), ("cnn", 32, 3)]
    for case in speeds.cases:
        assert {EAGER, "torch fused float32", "onnx float32", "openvino float32"} <= set(case.ratios)
        assert case.ratios[EAGER] == 1
        assert all(milliseconds > 0 for milliseconds in case.milliseconds.values())
    assert len(speeds.of("cnn").cases) == 2


def test_geometric_means_over_the_cases() -> None:
    first = {EAGER: 1.0, "onnx float32": 4.0, "openvino float32": 2.0, "openvino bf16": 9.0}
    second = {EAGER: 1.0, "onnx float32": 1.0, "openvino float32": 9.0, "openvino bf16": 4.0, "openvino int8": 16.0}
    cases = tuple(
        Case(model="a", size=8, batch=number, rounds=1, milliseconds={}, ratios=ratios)
        for number, ratios in enumerate((first, second))
    )
    speeds = Speeds(processor="", features=(), threads=1, cases=cases, interrupted=False)
    assert speeds.mean_ratio("onnx float32") == pytest.approx(2)
    assert speeds.mean_of_fastest("float32") == pytest.approx(6)
    assert speeds.mean_of_fastest("bf16", "int8") == pytest.approx(12)
    assert speeds.mean_of_fastest("int8") is None  # not measured in every case


def test_bundle_is_measured_at_its_own_size(tmp_path: Path) -> None:
    model = make_model("resnet20", ResNetOptions())
    bundle = write_bundle(model, make_description(model, ResNetOptions()), tmp_path / "bundle")
    speeds = bench_inference(bundle, sizes=(999,), batches=(1,), rounds=1, threads=1, int8=False)
    assert [(case.model, case.size) for case in speeds.cases] == [(str(bundle), model.size)]


def test_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--inference", "logistic", "cnn", *QUICK]) == 0
    printed, progress = capsys.readouterr()
    for expected in ("logistic", "cnn", "16 px", "24 px", "geometric means over all", "in float32", "medians of 2"):
        assert expected in printed
    assert "2 rounds take about" in progress


def test_command_prints_only_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--inference", "logistic", *QUICK, "--minutes", "0.000001", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(case["size"], case["rounds"]) for case in found["cases"]] == [(16, 1), (24, 1)]  # minutes: one round
    assert not found["interrupted"]


def test_ctrl_c_shows_complete_rounds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    take, turns = measure._Turns.take, []

    def interrupted(self: measure._Turns) -> None:
        turns.append(self.name)
        if len(turns) == 2:
            raise KeyboardInterrupt
        take(self)

    monkeypatch.setattr(measure._Turns, "take", interrupted)
    assert cli.run(["bench", "--inference", "logistic", *QUICK, "--json"]) == 130
    found = json.loads(capsys.readouterr().out)
    assert [case["size"] for case in found["cases"]] == [16]
    assert found["interrupted"]


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--inference", "resnet20", "resnet5O", *QUICK]) == 2
    assert "resnet5O" in capsys.readouterr().err
