"""Damaged, altered and forged exported bundles are refused with one sentence before they run."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from sample_models import make_sample

from residerm import cli
from residerm.errors import ResidermError, UsageError
from residerm.inference import load
from residerm.inference.export import export_bundle
from residerm.inference.parity import ParityRecord, sha256

Change = Callable[[Path], None]


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def resealed(folder: Path) -> None:
    """Recompute the record for the changed files, as an attacker would."""
    record = ParityRecord.read(folder / "parity.json")
    record.model_copy(update={"files": {name: sha256(folder / name) for name in record.files}}).write(folder)


def setting(name: str, **values: object) -> Change:
    def change(folder: Path) -> None:
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text()) | values))

    return change


def removing(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def cutting(name: str) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-100])


def slower(folder: Path) -> None:
    document = json.loads((folder / "parity.json").read_text())
    document["measured"][0]["milliseconds"] += 1
    (folder / "parity.json").write_text(json.dumps(document))


def altered_graph(alter: Callable[[onnx.ModelProto], None]) -> Change:
    def change(folder: Path) -> None:
        graph = onnx.load(folder / "model.onnx")
        alter(graph)
        onnx.save(graph, folder / "model.onnx")
        resealed(folder)

    return change


def with_external_data(graph: onnx.ModelProto) -> None:
    tensor = next(one for one in graph.graph.initializer if len(one.dims) == 4)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"


def of_another_model(graph: onnx.ModelProto) -> None:
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 40


def with_nan(graph: onnx.ModelProto) -> None:
    for tensor in graph.graph.initializer:
        if len(tensor.dims) == 4:
            tensor.raw_data = np.full(tuple(tensor.dims), np.nan, np.float32).tobytes()


def with_pickle(folder: Path) -> None:
    array = np.empty(1, dtype=object)
    array[0] = pickle.dumps(print)
    np.savez(folder / "classifier.npz", weight=array, bias=array)
    resealed(folder)


def other_classifier(folder: Path) -> None:
    np.savez(folder / "classifier.npz", weight=np.zeros((3, 5), np.float32), bias=np.zeros(3, np.float32))
    resealed(folder)


def outside(folder: Path) -> None:
    record = ParityRecord.read(folder / "parity.json")
    record.model_copy(update={"files": {"../copy/model.onnx": "0"}}).write(folder)


BAD = {
    "no parity record": (removing("parity.json"), "has no parity.json"),
    "an altered number": (slower, "was changed after it was written"),
    "an altered record that claims less": (setting("parity.json", images=10**6), "was changed after it was written"),
    "a record of a newer format": (
        setting("parity.json", format=9),
        r"parity\.json has format 9, from a newer version of residerm: update residerm",
    ),
    "a record of an unknown format": (setting("parity.json", format="one"), "damaged or of another version"),
    "a record that names files elsewhere": (outside, "which is not a file in this folder"),
    "another graph": (cutting("model.onnx"), "does not match parity.json"),
    "another description": (setting("model.json", classes=["c", "b", "a"]), "differ in classes"),
    "a newer format": (setting("model.json", format=3), "from a newer version of residerm: update residerm"),
    "an absurd size": (setting("model.json", pixels={"size": 10**9}), "is damaged"),
    "a graph that is cut short": (lambda folder: (cutting("model.onnx")(folder), resealed(folder)), "is truncated"),
    "a graph that asks for other files": (altered_graph(with_external_data), "refers to other files"),
    "the graph of another model": (altered_graph(of_another_model), "is the graph of another model"),
    "a classifier with objects": (with_pickle, "classifier.npz cannot be read"),
    "the classifier of another model": (other_classifier, "does not fit 3 classes"),
    "no classifier": (removing("classifier.npz"), "classifier.npz is missing"),
    "no graph": (removing("model.onnx"), "is missing"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=list(BAD))
def test_altered_bundle_is_refused(copy: Path, change: Change, message: str) -> None:
    change(copy)
    with pytest.raises(ResidermError, match=message):
        load(copy, runtime="onnx")


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_weights_that_are_not_finite_are_refused(copy: Path, runtime: str) -> None:
    altered_graph(with_nan)(copy)
    with pytest.raises(ResidermError, match=r"model\.onnx contains weights that are not finite"):
        load(copy, runtime=runtime)  # type: ignore[arg-type]


def test_openvino_weights_that_are_not_finite_are_refused(bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "openvino"
    export_bundle(
        [bundle], folder, to="openvino", precision="float32", sample=make_sample(), calibration=make_sample(seed=1)
    )
    content, filters = (folder / "model.bin").read_bytes(), load(folder).classifier
    assert filters
    weights = np.ascontiguousarray(filters[0]).tobytes()
    assert weights in content
    (folder / "model.bin").write_bytes(content.replace(weights, np.full_like(filters[0], np.nan).tobytes()))
    resealed(folder)
    with pytest.raises(ResidermError, match=r"model\.xml contains weights that are not finite"):
        load(folder)


def test_command_line_error_is_one_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    removing("parity.json")(copy)
    assert cli.run(["predict", str(copy), str(copy)]) == 1
    error = capsys.readouterr().err
    assert "has no parity.json" in error
    assert "Traceback" not in error
    assert error.count("\n") == 1


def test_unavailable_runtimes(bundle: Path, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="`runtime=fast` is not known: choose auto, torch, onnx or openvino"):
        load(exported, runtime="fast")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is exported, and cannot be run by torch"):
        load(exported, runtime="torch")
    with pytest.raises(UsageError, match=r"is not exported; residerm export .* --to onnx"):
        load(bundle, runtime="onnx")
    with pytest.raises(UsageError, match="was exported in float32"):
        load(exported, precision="int8")
    monkeypatch.setattr("residerm.inference.loading.is_installed", lambda _: False)
    with pytest.raises(
        ResidermError, match=r"the runtime openvino is not installed: pip install 'residerm\[openvino\]'"
    ):
        load(exported, runtime="openvino")
    with pytest.raises(ResidermError, match=r"the runtime torch is not installed: pip install 'residerm\[train\]'"):
        load(bundle)
