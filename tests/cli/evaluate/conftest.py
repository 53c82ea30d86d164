"""A small archive, and a run that was trained on it."""

import shutil
from pathlib import Path

import archives
import pytest
from evaluations import train_run


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archives.ham10000(tmp_path_factory.mktemp("data") / "archive", lesions=140)


@pytest.fixture(scope="session")
def trained_once(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_run(archive, tmp_path_factory.mktemp("runs"), "--class-weight-power", "1")


@pytest.fixture
def run(trained_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_once, tmp_path / trained_once.name))
