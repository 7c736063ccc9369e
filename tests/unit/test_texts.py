"""The texts of the pages are collected, and a visitor's language is chosen as the browser asks."""

from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from api.pages import texts

PAGES = Path(texts.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "N_": None, "say": None, "say_count": (1, 2)}
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]


def test_every_text_of_the_pages_is_in_the_catalogue() -> None:
    options = {"**/templates/**.html": {"extensions": "jinja2.ext.i18n", "trimmed": "true"}}
    found = {said for _, _, said, _, _ in extract_from_dir(PAGES, METHODS, options, KEYWORDS)}
    with (texts.FOLDER / "cloister.pot").open("rb") as file:
        collected = {message.id for message in read_po(file) if message.id}
    assert found == collected, "run `make texts`"


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [("", "en"), ("pt-BR,pt;q=0.9", "pt"), ("fr, de;q=0.5, pt;q=0.8", "pt"), ("pt;q=0, de", "de"), ("pt;q=x", "en")],
)
def test_the_language_is_the_best_that_is_spoken(accepted: str, spoken: str) -> None:
    assert texts.preferred(accepted, frozenset({"en", "de", "pt"})) == spoken
