"""Nothing from a rule reaches SQL but as a bound parameter: its text is the same whatever the constants say."""

import json
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from policies.segments.catalogue import CATALOGUE
from policies.segments.compiler import ActiveSegment, compile_verdicts
from policies.segments.condition import ARGUMENTS
from policies.segments.operators import OPERATORS
from policies.segments.reconcile import Program, compile_drift, compile_program, compile_trial
from policies.segments.rule import conditions, parse_rule
from tests.spec.segments.tables import Row, is_

# Of each kind of slot the markers of two sets; `{}` is a number that no two share.
SETS: tuple[dict[str, Any], ...] = (
    {
        "text": "zqx{}", "date": "19{}-01-02", "number": 2_000, "age": 200, "window": "12{}", "years": "3{}y",
        "share": 0.2, "status": "arrived", "modality": "video", "segment": UUID(int=0x5A5A_0001), "version": 7001,
        "slug": "zqx-{}",
    },
    {
        "text": "yvw{}", "date": "18{}-03-04", "number": 5_000, "age": 600, "window": "34{}", "years": "7{}y",
        "share": 0.6, "status": "cancelled", "modality": "in_person", "segment": UUID(int=0xA5A5_0002), "version": 8002,
        "slug": "yvw-{}",
    },
)  # fmt: skip


class Markers:
    """Of one set, each given out once."""

    def __init__(self, of: dict[str, Any]) -> None:
        self.of, self.given = of, list[str]()

    def one(self, kind: str) -> Any:
        """The next one of a kind; numbers are so far apart that none is another's neighbour."""
        number = 11 + len(self.given)
        of = self.of[kind]
        found = of.format(number) if isinstance(of, str) else of + (number / 1e4 if kind == "share" else 5 * number)
        self.given.append(str(found))
        return found

    def two(self, kind: str) -> list[Any]:
        return [self.one(kind), self.one(kind)]


def marked(m: Markers) -> list[Row]:
    """Conditions with a marker in each slot that a rule has."""
    visits = {"service": m.two("text"), "status": [m.of["status"]], "modality": [m.of["modality"]]}
    asked = [{"form": m.one("text"), "question": m.one("text")} for _ in range(6)]
    return [
        is_("sex", "=", m.one("text")), is_("sex", "!=", m.one("text")), is_("blood_type", "in", m.two("text")),
        is_("insurance_type", "starts_with", m.one("text")), is_("allergies", "contains_all", m.two("text")),
        is_("chronic_conditions", "contains_any", m.two("text")), is_("allergies", "contains_none", m.two("text")),
        is_("age", "between", m.two("age")), is_("age", "in", m.two("age")), is_("age", ">", m.one("age")),
        is_("registration.days", "<=", m.one("number")), is_("registration.since", "between", m.two("date")),
        is_("registration.since", "in", m.two("date")), is_("registration.since", ">=", m.one("date")),
        is_("appointments.count", "=", m.one("number"), window=m.one("window") + "d", **visits),
        is_("appointments.per_month", ">=", m.one("share"), window=m.one("window") + "w"),
        is_("appointments.per_month", "<", m.one("share"), window=m.one("window") + "mo"),
        is_("appointments.noshow_count", "between", m.two("number"), window=m.one("years")),
        is_("appointments.days_since_last", "in", m.two("number")), is_("appointments.next_on", "<", m.one("date")),
        is_("appointments.days_until_next", "<=", m.one("number")),
        is_("forms.overdue", ">=", m.one("number"), form=m.one("text"), window=m.one("window") + "d"),
        is_("answers.latest", "!=", m.one("number"), **asked[0]), is_("answers.mean", "in", m.two("share"), **asked[1]),
        is_("answers.latest_choice", "in", m.two("text"), **asked[2]),
        is_("answers.latest_choices", "contains_any", m.two("text"), window=m.one("window") + "mo", **asked[3]),
        is_("answers.latest_text", "starts_with", m.one("text"), **asked[4]),
        is_("answers.first_date", "between", m.two("date"), **asked[5]),
        is_("adherence.completion_rate", "<", m.one("share"), window=m.one("window") + "d"),
        is_("adherence.completion_rate", "=", m.one("share")), is_("adherence.plan_progress", ">", m.one("share")),
    ]  # fmt: skip


def segments_of(m: Markers) -> list[ActiveSegment]:
    """All of these conditions in one segment, a segment for each, and one that names some by their slugs."""
    rules: list[Row] = marked(m)
    slugs = [m.one("slug") for _ in rules]
    naming: Row = {"any": [{"all": [{"in_segment": a}, {"not": {"in_segment": b}}]} for a, b in pairwise(slugs)]}
    whole: Row = {"any": [{"all": rules}, {"not": {"any": rules}}]}
    each = dict(zip(slugs, rules, strict=True)) | {m.one("slug"): whole, m.one("slug"): naming}
    return [
        ActiveSegment(UUID(int=m.of["segment"].int + number), m.of["version"], parse_rule(rule), slug)
        for number, (slug, rule) in enumerate(each.items())
    ]


def texts(segments: list[ActiveSegment], middle: UUID) -> list[str]:
    """Every statement that segments are compiled into."""
    verdicts = [compile_verdicts(segments, given=given) for given in (False, True)]
    programs: list[Program] = [
        compile_program(segments), compile_program(segments, flips=True), compile_program(segments, given=True),
        compile_program(segments, flips=True, middle=middle), compile_drift(segments), compile_trial(segments),
    ]  # fmt: skip
    found = [one.passes + one.source for one in verdicts] + [one.statement for one in programs]
    return [*found, str(programs[3].verdicts)]


def test_the_text_is_the_same_whatever_stands_in_a_rule_and_holds_nothing_of_it() -> None:
    found = []
    for of, middle in zip(SETS, (UUID(int=0x5A5A_FFFF), UUID(int=0xA5A5_FFFF)), strict=True):
        markers = Markers(of)
        segments = segments_of(markers)
        found.append(texts(segments, middle))
        own = [str(middle), of["status"], of["modality"], str(of["version"]), *(str(s.segment_id) for s in segments)]
        for text in found[-1]:
            assert [marker for marker in (*markers.given, *own) if marker in text] == []
    assert found[0] == found[1]


def test_each_slot_of_a_rule_has_a_marker() -> None:
    asked = [one for rule in marked(Markers(SETS[0])) for one in conditions(parse_rule(rule))]
    compared = {(type_, op) for type_, fitting in OPERATORS.items() for op in fitting if not op.startswith("is_")}
    assert {name for one in asked for name in (*ARGUMENTS, "window") if one.argument(name)} == {*ARGUMENTS, "window"}
    assert {op for _, op in compared} == {one.op for one in asked}
    assert {one.definition.table for one in asked} == {measure.table for measure in CATALOGUE.values()}
    assert {one.definition.type for one in asked} == {measure.type for measure in CATALOGUE.values()}


@pytest.mark.parametrize("of", SETS)
def test_what_is_bound_is_what_stands_in_the_rule(of: dict[str, Any]) -> None:
    markers = Markers(of)
    segments = segments_of(markers)
    bound = json.dumps(compile_verdicts(segments).parameters)
    texts = [marker for marker in markers.given if marker.startswith(of["text"][:3]) and "-" not in marker]
    assert [marker for marker in texts if f'"{marker}"' not in bound] == [] and len(texts) > 20
