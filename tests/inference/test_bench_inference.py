"""What `residerm bench --inference` measures: every runtime and precision, with ratios against eager PyTorch."""

import json

import pytest

from residerm import cli
from residerm.inference.bench import EAGER, bench_inference


def test_every_runtime_takes_its_turn() -> None:
    speeds = bench_inference("resnet20", sizes=(32,), batches=(1, 3), rounds=1, threads=1, int8=False)
    assert [(case.size, case.batch) for case in speeds.cases] == [(32, 1), (32, 3)]
    for case in speeds.cases:
        assert {EAGER, "torch fused float32", "onnx float32", "openvino float32"} <= set(case.ratios)
        assert case.ratios[EAGER] == 1
        assert all(milliseconds > 0 for milliseconds in case.milliseconds.values())
    mean = speeds.mean_ratio("onnx float32")
    first, second = (case.ratios["onnx float32"] for case in speeds.cases)
    assert mean == pytest.approx((first * second) ** 0.5)


def test_the_command_prints_json_alone(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--inference", "logistic", "--sizes", "16", "--batches", "1", "--rounds", "1", "--threads", "1", "--json"]
    assert cli.run(["bench", *given]) == 0
    assert json.loads(capsys.readouterr().out)["cases"][0]["size"] == 16
