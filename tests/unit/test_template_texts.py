"""No template says a word of its own: all of them come from the catalogue, in every branch of every page."""

import re

import pytest
from babel.messages.pofile import read_po

from api.audit.reviews import SAYS
from api.pages import code_words, problem_titles, rule_words, texts
from api.pages.action_words import WORDS
from api.pages.admin.draft import KINDS, OPERATORS
from api.problems import KINDS as PROBLEMS
from api.problems import TITLES
from api.system_keys import SCOPES
from policies.forms.template import TemplateKind
from policies.segments.catalogue import CATALOGUE
from policies.segments.templates import segment_templates
from policies.words import (
    ArchiveReason,
    Category,
    ConsentPurpose,
    DeletionReason,
    ImpersonationReason,
    Purpose,
    Role,
)

TEMPLATES = texts.FOLDER.parent / "templates"
# Said by `trans`, not shown, or a name: of this project, of a format, of what is typed at a command line.
NOT_SAID = re.compile(
    r"\{#.*?#\}|\{%-?\s*trans\b.*?endtrans\s*-?%\}|<(code|script|style)\b.*?</\1>|\b(?:Cloister|CSV|UTC)\b|&\w+;", re.S
)
CODE = r"\{\{.*?\}\}|\{%.*?%\}"
TAG = re.compile(rf"<(?:{CODE}|[^<>])*>", re.S)
SHOWN = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
# What an expression shows as it is: a text at its beginning, or after `else` or `or`.
LITERAL = re.compile(r"(?:\{\{|\belse|\bor)\s*(['\"])([^'\"]*[A-Za-z]{2}[^'\"]*)\1(?!\s*(?:~|,|in\b|==))")
WORD = re.compile(r"[A-Za-z]{2}")


def own_words(template: str) -> list[str]:
    """What a template shows that is not said by the catalogue."""
    text = NOT_SAID.sub(" ", template)
    # Tags within macros' attributes are none; what is left of an attribute that a macro makes is no text.
    shown = re.sub(r'[\w-]+="[^"<>]*"', " ", TAG.sub("\n", text))
    attributes = [said for tag in TAG.finditer(text) for said in SHOWN.findall(tag[0])]
    found = [literal for each in (shown, *attributes) for _, literal in LITERAL.findall(each)]
    plain = re.sub(CODE, " ", "\n".join((shown, *attributes)), flags=re.S)
    return found + [line.strip() for line in plain.splitlines() if WORD.search(line)]


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES).with_suffix(""))
)
def test_a_template_says_no_word_of_its_own(path: object) -> None:
    assert own_words(path.read_text()) == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('<p>{{ _("Said") }} {% trans who=name %}By {{ who }}{% endtrans %} <code>cloister up</code></p>', []),
        ("<p>Plain</p>", ["Plain"]),
        ('<a title="Plain" href="/x">{{ name }}</a>', ["Plain"]),
        ("{{ 'Done' if done else 'On its way' }}", ["Done", "On its way"]),
        ("{{ name or 'nobody' }}", ["nobody"]),
        ("<p class=\"pill {{ 'permit' if good else 'deny' }}\">{{ row('wide', name) }}</p>", []),
    ],
)
def test_words_of_a_template_are_found(template: str, words: list[str]) -> None:
    assert own_words(template) == words


def test_every_code_that_is_shown_in_words_has_them() -> None:
    enums = (Role, Purpose, ConsentPurpose, ImpersonationReason, ArchiveReason, DeletionReason, TemplateKind, Category)
    codes = {*SCOPES, *KINDS, *OPERATORS, *(word for enum in enums for word in enum)}
    assert {code.replace("_", " ") for code in codes} <= set(code_words.CODE_WORDS)


def test_every_title_of_a_problem_is_said() -> None:
    titles = {title for _, _, title in PROBLEMS.values()} | {title for _, title in TITLES.values()}
    assert titles <= set(problem_titles.TITLES)


def test_every_word_of_an_action_is_collected() -> None:
    with (texts.FOLDER / "cloister.pot").open("rb") as file:
        collected = {message.id for message in read_po(file)}
    assert set(WORDS.values()) <= collected


def test_the_language_of_rules_and_reviews_is_said() -> None:
    segments = {text for each in segment_templates().values() for text in (each.name, each.description)}
    measures = {text for each in CATALOGUE.values() for text in (each.meaning, each.unit) if text}
    assert segments | measures == set(rule_words.RULE_WORDS)
    assert set(SAYS.values()) == set(code_words.REVIEW_WORDS)
