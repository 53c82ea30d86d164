"""`residerm models`: list, search, cost and unknown names."""

import json
import subprocess
import sys

import pytest

from residerm import cli


def test_own_models_are_listed_with_their_cost(capsys):
    assert cli.run(["models", "--size", "224", "--classes", "1000"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["resnet50", "residerm", "25.557", "4,089.2"] in lines
    assert [line[0] for line in lines if "residerm" in line[1:2]][-2:] == ["cnn", "logistic"]
    assert any("resnet-basic-2-2-2-2," in line for line in lines), "and how any other depth is named"


def test_pattern_searches_timm_too(capsys):
    assert cli.run(["models", "vgg19", "--size", "32", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "name": "vgg19",
        "source": "timm",
        "size": 32,
        "classes": 7,
        "parameters": 139_598_919,
        "multiply_adds": first["multiply_adds"],
    }
    assert second["name"] == "vgg19_bn"
    assert first["multiply_adds"] == second["multiply_adds"] > 4e8


def test_too_small_image_size_is_shown(capsys):
    assert cli.run(["models", "inception_v3", "--size", "64"]) == 0
    shown = capsys.readouterr().out
    assert ["inception_v3", "timm", "–", "–"] in [line.split() for line in shown.splitlines()]
    assert "–: does not support images of 64 px; try a larger --size" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resnat5"], "no model matches 'resnat5': give part of a name. Did you mean resnet5"),
        (["cnn", "--classes", "0"], "a model needs at least one class and one pixel, not 0 classes and 64 pixels"),
        (["cnn", "--size", "-1"], "not 7 classes and -1 pixels"),
        (["cnn", "--sise", "64"], "--sise"),
        (["resnet-basic-999-1-1"], "--model resnet-basic-999-1-1 has 1,001 blocks; the limit is 1,000"),
    ],
)
def test_invalid_arguments_are_refused(capsys, arguments, message):
    assert cli.run(["models", *arguments]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_own_models_are_listed_without_importing_timm():
    code = "import sys; from residerm import cli; sys.exit(cli.run(['models']) or 'timm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
