"""Every command from Python: examples in docstrings, and the errors of the command line."""

from __future__ import annotations

import ast
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cyclopts import App
from PIL import Image

import residerm
from residerm import commands
from residerm.cli import app
from residerm.commands.arguments import sources_of
from residerm.errors import ArchiveError, UsageError
from residerm.runs import Run

PAGE = Path(__file__).parents[1] / "docs" / "make_python_page.py"


@pytest.fixture(scope="module")
def page():
    spec = importlib.util.spec_from_file_location("make_python_page", PAGE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def done(page, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The results of all examples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("examples"))
        names: dict[str, object] = {"residerm": residerm}
        exec(page.examples(), names)
        names["folder"], names["run"] = Path.cwd(), Run(names["run"].folder.absolute())
    return names


def test_python_page_is_up_to_date(page) -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.page(), "make docs"


def test_every_example_runs(done: dict[str, object]) -> None:
    assert done["statistics"].images == 210
    assert done["run"].summary.epochs == 2
    assert (done["run"].folder / "evaluations" / done["evaluation"].folder.name).is_dir()
    assert done["speeds"].images_per_second["loop"] > 0
    assert (done["folder"] / "preview.png").is_file()


def test_image_as_path_bytes_or_array(done: dict[str, object]) -> None:
    path = done["folder"] / "preview.png"
    picture = Image.open(path).convert("RGB")
    given = [path, str(path), path.read_bytes(), picture, np.asarray(picture)]
    lines = commands.predict(done["run"], given)
    assert len({line.probabilities for line in lines}) == 1
    assert not any(line.error for line in lines)


def test_every_command_has_a_function() -> None:
    """The table of docs/python.md lists exactly the commands of `residerm --help` and its groups."""
    assert set(commands.COMMANDS) == set(typed(app))
    for command, functions in commands.COMMANDS.items():
        verb = command.rpartition(" ")[2]
        assert any(verb.removesuffix("s") in name for name in functions), command
    names = [name for functions in commands.COMMANDS.values() for name in functions]
    assert sorted(names) == sorted(set(commands.__all__) - {"COMMANDS"})


def typed(group: App, before: str = "") -> list[str]:
    """The commands below a group, as they are typed."""
    names = [name for name in group if not name.startswith("-")]
    groups = {name: group[name] for name in names if name in ("data", "theory")}
    below = [command for name, inner in groups.items() for command in typed(inner, f"{name} ")]
    return [before + name for name in names if name not in groups] + below


def test_functions_are_exported_and_typed() -> None:
    stub = ast.parse(Path(residerm.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
    imported = {name.name for line in stub.body if isinstance(line, ast.ImportFrom) for name in line.names}
    assert imported == set(residerm.__all__) - {"__version__"}
    for functions in commands.COMMANDS.values():
        for name in functions:
            assert getattr(residerm, name) is getattr(commands, name)
            assert "Example:" in (inspect.getdoc(getattr(commands, name)) or "")


def test_function_options_are_flat() -> None:
    """Functions take options by name; only the command line has groups of options."""
    for functions in commands.COMMANDS.values():
        for name in functions:
            for parameter in inspect.signature(getattr(commands, name)).parameters.values():
                assert "Options" not in str(parameter.annotation), name


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: residerm.train("nowhere", lerning_rate=1), "train: there is no option 'lerning_rate'. Did you mean"),
        (lambda: residerm.train("nowhere", epochs="many"), "train: epochs is 'many': input should be a valid integer"),
        (lambda: residerm.train("nowhere", rate=float("inf")), "train: rate is inf: input should be a finite number"),
        (lambda: residerm.train(), "PATH is missing"),
        (lambda: residerm.train(residerm.Experiment(path="x"), epochs=3), "holds all options"),
        (lambda: residerm.train("nowhere", preset="papper"), "Did you mean paper"),
        (lambda: residerm.evaluate("nowhere", ttta=True), "evaluate: there is no option 'ttta'. Did you mean tta"),
        (lambda: residerm.split("nowhere", test=2), "split: test is 2"),
        (lambda: residerm.synth("nowhere", images=3), "synth: images is 3"),
        (lambda: sources_of([b"", np.zeros((4, 4, 3))]), "image 2: an array of images is uint8"),
        (lambda: sources_of(3), "image 1: give a path, bytes"),
    ],
)
def test_invalid_arguments_are_refused(call, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nowhere").mkdir()
    with pytest.raises(UsageError) as refused:
        call()
    assert message in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["nowhere"]


@pytest.mark.parametrize("command", [residerm.check, residerm.stats, residerm.split, residerm.open_archive])
def test_nul_in_the_path_of_an_archive(command: Callable[[str], object]) -> None:
    with pytest.raises(ArchiveError, match="its name contains a NUL, which no file name can"):
        command("a\0b")


def test_nul_in_the_path_of_an_image() -> None:
    (line,) = residerm.predict("starter", ["a\0b.jpg"])
    assert line.error == "it cannot be read: its name contains a NUL, which no file name can"
