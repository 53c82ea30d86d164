"""Answers: calibrated probabilities, predicted class, sets, abstention and outliers, with and without trust."""

import csv
import json
from pathlib import Path

import archives
import numpy as np
import pytest
from sample_models import make_description, make_images, make_model
from sample_outputs import CLASSES, SHARES, LabelledOutputs, make_outputs, make_trust

from residerm import cli
from residerm.config import ResNetOptions
from residerm.errors import UsageError
from residerm.inference import Predictor, load
from residerm.inference.answers import Rule
from residerm.inference.bundle import write_bundle
from residerm.inference.prediction import predict
from residerm.outputs import Outputs
from residerm.trust import Trust

SEVEN = {"classes": CLASSES, "prior": (0.4, *[0.1] * 6)}


class _Fixed:
    """A runtime with fixed outputs."""

    name, precision, classifier = "fixed", "float32", None

    def __init__(self, outputs: Outputs) -> None:
        self._outputs = outputs

    def run(self, pixels: np.ndarray, maps: bool) -> Outputs:
        assert not maps
        return Outputs(self._outputs.logits[: len(pixels)], self._outputs.features[: len(pixels)])


def _predictor(trust: Trust | None, outputs: LabelledOutputs) -> Predictor:
    about = make_description(make_model("resnet20", ResNetOptions()), ResNetOptions()).model_copy(update=SEVEN)
    return Predictor(about, _Fixed(outputs.outputs), trust)


def test_answers_without_trust_are_softmax_probabilities() -> None:
    outputs = make_outputs(20)
    answers = Rule(_predictor(None, outputs)).answer(outputs.outputs)
    np.testing.assert_array_equal(answers.probabilities, outputs.outputs.probabilities)
    assert answers.judgements is None
    assert set(answers.remarks) == {()}


def test_answers_with_trust_are_calibrated() -> None:
    outputs, trust = make_outputs(60, seed=3), make_trust()
    rule = Rule(_predictor(trust, outputs))
    answers = rule.answer(outputs.outputs)
    np.testing.assert_array_equal(answers.probabilities, trust.judge(outputs.outputs).probabilities)
    np.testing.assert_array_equal(answers.predicted, answers.probabilities.argmax(axis=1))
    abstained = [any("cannot tell" in text for text in one) for one in answers.remarks]
    np.testing.assert_array_equal(abstained, answers.judgements.abstain)
    unlike = [any("unlike the training images" in text for text in one) for one in answers.remarks]
    np.testing.assert_array_equal(unlike, answers.judgements.outlier)


def test_balanced_decision_divides_by_the_prior() -> None:
    outputs = make_outputs(60, seed=3)
    trust = make_trust(make_outputs(2000))
    assert trust.summary.calibration.kind == "vector"
    rule = Rule(_predictor(trust, outputs), decide="balanced")
    assert rule.prior[5] == pytest.approx(SHARES[5], abs=0.05)
    shares = rule.answer(outputs.outputs).probabilities
    np.testing.assert_array_equal(rule.name(shares), (shares / rule.prior).argmax(axis=1))


def test_malignant_decision_uses_a_threshold() -> None:
    outputs, trust = make_outputs(60, seed=3), make_trust()
    rule = Rule(_predictor(trust, outputs), decide="malignant", sensitivity=0.9)
    malignant = np.isin(CLASSES, ("akiec", "bcc", "mel"))
    shares = rule.answer(outputs.outputs).probabilities
    np.testing.assert_array_equal(
        malignant[rule.name(shares)], shares @ malignant >= trust.malignancy_threshold(0.9).threshold
    )
    assert "of 122 malignant lesions" in rule.threshold.explained
    with pytest.raises(UsageError, match="this model does not have"):
        Rule(_predictor(None, outputs), decide="malignant").require()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with trust fitted on its outputs for noise."""
    model = make_model("resnet20", ResNetOptions())
    about = make_description(model, ResNetOptions()).model_copy(update=SEVEN)
    plain = write_bundle(_seven(model), about, tmp_path_factory.mktemp("plain") / "bundle")
    outputs = load(plain).outputs(make_images(140))
    labels, groups = np.arange(140) // 2 % 7, np.arange(140) // 2
    trust = Trust.fit(outputs.logits, labels, groups, outputs.features, outputs.features, labels, classes=CLASSES)
    return write_bundle(_seven(model), about, tmp_path_factory.mktemp("judged") / "bundle", trust)


def _seven(model):
    import torch

    from residerm.models import build

    torch.manual_seed(0)
    seven = build(model.name, 7, 32, resnet=ResNetOptions())
    seven.set_colours((0.7, 0.5, 0.5), (0.2, 0.2, 0.1))
    return seven.eval()


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(archives.make_jpeg(1, (60, 40)))
    return path


def test_predict_prints_remarks(bundle: Path, photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["predict", str(bundle), str(photograph)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "cannot be ruled out" in printed
    assert "photograph.jpg: cannot tell" in printed
    assert "photograph.jpg: unlike the training images" in printed
    assert "were fitted on 70 lesions of the validation part" in printed
    assert "not for each patient" in printed
    assert "Not a medical device" in printed


def test_predict_writes_judgements(bundle: Path, photograph: Path, tmp_path: Path) -> None:
    (line,) = predict(bundle, [photograph])
    assert line.judgement.outlier
    for name in ("answers.csv", "answers.json"):
        assert cli.run(["predict", str(bundle), str(photograph), "--out", str(tmp_path / name)]) == 0
    (row,) = csv.DictReader((tmp_path / "answers.csv").read_text().splitlines())
    assert row["prediction_set"].split() == list(line.judgement.prediction_set)
    assert (row["abstained"], row["outlier"]) == ("yes", "yes")
    assert row["remarks"] == "; ".join(line.judgement.remarks)
    document = json.loads((tmp_path / "answers.json").read_text())
    assert document["predictions"][0]["prediction_set"] == list(line.judgement.prediction_set)
    assert document["trust"]["lesions"] == 70


def test_predict_by_a_sensitivity(bundle: Path, photograph: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["predict", str(bundle), str(photograph), "--decide", "malignant"]
    assert cli.run([*given, "--sensitivity", "0.9"]) == 0
    assert "of 30 malignant lesions" in " ".join(capsys.readouterr().err.split())
    assert cli.run([*given, "--sensitivity", "0.99"]) == 2
    assert "requires 99 malignant validation lesions, but there are 30" in capsys.readouterr().err
    assert cli.run([*given, "--sensitivity", "1.5"]) == 2
