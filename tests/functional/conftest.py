"""The application, and pages of a real browser on a desktop and on a phone."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import access_world
import pytest
from access_world import Api, World
from playwright.sync_api import Browser, Page, sync_playwright

from infra.database import Server


@pytest.fixture(scope="module")
def world(module_server: Server) -> World:
    return access_world.build(module_server)


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
    """A page that may ask for nothing of other hosts, and after which nothing may have been wrong in its console."""
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=str(api.base_url), **options)
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    own = str(api.base_url)
    opened.on("request", lambda asked: None if asked.url.startswith(own) else wrong.append(asked.url))
    yield opened
    context.close()
    # That a page says 404 or 422 is an answer of ours.
    assert [text for text in wrong if "Failed to load resource" not in text] == []
