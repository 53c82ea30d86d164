"""The deployment files (Dockerfile, compose file, proxy, systemd unit) match the service; no Docker engine needed."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from residerm.config import ServeOptions

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
HEAVY = {"torch", "torchvision", "timm", "scikit-learn", "matplotlib", "lightning-fabric"}


def dockerfile() -> list[tuple[str, str]]:
    """Instructions and their arguments."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.partition(" ")[0], line.partition(" ")[2].strip()) for line in lines]


def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def unit() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str
    parser.read(DEPLOY / "residerm.service")
    return parser["Service"]


def options(arguments: list[str]) -> ServeOptions:
    """The options of a command line; an unknown flag or value is an error."""
    given, words = {}, [part for word in arguments for part in word.split("=", 1)]
    while words:
        flag = words.pop(0)
        if flag.startswith("--"):
            given[flag[2:].replace("-", "_")] = words.pop(0)
    return ServeOptions.model_validate(given)


def test_image_runs_as_ordinary_user_and_stops_on_sigterm() -> None:
    stages = dict(dockerfile())
    assert stages["USER"] not in ("0", "root")
    assert stages["STOPSIGNAL"] == "SIGTERM"
    assert json.loads(stages["ENTRYPOINT"]) == ["residerm", "serve"]
    asked = options(json.loads(stages["CMD"])[1:])
    assert asked.token_file is not None, "another host than loopback needs a token"
    assert stages["EXPOSE"] == str(asked.port)


def test_image_has_no_torch() -> None:
    installed = next(text for name, text in dockerfile() if name == "RUN" and "residerm[" in text)
    extras = re.search(r"residerm\[([a-z,]+)\]", installed)[1].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)]
    needed = {Requirement(text).name for texts in lists for text in texts}
    assert {"onnxruntime", "fastapi", "pydicom"} <= needed
    assert not needed & HEAVY


def test_copied_files_exist_and_are_not_ignored() -> None:
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    for name in ("src", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        assert f"!{name}" in kept
        assert (ROOT / name).exists()


def test_only_the_proxy_reaches_the_service() -> None:
    services = compose()["services"]
    service, front = services["residerm"], services["front"]
    assert "ports" not in service
    assert compose()["networks"]["inside"]["internal"] is True
    assert list(service["networks"]) == ["inside"]
    for one in (service, front):
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
    asked = options(service["command"][1:])
    assert asked.proxy == compose()["networks"]["inside"]["ipam"]["config"][0]["subnet"]
    assert ip_address(service["networks"]["inside"]["ipv4_address"]) in ip_network(asked.proxy)
    assert str(asked.token_file) == "/run/secrets/token"
    assert int(service["stop_grace_period"].rstrip("s")) > asked.grace


def test_proxy_limits_match_the_service() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    assert f"client_max_body_size {ServeOptions().max_megabytes:g}m;" in text
    assert f"client_body_timeout {ServeOptions().upload_seconds:g}s;" in text
    assert "proxy_request_buffering off" in text, "or bodies would be written to disk"
    for words in ("limit_req zone=", "limit_conn connections", "ssl_protocols TLSv1.2 TLSv1.3", "limit_req_status 429"):
        assert words in text
    assert text.count("{") == text.count("}")
    assert re.search(r"proxy_pass http://residerm:8000;", text)


def test_unit_starts_the_service_and_waits_for_its_grace_period() -> None:
    service = unit()
    command = shlex.split(service["ExecStart"])
    assert command[1:3] == ["serve", "starter"]
    assert int(service["TimeoutStopSec"]) > options(command[3:]).grace
    assert service["SuccessExitStatus"] == "143"
    for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome"):
        assert service[name] == "yes"


def test_systemd_analyze_accepts_the_unit() -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run(
        ["systemd-analyze", "verify", DEPLOY / "residerm.service"], capture_output=True, text=True, check=False
    )
    wrong = [line for line in done.stderr.splitlines() if "residerm.service" in line and "not executable" not in line]
    assert not wrong
