"""`residerm bench --inference`: every runtime and precision, with ratios to eager PyTorch."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sample_models import make_description, make_images, make_model, make_sample

from residerm import cli
from residerm.config import ResNetOptions
from residerm.errors import ResidermError, UsageError
from residerm.inference import write_bundle
from residerm.inference.bench import EAGER, CaseSpeeds, Speeds, bench_inference, contenders, measure
from residerm.inference.bench.networks import find_networks
from residerm.inference.bundle import write_ensemble
from residerm.inference.export import export_bundle
from residerm.inference.loading import open_graph
from residerm.inference.parity import Engine, ParityRecord

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
        CaseSpeeds(model="a", size=8, batch=number, rounds=1, milliseconds={}, ratios=ratios)
        for number, ratios in enumerate((first, second))
    )
    speeds = Speeds(processor="", features=(), threads=1, cases=cases, interrupted=False)
    assert speeds.mean_ratio("onnx float32") == pytest.approx(2)
    assert speeds.mean_of_fastest("float32") == pytest.approx(6)
    assert speeds.mean_of_fastest("bf16", "int8") == pytest.approx(12)
    assert speeds.mean_of_fastest("int8") is None  # not measured in every case


def test_the_fastest_without_parity_is_left_out() -> None:
    ratios = {EAGER: 1.0, "onnx float32": 2.0, "openvino bf16": 4.0, "openvino int8": 9.0}
    parity = {"openvino bf16": "folder: bf16"}
    case = CaseSpeeds(model="a", size=8, batch=1, rounds=1, milliseconds={}, ratios=ratios, parity=parity)
    other = CaseSpeeds(model="b", size=8, batch=1, rounds=1, milliseconds={}, ratios={EAGER: 1.0, "onnx float32": 9.0})
    speeds = Speeds(processor="", features=(), threads=1, cases=(case, other), interrupted=False)
    assert (case.fastest_accurate, other.fastest_accurate) == (4, 9)
    assert speeds.mean_of_fastest_accurate == pytest.approx(6)
    assert speeds.parity == ["folder: bf16"]
    assert speeds.runtimes == list(ratios)


@pytest.fixture(scope="module")
def run(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with an export in float32 and two whose weights are stored in float16."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(bundle, folder / "bundle")
    for engine, precision in (("onnx", "float32"), ("onnx", "float16"), ("openvino", "float16")):
        export_bundle(
            [bundle], folder / "exports" / f"{engine}-{precision}", to=engine, precision=precision,  # type: ignore[arg-type]
            sample=make_sample(200), calibration=make_sample(),
        )  # fmt: skip
    return folder


def test_run_is_measured_with_its_exports(run: Path) -> None:
    speeds = bench_inference(run, batches=(1,), rounds=1, threads=1)
    assert [(case.model, case.size) for case in speeds.cases] == [(str(run), 32)]
    reduced = {"onnx float16", "openvino float16"}
    assert set(speeds.cases[0].ratios) == {
        EAGER, "torch fused float32", "onnx float32", "openvino float32", *reduced,
    }  # fmt: skip
    assert set(speeds.cases[0].parity) == reduced
    assert f"{run}/exports/onnx-float16, at 32 px: float16, onnx" in " ".join(speeds.parity)


def test_exported_bundles_join_the_model_that_they_are_of(run: Path, bundle: Path, tmp_path: Path) -> None:
    elsewhere = Path(shutil.copytree(run / "exports" / "onnx-float16", tmp_path / "elsewhere"))
    (together,) = find_networks([elsewhere, bundle], None)
    assert (together.name, together.weights, list(together.passed)) == (str(bundle), bundle, ["onnx float16"])
    (alone,) = find_networks([elsewhere], (24,))
    assert (alone.weights, alone.sizes, list(alone.passed)) == (None, (24,), ["onnx float16"])
    assert alone.build(24).size == 24  # with random weights


def test_own_graph_is_measured_at_its_own_size(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(
        contenders,
        "open_graph",
        lambda folder, *rest, **more: opened.append(folder) or open_graph(folder, *rest, **more),
    )
    (network,) = find_networks([run], None)
    contenders.contenders(network, 32, tmp_path, 1, int8=False)
    assert opened[2:] == [run / "exports" / "onnx-float16", run / "exports" / "openvino-float16"]


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_graph_of_an_export_at_another_size_is_the_same_network(run: Path, tmp_path: Path, engine: Engine) -> None:
    (network,) = find_networks([run], (48,))
    export = next(one for one in network.reduced if one.parity.measured[0].runtime == engine)
    resized = contenders._resized(export, 48, tmp_path, engine, threads=1)
    pixels = make_images().repeat(2, axis=1)[:, :48].repeat(2, axis=2)[:, :, :48]
    model = network.build(32)  # its layers fit all sizes
    expected = contenders._eager(model)(pixels)
    np.testing.assert_allclose(resized(pixels).probabilities, expected.probabilities, atol=2e-3)


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_layers_for_one_size_are_refused_at_another(tmp_path: Path, engine: Engine) -> None:
    model = make_model("cnn", ResNetOptions())
    bundle = write_bundle(model, make_description(model, ResNetOptions()), tmp_path / "bundle")
    export_bundle(
        [bundle], tmp_path / "half", to=engine, precision="float16", sample=make_sample(200), calibration=make_sample()
    )
    with pytest.raises(UsageError, match=r"`sizes=96`: .*half has layers that only fit images of 32 px"):
        bench_inference([bundle, tmp_path / "half"], sizes=(96,), batches=(1,), rounds=1, threads=1)


def test_ensemble_is_measured_at_its_own_size_only(bundle: Path, tmp_path: Path) -> None:
    together = write_ensemble([bundle, bundle], tmp_path / "together")
    assert [case.size for case in bench_inference(together, batches=(1,), rounds=1, threads=1).cases] == [32]
    with pytest.raises(UsageError, match=r"is an ensemble, .* `sizes=32`"):
        bench_inference(together, sizes=(48,), batches=(1,), rounds=1, threads=1)


def test_export_that_did_not_pass_is_refused(run: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(run / "exports" / "onnx-float16", tmp_path / "failed"))
    record = ParityRecord.read(folder / "parity.json")
    without = tuple(one.model_copy(update={"scores": None}) for one in record.measured)
    record.model_copy(update={"measured": without}).write(folder)
    with pytest.raises(ResidermError, match="did not pass the check of parity"):
        bench_inference(folder, batches=(1,), rounds=1, threads=1)


def test_command_prints_parity(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--inference", str(run), "logistic", *QUICK]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for expected in (
        "parity passed", "parity not known", "16 px", "24 px",
        f"parity passed: {run}/exports/openvino-float16, at 32 px: float16, openvino",
        "the fastest in each case in float32 or with parity passed, geometric mean:",
    ):  # fmt: skip
        assert expected in printed


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
