"""`residerm data cache`, and help for common mistakes on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import archives
import pytest

from residerm import cli
from residerm.config import PixelSpec
from residerm.data.archives import open_archive
from residerm.data.loading.cache import open_cache


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "caches"
    monkeypatch.setenv("RESIDERM_CACHE", str(folder))
    records = open_archive(archives.ham10000(tmp_path / "archive", lesions=7))
    for size in (8, 16):
        open_cache(records, PixelSpec(size=size))
    return folder


def test_caches_are_listed_and_cleared(caches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["data", "cache", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {one["size"] for one in listed} == {8, 16}
    small = next(Path(one["folder"]).name for one in listed if one["size"] == 8)
    assert cli.run(["data", "cache", small[:10], "--clear"]) == 0
    assert "1 caches cleared" in capsys.readouterr().out
    assert cli.run(["data", "cache"]) == 0
    shown = capsys.readouterr().out
    assert "16 px" in shown
    assert "8 px" not in shown
    assert cli.run(["data", "cache", "--clear"]) == 0
    assert not list(caches.glob("*/cache.json"))
    capsys.readouterr()
    assert cli.run(["data", "cache"]) == 0
    assert capsys.readouterr().out == "no caches\n"


def test_missing_cache(caches: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["data", "cache", "zzz", "--clear"]) == 2
    assert "has no cache zzz" in capsys.readouterr().err
    assert len(list(caches.glob("*/cache.json"))) == 2


@pytest.mark.parametrize(
    ("given", "meant"), [("--lr", "--rate"), ("--learning-rate", "--rate"), ("--wd", "--weight-decay"),
                         ("--epoch", "--epochs"), ("--modle", "--model")],
)  # fmt: skip
def test_option_names_of_other_libraries_are_explained(
    given: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", "archive", given, "3"]) == 2
    assert f"Unknown option: {given}. Did you mean {meant}" in capsys.readouterr().err


def test_help_shows_groups_and_one_form_of_a_switch(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["train", "--help"])
    shown = capsys.readouterr().out
    titles = ["Data and image size", "Split", "Network", "Optimisation and run", "Augmentation"]
    assert [shown.index(title) for title in titles] == sorted(shown.index(title) for title in titles)
    assert "--no-augment" in shown
    assert "--no-tensorboard" not in shown
    assert "--no-dry-run" not in shown
    cli.run(["predict", "--help"])
    assert "--no-json" not in capsys.readouterr().out
