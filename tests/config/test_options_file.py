"""Malicious YAML is refused quickly, with a single short line and never a traceback."""

import time
from pathlib import Path

import pytest
import yaml

from residerm import cli
from residerm.config.options_file import parse_options
from residerm.errors import UsageError
from residerm.runs import read_options


def billion_laughs(levels: int) -> bytes:
    """Each level refers to the previous one nine times."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join([*lines, f"model: *a{levels - 1}"]).encode()


HOSTILE = {
    "aliases": (billion_laughs(4), "aliases"),
    "many aliases": (billion_laughs(12), "aliases"),
    "an alias of itself": (b"&a model: [*a]", "aliases"),
    "merged keys": (b"base: &b {epochs: 1}\n<<: *b", "aliases"),
    "nesting": (b"model: " + b"[" * 100_000, "levels deep"),
    "nested keys": (b"{" * 5000, "levels deep"),
    "nested lists": (b"- " * 20_000 + b"a", "levels deep"),
    "a number as a key": (b"1: 2", "1 is not the name of an option"),
    "nothing as a key": (b"~: 2", "None is not the name of an option"),
    "a list as a key": (b"? [a, b]\n: 2", "unhashable"),
    "a number of 6,000 digits": (b"epochs: " + b"9" * 6000, "4300"),
    "a hexadecimal number of 6,000 digits": (b"epochs: 0x" + b"f" * 6000, "epochs"),
    "a number in base 60": (b"epochs: 1" + b":59" * 3000, "epochs"),
    "NUL": (b"epochs: 1\0", "special characters are not allowed"),
    "escapes": (b"model: \x1b[31m", "special characters are not allowed"),
    "an escape in quotes": (b'size: "\\e[31m"', "size is"),
    "not UTF-8": (b"model: \xff\xfe", "cannot be read as YAML"),
    "an impossible date": (b"epochs: 2026-13-45", "month must be in 1..12"),
    "a Python object": (b"epochs: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
    "a list": (b"- a\n- b", "option: value"),
    "nothing": (b"", "option: value"),
    "two documents": (b"epochs: 1\n---\nepochs: 2", "expected a single document"),
    "a long file": (b"# " + b"a" * 2**20, "1,048,576 bytes"),
    "a long value": (b"epochs: " + b"a" * 100_000, "epochs"),
    "a long name": (b"a" * 1000 + b": 1", "there is no option"),
}


@pytest.mark.parametrize(("content", "complaint"), HOSTILE.values(), ids=HOSTILE)
def test_malicious_files_are_refused(
    content: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    start = time.process_time()
    assert cli.run(["train", str(tmp_path), "--config", str(path), "--dry-run"]) in (1, 2)
    assert time.process_time() - start < 5
    error = capsys.readouterr().err
    assert error.startswith("residerm: ")
    assert complaint in error
    assert len(error) < 1000
    assert error.count("\n") == 1
    assert "\x1b" not in error


def test_valid_options_are_read(tmp_path: Path) -> None:
    content = b"path: a\nepochs: 3\nwithout: [a, b]\nmodel: 'resnet18'  # a remark\n"
    assert parse_options(content, "it") == yaml.safe_load(content)
    (tmp_path / "a.yaml").write_bytes(content)
    assert read_options(tmp_path / "a.yaml", "it")["epochs"] == 3


def test_pipes_are_refused() -> None:
    with pytest.raises(UsageError, match="a pipe or a device"):
        read_options(Path("/dev/zero"), "it")


@pytest.mark.parametrize("option", ["seed", "split-seed", "epochs", "batch-size", "width", "raise-to", "devices"])
@pytest.mark.parametrize("value", ["99999999999999999999", "9" * 6000, "-1", "1e400", "nan"])
def test_numbers_out_of_range_are_refused(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["train", str(tmp_path), f"--{option}", value, "--dry-run"]) == 2
    error = capsys.readouterr().err
    assert f"--{option}" in error
    assert len(error) < 1000
    assert "Traceback" not in error
