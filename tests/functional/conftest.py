"""The application, and pages of a real browser on a desktop and on a phone."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import access_world
import pytest
from access_world import Api, World
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[Api]:
    with access_world.client(world.server) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on this machine")
        pytest.skip("needs chromium")
    with sync_playwright() as playwright:
        # As root, Chromium's own sandbox does not start.
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        running = playwright.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()


@pytest.fixture(params=[(1280, 900), (360, 740)], ids=["desktop", "phone"])
def page(request: pytest.FixtureRequest, browser: Browser, api: Api) -> Iterator[Page]:
    width, height = request.param
    with watched(browser, api, width, height) as opened:
        yield opened


@contextmanager
def watched(browser: Browser, api: Api, width: int, height: int, **options: Any) -> Iterator[Page]:
    """A page whose tabs may ask for nothing of other hosts, miss nothing that they ask for, break no content security
    policy, and after which nothing may have been wrong in their consoles.
    """
    own = str(api.base_url)
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=own, **options)
    wrong: list[str] = []
    context.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
    context.on("response", lambda answer: wrong.extend(_missed(answer)))
    context.on("requestfailed", lambda asked: wrong.extend(_failed(asked)))
    context.on("console", lambda said: wrong.extend(_complained(said)))
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    try:
        yield context.new_page()
    finally:
        context.close()
    assert wrong == []


def _missed(answer: Response) -> list[str]:
    """What a page asked for and did not get; that a page itself says 404 or 422 is an answer of ours."""
    expected = answer.status < 400 or answer.request.is_navigation_request()
    return [] if expected else [f"{answer.status} {answer.url}"]


def _failed(asked: Request) -> list[str]:
    """What was not answered at all, unless a page gave it up itself: a download does, and a script that asks anew."""
    expected = asked.is_navigation_request() or asked.failure == "net::ERR_ABORTED"
    return [] if expected else [f"{asked.failure} {asked.url}"]


def _complained(said: ConsoleMessage) -> list[str]:
    """What a console holds as an error; what did not load is told by its answer already."""
    return [said.text] if said.type == "error" and not said.text.startswith("Failed to load resource") else []
