"""Invalid requests get problem details with a status, one sentence and an id."""

from __future__ import annotations

import asyncio
import logging
import zlib

import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode, make_png

PHOTO = encode(np.full((48, 64, 3), (200, 60, 60), np.uint8), "PNG")


def send(method: str = "POST", path: str = "/v1/predict", app=None, **request) -> httpx.Response:
    async def run() -> httpx.Response:
        async with colour_service.open_client(app or colour_service.make_app()) as client:
            return await client.request(method, path, **request)

    return asyncio.run(run())


def refused(reply: httpx.Response, status: int, words: str) -> None:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == status
    assert words in problem["detail"]
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert "Traceback" not in reply.text


def bomb() -> bytes:
    """A PNG of 90 million pixels in some kilobytes."""
    return make_png(9000, 10000, 8, 0, b"\0" * (9001 * 10000))


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({}, 400, "no image in the request"),
        ({"content": b""}, 400, "no image in the request"),
        ({"files": [("images", ("empty.png", b""))]}, 400, "no image in the request"),
        ({"files": [("note", (None, "a text field"))]}, 400, "no image in the request"),
        ({"content": b"hello"}, 422, "not an image"),
        ({"content": PHOTO[:80]}, 422, "cut short"),
        ({"content": PHOTO, "headers": {"content-type": "text/html"}}, 415, "multipart/form-data"),
        ({"json": {"image": "x"}}, 415, "multipart/form-data"),
        (
            {
                "content": PHOTO,
                "headers": {"content-type": "application/x-www-form-urlencoded"},
            },  # what curl sends by default
            415,
            "with its content type, such as image/jpeg",
        ),
        ({"content": zlib.compress(PHOTO), "headers": {"content-encoding": "deflate"}}, 415, "compressed"),
        ({"content": b"x" * 2_100_000}, 413, "2 MB"),
        ({"files": [("images", ("a.png", PHOTO))] * 4}, 413, "3 images"),
        ({"content": PHOTO, "headers": {"content-type": "multipart/form-data"}}, 400, "boundary"),
        ({"content": PHOTO, "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400, "damaged"),
        (
            {
                "content": b'--x\r\nContent-Disposition: form-data; name="images"\r\n\r\nabc',
                "headers": {"content-type": "multipart/form-data; boundary=x"},
            },
            400,
            "cut short",
        ),
        (
            {
                "content": b"--x\r\nX: " + b"a" * 9000 + b"\r\n\r\nabc\r\n--x--\r\n",
                "headers": {"content-type": "multipart/form-data; boundary=x"},
            },
            400,
            "damaged",
        ),
    ],
)
def test_invalid_request_is_a_problem(request_: dict, status: int, words: str) -> None:
    refused(send(app=colour_service.make_app(max_megabytes=2, max_files=3), **request_), status, words)


def test_image_of_101_megapixels_is_refused_before_decoding() -> None:
    refused(send(content=make_png(10100, 10000, 8, 0, b"\0")), 422, "megapixels")


def test_a_jpeg_of_101_megapixels_is_refused_although_it_would_be_decoded_at_an_eighth() -> None:
    data = encode(np.zeros((10000, 10100), np.uint8), "JPEG")
    refused(send(content=data), 422, "10100x10000 pixels are more than the 50 megapixels allowed")


def test_decompression_bomb_is_refused_before_decoding() -> None:
    data = bomb()
    assert len(data) < 200_000
    refused(send(content=data), 422, "megapixels")


def test_unknown_explained_class_error_lists_the_classes() -> None:
    refused(send(path="/v1/explain?class=melanom", content=PHOTO), 422, "mel, nv, bkl")


def test_model_without_maps_is_not_explained() -> None:
    app = colour_service.make_app(colour_service.ColourPredictor(classifier=None))
    refused(send(path="/v1/explain", app=app, content=PHOTO), 409, "/v1/predict")


@pytest.mark.parametrize("name", ["../../etc/passwd.png", "C:\\temp\\passwd.png", "/x/passwd.png", "pass\0wd.png"])
def test_paths_are_removed_from_file_names(name: str) -> None:
    reply = send(files=[("images", (name, PHOTO))])
    assert reply.json()["images"][0]["name"] in {"passwd.png", "pass%00wd.png"}


def test_control_characters_in_file_names_are_replaced() -> None:
    from residerm.service.uploads import safe_name

    assert safe_name("a\x1b[31m\n.png", 1) == "a?[31m?.png"
    assert safe_name("..", 2) == "image 2"
    assert len(safe_name("x" * 500, 1)) == 120


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/predict", 405), ("GET", "/../etc", 404)])
def test_unknown_routes_and_methods_are_problems(method: str, path: str, status: int) -> None:
    refused(send(method, path), status, "/openapi.json")


def test_token_protects_api_and_metrics_but_not_the_page() -> None:
    token = "0123456789abcdef"
    right = {"authorization": f"Bearer {token}"}
    for path in ("/v1/model", "/metrics"):
        refused(send("GET", path, colour_service.make_app(token=token)), 401, "Bearer")
        refused(
            send("GET", path, colour_service.make_app(token=token), headers={"authorization": "Bearer no"}),
            401,
            "Bearer",
        )
        assert send("GET", path, colour_service.make_app(token=token), headers=right).status_code == 200
    reply = send(app=colour_service.make_app(token=token), content=PHOTO)
    refused(reply, 401, "Bearer")
    assert reply.headers["www-authenticate"] == "Bearer"
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert send("GET", path, colour_service.make_app(token=token)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/"])
def test_head_is_answered_for_monitors(path: str) -> None:
    assert send("HEAD", path).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_cross_site_requests_are_refused(headers: dict[str, str]) -> None:
    refused(send(content=PHOTO, headers=headers), 403, "other sites")


def test_host_header_must_be_loopback() -> None:
    refused(send(content=PHOTO, headers={"host": "rebound.example"}), 403, "localhost")
    for host in ("127.0.0.1:8000", "[::1]:8000", "localhost"):
        assert send(content=PHOTO, headers={"host": host}).status_code == 200


def test_security_headers() -> None:
    for path in ("/", "/healthz", "/nope"):
        headers = send("GET", path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "http" not in headers["content-security-policy"], "no foreign host"


def test_valid_request_id_of_the_client_is_kept() -> None:
    assert send("GET", "/healthz", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert send("GET", "/healthz", headers={"x-request-id": "a b<c>"}).headers["x-request-id"] != "a b<c>"


def test_only_failed_health_checks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="residerm.service"):
        assert send("GET", "/healthz").status_code == 200
        reply = send("GET", "/metrics", colour_service.make_app(token="a-token-of-a-clinic"))
    assert reply.status_code == 401
    assert [record.fields["request_id"] for record in caplog.records] == [reply.headers["x-request-id"]]


def test_unexpected_error_is_a_500_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken: list[Exception] = []

    def fail(_: int) -> None:
        if broken:
            raise broken.pop()

    async def run() -> tuple[httpx.Response, httpx.Response]:
        async with colour_service.open_client(
            colour_service.make_app(colour_service.ColourPredictor(before=fail))
        ) as client:
            broken.append(RuntimeError("secret of the machine"))
            return await client.post("/v1/predict", content=PHOTO), await client.post("/v1/predict", content=PHOTO)

    with caplog.at_level(logging.ERROR, logger="residerm.service"):
        first, second = asyncio.run(run())
    refused(first, 500, "defect of the service")
    assert "secret" not in first.text
    assert second.status_code == 200
    assert any(record.exc_info for record in caplog.records)
