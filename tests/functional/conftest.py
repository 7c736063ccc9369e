"""The application, and pages of a real browser on a desktop and on a phone."""

import os
import shutil
from collections.abc import Iterator

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
    context = browser.new_context(viewport={"width": width, "height": height}, base_url=str(api.base_url))
    opened = context.new_page()
    refused: list[str] = []
    opened.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
    assert [text for text in refused if "Security" in text] == []
