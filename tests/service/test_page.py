"""The page in a real Chromium: uploads by mouse, keyboard, drop and paste; printing; no external requests."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import browser
import colour_service
import httpx
import numpy as np
import pytest
from sample_images import encode

from residerm.config import ServeOptions
from residerm.service.answers import Observed
from residerm.service.app import create_app
from residerm.service.front import ROUTES
from residerm.service.identity import served

RED, GREEN, GREY, FOREIGN = (200, 60, 60), (60, 200, 60), (90, 90, 90), (0, 250, 0)
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser.browser() as running:
        yield running


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with colour_service.serve_in_thread(colour_service.make_app()) as url:
        yield url


@pytest.fixture
def visit(chrome: Any) -> Iterator[Callable[..., Any]]:
    contexts, errors = [], []

    def open_page(url: str, **options: Any) -> Any:
        contexts.append(chrome.new_context(**options))
        contexts[-1].set_default_timeout(90_000)  # machines of tests may be busy
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors


def give(page: Any, *files: dict[str, Any]) -> None:
    page.wait_for_selector("#state.ready")
    page.set_input_files("#files", list(files))
    page.wait_for_selector("[aria-busy=true]", state="detached")


def test_uploaded_image_shows_bars_set_and_overlay(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    give(page, browser.photo("red.png", RED))
    card = page.locator(".card")
    assert card.locator(".found").inner_text() == "Melanoma"
    assert card.locator(".chips li").all_inner_texts() == ["melanoma"]
    assert card.locator(".bars li").count() == 3
    assert card.locator(".bars .value").first.inner_text() == "> 99 %", "nothing is certain"
    assert "not a diagnosis" in card.inner_text()
    assert card.locator(".overlay").is_visible()
    assert "red.png: melanoma" in page.locator("#announce").inner_text()


def test_observed_accuracy_is_marked_on_the_bar(visit: Callable[..., Any]) -> None:
    observed = Observed(low=0.9, high=1, correct=0.9, interval=(0.85, 0.95), images=200, part="the test part")
    model = replace(served(colour_service.ColourPredictor()), observed=(observed,))
    with colour_service.serve_in_thread(create_app(model, ServeOptions())) as address:
        page = visit(address)
        give(page, browser.photo("red.png", RED))
        track, mark = (page.locator(f".bars li:first-child .track{part}").bounding_box() for part in ("", " .mark-of"))
        said = page.locator(".bars li:first-child .seen").inner_text().replace("\u00a0", " ")
        assert page.locator(".bars .track .mark-of").count() == 1
    assert (mark["x"] - track["x"]) / track["width"] == pytest.approx(0.85, abs=0.01)
    assert mark["width"] / track["width"] == pytest.approx(0.1, abs=0.01)
    assert "of 200 answers with a probability of 90 to 100 % on the test part, 90 % were correct" in said
    assert "(95 % interval: 85 to 95 %)" in said


def test_slider_and_choice_of_explained_class(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    give(page, browser.photo("red.png", RED))
    first = page.get_attribute(".overlay", "src")
    page.focus(".opacity")
    page.keyboard.press("Home")
    assert page.locator(".overlay").evaluate("one => one.style.opacity") == "0"
    page.keyboard.press("End")
    assert page.locator(".overlay").evaluate("one => one.style.opacity") == "1"
    with page.expect_response("**/v1/explain?class=nv"):
        page.select_option(".of", "nv")
    page.wait_for_selector(".overlay[alt*='melanocytic nevus']")
    assert page.get_attribute(".overlay", "src") != first


def test_abstention_outlier_and_error_messages(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    broken = {"name": "broken.jpg", "mimeType": "image/jpeg", "buffer": b"no image"}
    give(page, browser.photo("grey.png", GREY), browser.photo("green.png", FOREIGN), broken)
    cards = page.locator(".card")
    assert cards.count() == 3
    assert "I cannot tell" in cards.nth(0).inner_text()
    assert "33 %" in cards.nth(0).inner_text()
    assert "unlike those the model was trained on" in cards.nth(1).inner_text()
    alert = cards.nth(2).locator("[role=alert]").inner_text()
    assert "broken.jpg: this is not an image" in alert


def test_paste_and_drop(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    page.wait_for_selector("#state.ready")
    for event in ("paste", "drop"):
        data = base64.b64encode(browser.photo("", GREEN)["buffer"]).decode()
        page.evaluate(
            """([kind, data]) => {
                const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
                const transfer = new DataTransfer();
                transfer.items.add(new File([bytes], `${kind}.png`, {type: "image/png"}));
                const options = {bubbles: true, cancelable: true};
                document.dispatchEvent(kind === "paste"
                    ? new ClipboardEvent("paste", {...options, clipboardData: transfer})
                    : new DragEvent("drop", {...options, dataTransfer: transfer}));
            }""",
            [event, data],
        )
        page.wait_for_selector("[aria-busy=true]", state="detached")
    assert page.locator(".card .name").all_inner_texts() == ["paste.png", "drop.png"]
    assert page.locator(".found").all_inner_texts() == ["Melanocytic nevus"] * 2


def test_keyboard_only(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    page.on("filechooser", lambda _: None)  # from the start: Chromium may take a while to hand choosers over
    page.wait_for_selector("#state.ready")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files([browser.photo("red.png", RED)])
    page.wait_for_selector(".found")
    page.focus(".remove")
    page.keyboard.press("Enter")
    assert page.locator(".card").count() == 0
    assert page.evaluate("document.activeElement.id") == "choose"


def test_no_external_requests_and_no_storage(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    give(page, browser.photo("red.png", RED))
    assert all(url.startswith((address, "data:", "blob:")) for url in asked), asked
    stored = page.evaluate("[localStorage.length, sessionStorage.length, document.cookie.length]")
    assert stored == [0, 0, 0]


def test_unreachable_service_and_retry(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    page.wait_for_selector("#state.ready")
    page.context.set_offline(True)
    give(page, browser.photo("red.png", RED))
    assert "does not respond" in page.locator("[role=alert]").inner_text()
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    page.wait_for_selector(".found")
    assert page.locator("#state").get_attribute("class") == "state ready"


def test_busy_service_is_retried(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    page.wait_for_selector("#state.ready")
    problem = '{"title": "The service is busy", "detail": "try again later"}'
    answered: list[int] = []

    def busy_once(route: Any) -> None:
        answered.append(1)
        if len(answered) == 1:
            route.fulfill(status=503, body=problem, headers={"Retry-After": "1"})
        else:
            route.continue_()

    page.route("**/v1/explain", busy_once)
    give(page, browser.photo("red.png", RED))
    assert page.locator(".found").inner_text() == "Melanoma"
    assert len(answered) == 2


def test_print_shows_answers_without_buttons(visit: Callable[..., Any], address: str) -> None:
    page = visit(address)
    give(page, browser.photo("red.png", RED))
    page.emulate_media(media="print")
    assert page.locator(".found").is_visible()
    assert page.locator(".disclaimer").is_visible()
    assert not page.locator("#choose").is_visible()
    assert not page.locator(".remove").is_visible()
    assert page.pdf().startswith(b"%PDF")


def test_file_that_the_browser_cannot_show_is_shown_as_the_model_saw_it(
    visit: Callable[..., Any], address: str
) -> None:
    page = visit(address)
    pixels = np.full((30, 90, 3), RED, np.uint8)
    give(page, {"name": "red.tif", "mimeType": "image/tiff", "buffer": encode(pixels, "TIFF")})
    assert page.locator(".found").inner_text() == "Melanoma"
    assert page.locator(".photo").get_attribute("src").startswith("data:image/png")
    assert "shown as the model saw it" in page.locator(".note").inner_text()
    give(page, browser.photo("red.png", RED))
    assert "shown as the model saw it" not in page.locator(".note").last.inner_text()


def test_token_is_requested(visit: Callable[..., Any]) -> None:
    with colour_service.serve_in_thread(colour_service.make_app(token=TOKEN)) as url:
        page = visit(url)
        page.fill("#token", "wrong-wrong-wrong")
        page.press("#token", "Enter")
        page.wait_for_selector("text=That token was refused")
        page.fill("#token", TOKEN)
        page.press("#token", "Enter")
        give(page, browser.photo("red.png", RED))
        assert page.locator(".found").inner_text() == "Melanoma"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_layout_fits_every_width_and_passes_axe(
    visit: Callable[..., Any], address: str, width: int, scheme: str
) -> None:
    page = visit(address, viewport={"width": width, "height": 800}, color_scheme=scheme)
    give(page, browser.photo("red.png", RED), browser.photo("x" * 90 + ".png", GREY), browser.photo("o.png", FOREIGN))
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.evaluate("document.querySelector('.of option').textContent = 'a class whose name is '.repeat(5)")
    assert page.locator(".frame").first.bounding_box()["width"] >= page.locator(".pick").first.bounding_box()["width"]
    page.evaluate(browser.axe())
    assert [finding["id"] for finding in page.evaluate("axe.run()")["violations"]] == []


def test_page_is_small() -> None:
    assert sum(len(file.read_bytes()) for file in page_files()) < 150_000


def test_every_file_of_the_page_is_served(address: str) -> None:
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    for file in page_files():
        path = "/" if file.name == "index.html" else f"/{file.name}"
        reply = httpx.get(address + path)
        assert (reply.status_code, reply.content) == (200, file.read_bytes())
        assert reply.headers["content-type"] == f"{kinds[Path(file.name).suffix]}; charset=utf-8"
        assert "script-src 'self';" in reply.headers["content-security-policy"]
        assert path in ROUTES


def page_files() -> list[Traversable]:
    return list(files("residerm.service").joinpath("page").iterdir())
