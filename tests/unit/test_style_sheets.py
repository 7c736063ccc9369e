"""A rule of a style sheet stands in one of them: what all pages have in the common one, the rest in a part's own."""

import re
from collections import Counter

from api.pages.setup import FOLDER

SHEETS = sorted((FOLDER / "static").glob("*.css"))
RULE = re.compile(r"^([^@{}\s/*][^{}]*)\{([^{}]*)\}", re.MULTILINE)
# Of one name, and of two kinds of pages that never meet: laid out otherwise.
APART = {".fields", ".fields > *", ".builder > * + *"}


def rules() -> dict[str, list[tuple[str, str]]]:
    return {sheet.name: RULE.findall(sheet.read_text()) for sheet in SHEETS}


def test_no_declarations_of_a_selector_are_repeated() -> None:
    said = Counter(
        (selector.strip(), declaration.strip())
        for found in rules().values()
        for selector, body in found
        for declaration in body.split(";")
        if declaration.strip() and selector.strip() not in APART
    )
    assert [each for each, times in said.items() if times > 1 and not each[0].startswith(":root")] == []


def test_a_part_lays_out_anew_only_what_differs_from_all() -> None:
    common = {selector.strip(): body for selector, body in rules()["cloister.css"]}
    again = {
        (name, selector.strip())
        for name, found in rules().items()
        if name != "cloister.css"
        for selector, _ in found
        if selector.strip() in common
    }
    assert again <= {
        ("clinic.css", ".card"), ("people.css", ".headline.page"), ("setting-up.css", ".ticks"),
        ("setting-up.css", ".rows > li"),
    }  # fmt: skip
