"""The benchmark of the service: its client and the malformed requests."""

from __future__ import annotations

import base64
import sys

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode, make_pixels

from residerm import cli
from residerm.service.bench import measure
from residerm.service.bench.hostile import Hostile
from residerm.service.bench.load import Load, Outcome, Plan, client
from residerm.service.bench.measure import Turns

PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")


def run(address: str, image: bytes = PHOTO, **plan: object) -> Outcome:
    port = httpx.URL(address).port
    return Load(Plan.model_validate({"port": port, "image": base64.b64encode(image).decode(), **plan})).run()


def test_closed_loop_clients_are_answered() -> None:
    with colour_service.serve_in_thread(colour_service.make_app()) as address:
        outcome = run(address, mode="closed", seconds=0.5, connections=2)
    assert set(outcome.statuses) == {"200"}
    assert outcome.sent == outcome.statuses["200"] == len(outcome.milliseconds) > 10
    assert outcome.percentile(0.5) <= outcome.percentile(0.99)


def test_open_loop_sends_at_the_given_rate() -> None:
    with colour_service.serve_in_thread(colour_service.make_app()) as address:
        outcome = run(address, mode="open", seconds=2, connections=16, rate=40)
    assert outcome.statuses == {"200": outcome.sent}
    assert 50 < outcome.sent < 115


def test_overload_is_answered_by_200_429_and_503() -> None:
    predictor = colour_service.ColourPredictor(before=colour_service.delay(0.05))
    with colour_service.serve_in_thread(
        colour_service.make_app(predictor, batch_size=1, queue=6, client_requests=5)
    ) as address:
        outcome = run(address, mode="open", seconds=2, connections=24, rate=200)
        assert set(outcome.statuses) == {"200", "503"}
        assert outcome.statuses["503"] > outcome.statuses["200"] > 5
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200
        assert "residerm_queue_images 0.0" in httpx.get(f"{address}/metrics").text


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_malformed_requests_are_refused(form: str) -> None:
    with colour_service.serve_in_thread(colour_service.make_app(upload_seconds=0.5)) as address:
        outcome = run(address, encode(make_pixels(60, 40), form), mode="hostile", connections=4, requests=400)
        assert outcome.sent == 400
        assert not [status for status in outcome.statuses if status.startswith("5") and status != "503"]
        assert httpx.post(f"{address}/v1/predict", content=PHOTO).status_code == 200


def test_each_connection_is_a_separate_client() -> None:
    addresses = {client(number) for number in range(600)}
    assert len(addresses) == (600 if sys.platform == "linux" else 1)
    with colour_service.serve_in_thread(colour_service.make_app(client_requests=1)) as address:
        assert set(run(address, mode="closed", seconds=0.5, connections=4).statuses) == {"200"}


def test_malformed_requests_are_reproducible() -> None:
    first, second = Hostile(PHOTO, 1), Hostile(PHOTO, 1)
    assert [first.request() for _ in range(50)] == [second.request() for _ in range(50)]
    assert Hostile(PHOTO, 2).request() != Hostile(PHOTO, 3).request()


def test_ratios_are_computed_within_a_round() -> None:
    assert Turns(own=[1, 2, 4], served=[2, 3, 4]).ratio == 1.5


def test_bench_without_arguments_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench"]) == 2
    assert "PATH is missing: give an archive, or --serve or --inference with a model" in capsys.readouterr().err


def test_ctrl_c_shows_the_measurements_so_far(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measure, "_ROUNDS", 1)
    monkeypatch.setattr(measure, "_ONE_CLIENT_SECONDS", 0.2)
    monkeypatch.setattr(measure, "_throughput", interrupted)
    assert cli.run(["bench", "--serve", "starter", "--seconds", "1", "--requests", "10"]) == 130
    shown = capsys.readouterr()
    assert "one client, ms per image" in shown.out
    assert "images per second" not in shown.out
    assert "stopped: the other measurements are missing" in shown.out


@pytest.mark.slow
def test_short_benchmark_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_ONE_CLIENT_SECONDS", "_THROUGHPUT_SECONDS", "_STEADY_SECONDS"):
        monkeypatch.setattr(measure, name, 0.5)
    monkeypatch.setattr(measure, "_ROUNDS", 1)
    figures = measure.bench_service("starter", overload_seconds=1, hostile_requests=40)
    assert figures.survived
    assert set(figures.overload.statuses) <= {"200", "429", "503"}
    assert sum(part.asked for part in figures.hostile) == 40
