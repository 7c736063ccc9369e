"""In a made-up language, whose texts are all ⟦like this⟧, a page holds nothing else but data."""

import re
from collections.abc import Iterator
from gettext import NullTranslations
from html.parser import HTMLParser
from pathlib import Path

import access_world
import httpx
import pytest
from access_world import Api, World
from callers import Signed, everybody
from things import filled
from walking import pages

import policies.access
from api.pages import texts
from tests.integration.sealing import seal_all

SAID = re.compile(r"⟦[^⟦⟧]*⟧")
POLICIES = Path(policies.access.__file__).parent
# The project's name, formats, units, measures, addresses, ids, time zones.
NO_WORDS = re.compile(
    r"\b[a-z]+\.[a-z_]+\b|\b(?:Cloister|UTC|CSV|min|[sh])\b|https?://\S+|\b[0-9a-f-]{6,}\b|\b[A-Z][a-z]+/[A-Z]\w+"
)
SHOWN = ("aria-label", "title", "placeholder", "alt")
# What is shown in its own form, whatever language is spoken: code, addresses, keys to type.
UNSPOKEN = {"script", "style", "code", "pre"}


class Shown(HTMLParser):
    """The texts of a page, and those of attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.inside: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in UNSPOKEN:
            self.inside.append(tag)
        self.texts += [value for name, value in attrs if name in SHOWN and value]

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.texts.append(data)


class Brackets(NullTranslations):
    """Says everything, and marks that it did."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return f"⟦{one if count == 1 else many}⟧"


@pytest.fixture(scope="module")
def signed(world: World, api: Api) -> dict[str, Signed]:
    found = everybody(world, api)
    seal_all(world.server)
    return found


@pytest.fixture(scope="module")
def addresses(world: World, api: Api, signed: dict[str, Signed]) -> dict[str, str]:
    return {path: filled(world, path) for path in pages(api)}


def got(api: Api, path: str, signed: dict[str, Signed]) -> tuple[str, httpx.Response]:
    """The first caller who gets a page, and what they get; of one that nobody gets, what the last one is answered."""
    for caller, who in signed.items():
        answer = who.ask(api, "GET", path)
        if answer.status_code == 200:
            return caller, answer
    return caller, answer


@pytest.fixture(scope="module")
def data(world: World, addresses: dict[str, str]) -> re.Pattern[str]:
    """All texts that lie in the database, and names of policies: longer ones first, since they may hold others."""
    tables = world.look(
        "select c.oid::regclass::text from pg_class as c where relkind = 'r' and relnamespace in"
        " ('operational'::regnamespace, 'clinic_north'::regnamespace, 'clinic_south'::regnamespace)"
    )
    found = {name for path in POLICIES.glob("*.cedar") for name in re.findall(r'@id\("(.*)"\)', path.read_text())}
    for (table,) in tables:
        for (row,) in world.look(f"select to_jsonb(t) from {table} as t"):
            found |= set(leaves(row))
    # Which lie sealed; of a contact the name by itself, since numbers are no words.
    found |= {re.sub(r" \+\d+$", "", text) for text in access_world.CONTACTS.values()} | {*access_world.NEWS.values()}
    spoken = {text for text in found if re.search(r"[A-Za-z]{2}", text)}
    spoken |= {text.replace("_", " ") for text in spoken}
    return re.compile("|".join(re.escape(text) for text in sorted(spoken, key=len, reverse=True)), re.IGNORECASE)


def leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from leaves(each)
    elif isinstance(value, str):
        yield value


def unsaid(page: str, data: re.Pattern[str]) -> list[str]:
    """What of a page comes neither from the catalogue nor from the database."""
    shown = Shown()
    shown.feed(page)
    found = []
    for text in shown.texts:
        left, before = text, ""
        while left != before:  # one text may stand within another
            left, before = SAID.sub(" ", left), left
        left = NO_WORDS.sub(" ", data.sub(" ", NO_WORDS.sub(" ", left)))
        if re.search(r"[A-Za-z]{2}", left):
            found.append(text.strip())
    return found


def test_pages_say_nothing_but_texts_and_data(
    world: World,
    api: Api,
    signed: dict[str, Signed],
    addresses: dict[str, str],
    data: re.Pattern[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "catalogue", lambda _spoken: Brackets())
    wrong, missed = {}, set()
    for path, address in addresses.items():
        answer = got(api, address, signed)[1]
        if answer.status_code != 200:
            missed.add(path)
        elif answer.headers["content-type"].startswith("text/html"):
            assert "⟦" in answer.text
            if found := unsaid(answer.text, data):
                wrong[path] = found
    assert not wrong, "\n".join(f"{path}: {found}" for path, found in wrong.items())
    # Some lead on, and of some the world has nothing.
    assert len(missed) < len(addresses) / 4, sorted(missed)


def test_a_page_with_words_of_its_own_is_noticed(data: re.Pattern[str]) -> None:
    page = '<p title="⟦Said ⟦to⟧⟧">⟦Said⟧ <b>Canary Finch</b> <i aria-label="Plain">2026</i> Plain</p><code>x y</code>'
    assert unsaid(page, data) == ["Plain", "Plain"]
