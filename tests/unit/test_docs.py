"""What is not documented breaks the build: measures, operators, settings, commands, routes, fields of imports."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import typer

from api.guard import DEEPEST_JSON, LARGEST_BODY
from infra.cli.main import build
from infra.settings import Settings
from orchestration.importing.fields import ENTITIES
from policies.segments.condition import OPERATORS, Operator
from policies.segments.definition import parse_segments
from policies.segments.document import measures_table
from policies.segments.rule import conditions
from policies.segments.text import take
from policies.words import ImpersonationReason
from tests.conftest import ROOT

SEGMENTS = (ROOT / "docs" / "segments.md").read_text()
IMPORTING = (ROOT / "docs" / "importing.md").read_text()
ACCESS = (ROOT / "docs" / "access.md").read_text()
IDENTITY = (ROOT / "docs" / "identity.md").read_text()
COMMANDS = (ROOT / "docs" / "commands.md").read_text()
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def commands(group: object, path: tuple[str, ...] = ("cloister",)) -> Iterator[str]:
    parts = getattr(group, "commands", None)
    if parts is None or getattr(group, "invoke_without_command", False):
        yield " ".join(path)
    for name, part in (parts or {}).items():
        yield from commands(part, (*path, name))


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = re.split(r"^##? ", text, flags=re.MULTILINE)
    chosen = next(part for part in section if part.startswith(f"{heading}\n"))
    table = [line for line in chosen.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[2:]]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_measure_is_documented_as_the_catalogue_has_it() -> None:
    assert SEGMENTS.endswith(f"\n\n{measures_table()}\n"), "write measures_table() into docs/segments.md"


def test_every_operator_is_documented_with_its_types() -> None:
    documented = {types: set(named(operators)) for types, operators, _ in rows(SEGMENTS, "Operators")}
    for _, operators, written in rows(SEGMENTS, "Operators"):
        assert {name.replace("_", " ") for name in named(operators) if "_" in name} <= set(named(written))
    assert set.union(*documented.values()) == set(get_args(Operator))
    for type_, operators in OPERATORS.items():
        own = next(found for types, found in documented.items() if type_.value.replace("_", " ") in types.split(", "))
        assert own | documented["any"] == operators


def test_the_example_of_the_docs_is_the_missions_first_segment() -> None:
    example = re.search(r"```json\n(.*?)```", SEGMENTS, re.DOTALL)
    assert example
    first = json.loads((ROOT / "samples" / "mission.rules.json").read_text())[0]
    assert parse_segments(example[1])[0].rule == parse_segments(json.dumps(first))[0].rule


def rule_texts(page: str) -> Iterator[str]:
    """The rules that a page writes as texts: line by line in the block of the text form, and within its sentences."""
    form = re.search(r"^## The text form$.*?^```$(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert form
    yield from form[1].strip().splitlines()
    sentences = re.sub(r"^```.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    for span in re.findall(r"`([^`]+ [<>=]+ [^`]+)`", sentences):
        yield span.removeprefix('"rule": "').removesuffix('"')
    for block in re.findall(r'^```json\n(\{"kind": "condition".*?)^```$', page, re.DOTALL | re.MULTILINE):
        yield json.loads(block)["condition"]["text"]


def test_every_rule_that_the_docs_write_as_a_text_is_one() -> None:
    found = [take(text).rule for text in rule_texts(SEGMENTS)]
    assert len(found) >= 9
    operators = {condition.op for rule in found for condition in conditions(rule)}
    assert operators >= {">", "<", "=", ">=", "between", "contains_any", "is_unknown"}


def test_every_setting_is_documented_and_nothing_else() -> None:
    names = {field.alias or f"CLOISTER_{name.upper()}" for name, field in Settings.model_fields.items()}
    assert {name for row in rows(SETTINGS, "Settings") for name in named(row[0])} == names


def test_every_command_is_documented_and_nothing_else() -> None:
    documented = [name for row in rows(COMMANDS, "Commands") for name in named(row[0])]
    assert sorted(documented) == sorted(commands(typer.main.get_command(build())))


def test_every_check_stands_in_the_list_and_has_a_test() -> None:
    checks = (ROOT / "docs" / "checks.md").read_text()
    listed = [int(number) for number in re.findall(r"^([0-9]+)\. ", checks, re.MULTILINE)]
    assert listed == list(range(1, len(listed) + 1))
    marks = re.compile(r"mark\.check\(([0-9, ]+)\)")
    files = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    proven = {int(number) for text in files for found in marks.findall(text) for number in found.split(",")}
    assert proven == set(listed) - {27}  # a benchmark


def test_every_check_of_a_security_property_is_proven_by_a_test_that_it_names() -> None:
    marks = re.compile(r"mark\.check\(([0-9, ]+)\)")
    there = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    found = rows((ROOT / "CONTRIBUTING.md").read_text(), "Security properties")
    assert len(found) > 50
    for what, _, proven_by in found:
        texts = (there[name] for name in named(proven_by) if name in there)
        proven = {int(number) for text in texts for each in marks.findall(text) for number in each.split(",")}
        ranges = re.findall(r"(\d+)(?: to (\d+))?", proven_by.partition("(check")[2])
        checks = {number for first, last in ranges for number in range(int(first), int(last or first) + 1)}
        assert checks <= proven, what


def test_every_reason_of_an_impersonation_is_documented_and_nothing_else() -> None:
    assert {name for row in rows(ACCESS, "Impersonation") for name in named(row[0])} == set(ImpersonationReason)


def test_the_size_and_depth_of_a_body_are_documented() -> None:
    told = {what: how_much for what, how_much, _ in rows(IDENTITY, "Limits")}
    assert told["a body"] == f"{LARGEST_BODY // 1024} KiB" and told["nesting of JSON"] == f"{DEEPEST_JSON}, in UTF-8"


def test_every_route_stands_in_who_sees_what_and_nothing_else() -> None:
    cells = (name for row in rows(ACCESS, "Who sees what") for name in named(row[2]))
    routes = (re.fullmatch(r"([A-Z, ]+) (/(?:v1|fhir)/\S+)", cell) for cell in cells)
    documented = {(method, route[2]) for route in routes if route for method in route[1].split(", ")}
    reviewed = (ROOT / "tests" / "integration" / "routes_by_roles.txt").read_text().splitlines()[1:]
    there = {(line.split()[0], line.split()[1]) for line in reviewed if " /v1/" in line or " /fhir/" in line}
    assert documented == there - {("GET", "/v1/openapi.json")}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_no_route_stands_twice_in_a_table(page: Path) -> None:
    """Two rows that speak of one route are what is left of a merge: one of them is out of date."""
    for section in re.split(r"^##+ ", page.read_text(), flags=re.MULTILINE):
        firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
        calls = [call for cell in firsts for call in named(cell) if re.match(r"(GET|POST|PUT|PATCH|DELETE)\b", call)]
        assert [call for call, times in Counter(calls).items() if times > 1] == [], section.splitlines()[0]


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_field_of_an_import_is_documented(entity: str) -> None:
    line = re.search(rf"^\| {entity} \| (.*) \|$", IMPORTING, re.MULTILINE)
    assert line, "no row for this entity"
    assert set(re.findall(r"[a-z_]+", line[1])) >= set(ENTITIES[entity].fields)
    required = {name for name, field in ENTITIES[entity].fields.items() if field.required}
    assert set(re.findall(r"\*\*([a-z_]+)\*\*", line[1])) == required


@pytest.mark.parametrize("page", ["docs/threats.md", "CONTRIBUTING.md"])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named_tests = set(re.findall(r"`(test_\w+\.py)`", (ROOT / page).read_text()))
    assert len(named_tests) > 10
    assert named_tests <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}
