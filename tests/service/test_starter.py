"""The starter model behind the service."""

from __future__ import annotations

import asyncio
import zipfile
from pathlib import Path

import colour_service
import pytest

from residerm.config import ServeOptions
from residerm.inference.bundle import STARTER
from residerm.service.app import create_app
from residerm.service.loading import load_served

pytestmark = pytest.mark.skipif(not STARTER.is_dir(), reason="the starter model has not been made: `make starter`")


def test_photograph_gets_a_calibrated_answer_with_an_explanation(real_data: Path) -> None:
    with zipfile.ZipFile(real_data / "isic2016" / "ISBI2016_ISIC_Part3_Training_Data.zip") as archive:
        photo = archive.read(next(name for name in archive.namelist() if name.endswith(".jpg")))

    async def run() -> tuple[dict, dict]:
        app = create_app(load_served("starter", 1), ServeOptions())
        async with colour_service.open_client(app) as client:
            answers = await client.post("/v1/explain", content=photo)
            return answers.json(), (await client.get("/v1/model")).json()

    answers, model = asyncio.run(run())
    (image,) = answers["images"]
    assert answers["warnings"] == []
    assert sum(one["probability"] for one in image["classes"]) == pytest.approx(1, abs=2e-3)
    assert image["prediction_set"] is not None
    assert image["outlier"] in (True, False)
    assert image["explanation"]["png"].startswith("data:image/png;base64,")
    assert model["parity"] is not None
    assert model["card"]
    assert model["trust"]["limits"]
