"""The starter model: found by name, small, calibrated, with a complete description."""

from __future__ import annotations

from pathlib import Path

import archives
import numpy as np
import pytest

from residerm.inference import load
from residerm.inference.bundle import STARTER, find_bundle, read_description

pytestmark = pytest.mark.skipif(not STARTER.is_dir(), reason="no starter model has been made: make starter")


def test_starter_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_bundle(Path("starter")) == STARTER


def test_folder_named_starter_takes_precedence(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("starter").symlink_to(bundle)
    assert read_description(Path("starter")).model == read_description(bundle).model


def test_starter_predicts_and_judges() -> None:
    predictor = load("starter")
    probabilities = predictor.predict([archives.make_jpeg(seed, (200, 150)) for seed in range(3)])
    assert probabilities.shape == (3, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert predictor.trust is not None
    assert predictor.trust.classes == predictor.description.classes


def test_starter_is_small_and_described() -> None:
    assert sum(path.stat().st_size for path in STARTER.rglob("*")) <= 10_000_000
    card = (STARTER / "MODEL_CARD.md").read_text(encoding="utf-8")
    for message in ("Not a medical device", "CC BY-NC 4.0", "no test part", "What it must not be used for"):
        assert message in card
    assert "CC BY-NC 4.0" in (STARTER / "LICENCE.txt").read_text(encoding="utf-8")
