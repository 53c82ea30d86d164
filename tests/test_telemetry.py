"""Other packages report nothing: their telemetry would leave an id of the machine in the home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

STARTER = Path(__file__).parents[1] / "src" / "residerm" / "starter" / "model.onnx"
EXPORT = f"""
import time, residerm
from pathlib import Path
from residerm.inference import conversion
conversion.write_openvino(Path({str(STARTER)!r}), Path("."))
from nncf.telemetry import telemetry
telemetry.send_event("test", "test", "test")
time.sleep(1)
"""
PREDICT = """
import residerm, time
residerm.load("starter")
time.sleep(1)
"""


def files_at_home(code: str, folder: Path) -> list[Path]:
    home = folder / "home"
    home.mkdir()
    unset = ("ORT_DISABLE_TELEMETRY", "NNCF_CI", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in unset} | {"HOME": str(home)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    return [path for path in home.rglob("*") if path.is_file()]


def test_a_prediction_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    assert files_at_home(PREDICT, tmp_path) == []


@pytest.mark.slow
def test_an_export_leaves_nothing_in_the_home_folder(tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    assert files_at_home(EXPORT, tmp_path) == []
