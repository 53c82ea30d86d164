"""The observed accuracy at a confidence, from an evaluation on the model's own test part."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import colour_service
import pytest
import scipy.stats

from residerm.inference.observations import OBSERVED, Observations
from residerm.scores.results import ReliabilityBin
from residerm.service import observed
from residerm.service.answers import Observed

BINS = [
    {"low": 0.8, "high": 0.9, "n": 100, "confidence": 0.85, "accuracy": 0.7},
    {"low": 0.9, "high": 1.0, "n": 5, "confidence": 0.95, "accuracy": 1.0},
]


def scores(**changes: Any) -> SimpleNamespace:
    bins = [SimpleNamespace(**one) for one in BINS]
    fields = {"part": "test", "classes": colour_service.CLASSES, "tta": False, "prior": False, "without": None}
    return SimpleNamespace(**fields | {"archive": "colours", "reliability": bins, "trust": None} | changes)


def read(monkeypatch: pytest.MonkeyPatch, found: SimpleNamespace, folder: Path) -> tuple[Observed, ...]:
    monkeypatch.setattr(observed.EvaluationScores, "read", lambda _: found)
    return observed.read_observed(colour_service.ColourPredictor(trust=None), folder)


def test_ranges_with_enough_images_are_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (one,) = read(monkeypatch, scores(), tmp_path)
    assert (one.low, one.high, one.correct, one.images) == (0.8, 0.9, 0.7, 100)
    exact = scipy.stats.binomtest(70, 100).proportion_ci(method="wilson")
    assert one.interval == pytest.approx(exact, abs=1e-4)
    assert observed.at(0.85, [one]) == one
    assert observed.at(0.95, [one]) is None


@pytest.mark.parametrize(
    "changes", [{"part": "validation"}, {"tta": True}, {"prior": True}, {"classes": ("a",)}, {"without": "lesion"}]
)
def test_other_evaluations_are_ignored(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, changes: dict[str, Any]
) -> None:
    assert read(monkeypatch, scores(**changes), tmp_path) == ()


def test_uncalibrated_evaluation_is_ignored_for_a_calibrated_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(observed.EvaluationScores, "read", lambda _: scores())
    assert observed.read_observed(colour_service.ColourPredictor(), tmp_path) == ()


def test_damaged_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text(json.dumps({"format": 1}))
    assert observed.read_observed(colour_service.ColourPredictor(), tmp_path) == ()


def test_stored_observations_of_a_model_without_test_part(tmp_path: Path) -> None:
    ranges = [ReliabilityBin.model_validate(one) for one in BINS]
    Observations(where="the test parts of 3 networks", ranges=ranges).write(tmp_path / OBSERVED)
    (one,) = observed.read_observed(colour_service.ColourPredictor(), tmp_path)
    assert (one.images, one.part) == (100, "the test parts of 3 networks")
    assert observed.read_observed(colour_service.ColourPredictor(trust=None), tmp_path) == (), "they were calibrated"


def test_no_observations_without_a_folder() -> None:
    assert observed.read_observed(colour_service.ColourPredictor(), None) == ()
