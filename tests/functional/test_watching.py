"""The watch over the browser's tests: what a page may not do makes a test fail, in a second tab too."""

import pytest
from access_world import Api
from in_browser import accessible
from playwright.sync_api import Browser

from tests.functional.conftest import watched

LOAD = """source => new Promise(done => {
    const made = document.createElement("img");
    made.onload = made.onerror = done;
    made.src = source;
})"""
STYLE = """() => {
    const made = document.createElement("style");
    made.textContent = "p {}";
    document.head.append(made);
}"""
BREAK = "() => new Promise(done => { setTimeout(() => { done(); throw new Error('broken'); }) })"


@pytest.mark.parametrize(
    ("script", "source", "told"),
    [
        (LOAD, "/static/nothing.png", "404 "),
        (LOAD, "https://elsewhere.invalid/x.png", "elsewhere.invalid"),
        (STYLE, "", "style"),
        (BREAK, "", "broken"),
    ],
    ids=["missing", "another host", "policy", "error"],
)
def test_what_is_wrong_in_any_tab_fails(browser: Browser, api: Api, script: str, source: str, told: str) -> None:
    def visit() -> None:
        with watched(browser, api, 800, 600) as page:
            page.goto("/sign-in")
            other = page.context.new_page()
            other.goto("/sign-in")
            other.evaluate(script, source)

    with pytest.raises(AssertionError, match=told):
        visit()


def test_a_page_that_says_what_is_wrong_is_an_answer(browser: Browser, api: Api) -> None:
    with watched(browser, api, 800, 600) as page:
        answer = page.goto("/nowhere")
        assert answer and answer.status == 404


def test_what_axe_finds_wrong_where_nothing_is_open_yet_is_told(browser: Browser, api: Api) -> None:
    with watched(browser, api, 800, 600) as page:
        page.goto("/sign-in")
        assert accessible(page) == []
        page.evaluate("""() => {
            const shut = document.createElement("details"), picture = document.querySelector("img").cloneNode();
            picture.removeAttribute("alt");
            shut.append(picture);
            document.querySelector("main").append(shut);
        }""")
        assert [fault.partition(":")[0] for fault in accessible(page)] == ["image-alt"]
        assert not page.locator("details").last.get_attribute("open"), "as it was before"
