"""The API's answers: probabilities, sets, abstention, outliers and explanations."""

from __future__ import annotations

import asyncio
import base64
import io
import json

import colour_service
import httpx
import numpy as np
import pytest
from PIL import Image
from sample_images import encode

from residerm.errors import ImageError
from residerm.service import worker
from residerm.service.findings import Finder, Question

RED, GREEN, BLUE, GREY = (200, 60, 60), (60, 200, 60), (60, 60, 200), (90, 90, 90)
FOREIGN = (0, 250, 0)


def photo(colour: tuple[int, int, int] = RED, form: str = "PNG") -> bytes:
    return encode(np.full((48, 64, 3), colour, np.uint8), form)


def ask(path: str = "/v1/predict", app=None, **request) -> httpx.Response:
    async def run() -> httpx.Response:
        async with colour_service.open_client(app or colour_service.make_app()) as client:
            return await client.post(path, **request)

    return asyncio.run(run())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize(("colour", "label"), [(RED, "mel"), (GREEN, "nv"), (BLUE, "bkl")])
def test_predict_returns_the_class(form: str, colour: tuple[int, int, int], label: str) -> None:
    reply = ask(content=photo(colour, form))
    assert reply.status_code == 200, reply.text
    (image,) = reply.json()["images"]
    assert image["predicted"] == label
    assert image["confidence"] == image["classes"][0]["probability"] > 0.99
    assert [one["label"] for one in image["classes"] if one["in_set"]] == image["prediction_set"] == [label]
    assert (image["abstained"], image["outlier"]) == (False, False)
    assert sum(one["probability"] for one in image["classes"]) == pytest.approx(1, abs=1e-3)


def test_answers_identify_the_model_and_have_the_disclaimer() -> None:
    answer = ask(content=photo()).json()
    assert "not a diagnosis" in answer["disclaimer"]
    assert answer["model"]["name"] == "resnet18"
    assert len(answer["model"]["sha256"]) == 64


def test_low_confidence_is_an_abstention_with_a_reason() -> None:
    image = ask(content=photo(GREY)).json()["images"][0]
    assert image["abstained"] is True
    assert "33 %" in image["abstention_reason"]
    assert len(image["prediction_set"]) == 3


def test_outlier() -> None:
    image = ask(content=photo(FOREIGN)).json()["images"][0]
    assert image["outlier"] is True
    assert image["outlier_score"] == pytest.approx(250, abs=1)


def test_model_without_trust_has_no_set() -> None:
    answer = ask(app=colour_service.make_app(colour_service.ColourPredictor(trust=None)), content=photo()).json()
    assert "not calibrated" in answer["warnings"][0]
    image = answer["images"][0]
    assert (image["prediction_set"], image["outlier"], image["outlier_score"]) == (None, None, None)
    assert image["classes"][0]["in_set"] is None


def test_model_of_synthetic_images_has_a_warning() -> None:
    predictor = colour_service.ColourPredictor(colour_service.make_description(synthetic=True))
    assert "synthetic images" in ask(app=colour_service.make_app(predictor), content=photo()).json()["warnings"][0]


def test_several_images_are_answered_in_order_and_batched() -> None:
    predictor = colour_service.ColourPredictor()
    colours = [RED, GREEN, BLUE, GREEN, RED]
    files = [("images", (f"{number}.png", photo(colour))) for number, colour in enumerate(colours)]
    images = ask(app=colour_service.make_app(predictor), files=files).json()["images"]
    assert [one["predicted"] for one in images] == ["mel", "nv", "bkl", "nv", "mel"]
    assert [one["name"] for one in images] == [f"{number}.png" for number in range(5)]
    assert len(predictor.batches) <= 4, "the first batch is the one that warms up"


def test_unreadable_image_among_several() -> None:
    files = [("images", ("good.png", photo())), ("images", ("bad.png", b"no image"))]
    good, bad = ask(files=files).json()["images"]
    assert good["predicted"] == "mel"
    assert bad["problem"]["status"] == 422
    assert bad["problem"]["detail"].startswith("bad.png: ")


def test_opacity_of_explanation_is_the_evidence() -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, :32, 0] = 150
    image = ask("/v1/explain?class=mel", content=encode(halves, "PNG")).json()["images"][0]
    explanation = image["explanation"]
    assert explanation["label"] == "mel"
    head, _, data = explanation["png"].partition(",")
    assert head == "data:image/png;base64"
    alpha = np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[..., 3]
    assert alpha[:, :100].min() > 30
    assert alpha[:, 160:].max() < 6, "where there is no evidence, nothing glows"


def test_explain_defaults_to_the_predicted_class() -> None:
    image = ask("/v1/explain", content=photo(BLUE)).json()["images"][0]
    assert image["explanation"]["label"] == image["predicted"] == "bkl"


def test_model_document() -> None:
    async def run() -> dict:
        async with colour_service.open_client(colour_service.make_app(max_files=3)) as client:
            return (await client.get("/v1/model")).json()

    document = asyncio.run(run())
    assert document["description"]["classes"] == ["mel", "nv", "bkl"]
    assert document["classes"][0] == {"label": "mel", "name": "melanoma"}
    assert document["limits"]["files"] == 3
    assert document["explains"] is True


def test_metrics_count_abstentions_outliers_and_problems() -> None:
    async def run() -> str:
        async with colour_service.open_client(colour_service.make_app()) as client:
            for body in (photo(), photo(GREY), photo(FOREIGN), b"no image"):
                await client.post("/v1/predict", content=body)
            return (await client.get("/metrics")).text

    text = asyncio.run(run())
    for line in ("residerm_images_total 3.0", "residerm_abstentions_total 1.0", "residerm_outliers_total 1.0"):
        assert line in text
    assert 'residerm_problems_total{kind="unreadable"} 1.0' in text
    assert "residerm_ready 1.0" in text


def test_openapi_has_every_route_and_valid_examples() -> None:
    from residerm.service.answers import Answers

    async def run() -> dict:
        async with colour_service.open_client(colour_service.make_app()) as client:
            return (await client.get("/openapi.json")).json()

    document = asyncio.run(run())
    assert set(document["paths"]) == {"/v1/predict", "/v1/explain", "/v1/model", "/healthz", "/readyz", "/metrics"}
    assert "HTTPValidationError" not in json.dumps(document)
    for example in document["components"]["schemas"]["Answers"]["examples"]:
        Answers.model_validate(example)


def test_openapi_example_image_is_answered() -> None:
    from residerm.service.openapi import EXAMPLE_IMAGE

    assert ask(content=base64.b64decode(EXAMPLE_IMAGE)).status_code == 200


def test_large_file_is_answered() -> None:
    noise = np.random.default_rng(0).integers(0, 60, (800, 800, 3), np.uint8)
    noise[..., 0] += 140
    large = encode(noise, "PNG")
    assert len(large) > worker.DECODED_WITH_ITS_BATCH
    assert ask(content=large).json()["images"][0]["predicted"] == "mel"
    cut = ask(content=large[: worker.DECODED_WITH_ITS_BATCH + 1])
    assert cut.status_code == 422
    assert "cut short" in cut.json()["detail"]


def test_decoding_times_are_counted() -> None:
    seen: list[float] = []
    finder = Finder(colour_service.ColourPredictor(), 50_000_000, seen.append)
    found = finder([Question(photo()), Question(b"no image"), Question(photo(GREEN), explain=True)])
    assert len(seen) == 2
    assert isinstance(found[1], ImageError)
    assert found[0].maps is None
    assert found[2].maps is not None
