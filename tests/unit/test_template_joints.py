"""Between two blocks a template's line break is no space (`trim_blocks`, `lstrip_blocks`): no sentence leans on one."""

import itertools
import re

import pytest

from api.pages.setup import FOLDER

TEXTUAL = r"(?:p|li|td|th|dd|dt|span|h\d)\b"
GOES_ON = re.compile(r"\s*\{%")


def glued(template: str) -> list[int]:
    """Lines that go on with a text whose line before ended with a block: the two are one word."""
    lines = template.split("\n")
    pairs = enumerate(itertools.pairwise(lines), 2)
    return [
        number
        for number, (before, line) in pairs
        if before.rstrip().endswith("%}")
        and GOES_ON.match(line)
        and len(re.findall(f"<{TEXTUAL}", before)) > len(re.findall(f"</{TEXTUAL}", before))
    ]


@pytest.mark.parametrize(
    ("template", "lines"),
    [
        ("<p>{% if a %}One.{% endif %}\n  {% if b %}Two.{% endif %}</p>", [2]),
        ("<p>{% if a %}One.{% endif %}{% if b %} Two.{% endif %}</p>\n  {% if c %}", []),
        ("<p>{% if a %}One.{% endif %}\n  {{ two }}</p>", []),
        ("<p>One.\n  {% if b %}Two.{% endif %}</p>", []),
    ],
)
def test_a_joint_is_found(template: str, lines: list[int]) -> None:
    assert glued(template) == lines


def test_no_sentence_is_glued_to_the_one_before() -> None:
    templates = sorted((FOLDER / "templates").rglob("*.html"))
    assert len(templates) > 50
    assert {path.name: found for path in templates if (found := glued(path.read_text()))} == {}
