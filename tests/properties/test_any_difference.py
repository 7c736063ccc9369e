"""Any rule before it is saved: whom it is said to mean, to bring and to take are those whom the next run moves."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st

from policies.segments.reference import holds
from policies.segments.rule import Rule, parse_rule
from policies.segments.text import write
from policies.small_counts import SMALLEST
from tests.properties.segment_strategies import AS_OF, PATIENTS, patients, rules, tables
from tests.properties.told_clinic import CLINICS, Answer, Sharing, Told, clinics, ordered, seen, share
from tests.spec.segments.tables import Row

SLUGS = ("s0", "s1", "s2")
# As many as each of the patients, so that a side is of few, or more than a page.
ALIKE = {"a": "adg", "b": "behjl", "c": "cfikmnop"}
__all__ = ["clinics"]
few = share(20)


@dataclass(frozen=True)
class Case:
    """A clinic's rows as of a day, its rules, who shares the profile, and another rule for one of its segments."""

    clinic: str
    as_of: date
    drawn: dict[str, list[Row]]
    asked: dict[str, Row]
    sharing: dict[str, Sharing]
    slug: str
    other: Row
    archived: bool
    fires: bool
    limit: int

    @property
    def rows(self) -> dict[str, list[Row]]:
        """What was drawn of each patient, of as many as are alike."""
        return {
            name: [{**row, "patient": letter} for row in rows for letter in ALIKE[str(row["patient"])]]
            for name, rows in self.drawn.items()
        }

    def meant(self, asked: dict[str, Row], slug: str) -> dict[str, list[str]]:
        """The patients by what the reference says of them."""
        found: dict[str, list[str]] = {str(verdict): [] for verdict in (True, False, None)}
        parsed: dict[str, Rule] = {each: parse_rule(rule) for each, rule in asked.items()}
        for patient in patients(self.rows):
            letter = str(patient.columns["patient"])
            one = seen(patient, self.sharing[letter])
            found[str(holds(parsed[slug], one, self.as_of, parsed))].append(letter)
        return {verdict: sorted(letters) for verdict, letters in found.items()}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    as_of = draw(AS_OF)
    drawn = draw(tables(as_of))
    known = patients(drawn)
    asked = {slug: ordered(draw(rules(as_of, known, SLUGS[:number]))) for number, slug in enumerate(SLUGS)}
    number = draw(st.integers(0, 2))
    sharing: dict[str, Sharing] = {letter: draw(st.sampled_from(["shared", "shared", "never"])) for letter in PATIENTS}
    return Case(
        clinic=draw(st.sampled_from(CLINICS)),
        as_of=as_of,
        drawn=drawn,
        asked=asked,
        sharing={letter: sharing[one] for one, letters in ALIKE.items() for letter in letters},
        slug=SLUGS[number],
        other=ordered(draw(rules(as_of, known, SLUGS[:number]))),
        archived=draw(st.booleans()),
        fires=draw(st.booleans()),
        limit=draw(st.sampled_from([1, 2, 5, 100])),
    )  # fmt: skip


@pytest.mark.check(45)
@few
@hypothesis.given(cases())
def test_whom_a_rule_would_mean_bring_and_take_are_those_whom_the_next_run_moves(
    clinics: dict[str, Told], case: Case
) -> None:
    told = clinics[case.clinic]
    told.fill(case.as_of, case.rows, {}, case.sharing)
    for slug, rule in case.asked.items():
        told.send("", {"slug": slug, "name": slug, "rule": rule})
    told.run(case.as_of)
    archived = case.archived and f"'in_segment': '{case.slug}'" not in str(case.asked)
    if archived:
        told.send(f"{case.slug}/archive", {"reason": "replaced"})
        told.run(case.as_of, day=2)
    before = {slug: members(told, slug) for slug in SLUGS if slug != case.slug or not archived}
    cursor = changes(told, case.slug)[1]
    previewed(told, case)
    brought, taken, found = compared(told, case)
    if archived:
        told.send(f"{case.slug}/revive", {"rule": case.other, "fires": case.fires})
    else:
        told.send(case.slug, {"rule": case.other, "fires": case.fires}, "PATCH")
    told.run(case.as_of, day=3)
    moved, _ = changes(told, case.slug, cursor)
    assert brought == [letter for letter, change in moved.items() if change["kind"] == "entered"]
    assert taken == [letter for letter, change in moved.items() if change["kind"] == "left"]
    assert {(change["cause"], change["fires"]) for change in moved.values()} <= {("rule", case.fires)}
    after = {slug: members(told, slug) for slug in SLUGS}
    assert after[case.slug] == case.meant({**case.asked, case.slug: case.other}, case.slug)["True"]
    assert [found["before"], found["after"]] == [len(before.get(case.slug, "")), len(after[case.slug])]
    sizes = {size["slug"]: [size["before"], size["after"]] for size in found["used_by"]}
    assert sizes == {slug: [len(before[slug]), len(after[slug])] for slug in sizes}
    assert {slug for slug in before if before[slug] != after[slug]} <= {case.slug, *sizes}


def previewed(told: Told, case: Case) -> None:
    """What a preview says of the other rule is what the reference says."""
    found = told.send("preview", {"rule": case.other, "limit": case.limit})
    as_text = told.send("preview", {"rule": write(parse_rule(case.other)), "limit": case.limit})
    assert {**as_text, "warnings": None} == {**found, "warnings": None}  # whose places are those of the text
    meant = case.meant({**case.asked, "(tried)": case.other}, "(tried)")
    counts = {"patients": len(case.sharing), "members": len(meant["True"]), "undecided": len(meant["None"])}
    assert counts == {name: found[name] for name in counts}
    named = len(meant["True"]) if len(meant["True"]) < SMALLEST else case.limit
    assert letters(found["sample"]) == meant["True"][:named]


def compared(told: Told, case: Case) -> tuple[list[str], list[str], Answer]:
    """Whom the difference names on all its pages: who would come, who would go; and the first page."""
    pages = [told.send(f"{case.slug}/diff", {"rule": case.other, "limit": case.limit})]
    while pages[-1]["next"]:
        asked = {"rule": case.other, "limit": case.limit, "cursor": pages[-1]["next"]}
        pages.append(told.send(f"{case.slug}/diff", asked))
    sides = []
    for side, count in (("entering", "entered"), ("leaving", "left")):
        named = [letter for page in pages for letter in letters(page[side])]
        assert {page[count] for page in pages} == {len(named)}
        assert all(len(page[side]) <= max(case.limit, SMALLEST - 1) for page in pages)
        sides.append(named)
    return sides[0], sides[1], pages[0]


def members(told: Told, slug: str) -> list[str]:
    return letters(each for page in told.pages(f"{slug}/members", "members", 100) for each in page["members"])


def changes(told: Told, slug: str, after: str | None = None) -> tuple[dict[str, Answer], str]:
    """A segment's feed after a cursor, by patient, and where it goes on."""
    found = told.ask(f"{slug}/changes", limit=100, **({"after": after} if after else {}))
    assert not found["more"]
    return {chr(UUID(change["patient_id"]).int): change for change in found["changes"]}, found["next"]


def letters(found: Any) -> list[str]:
    return [chr(UUID(each["patient_id"]).int) for each in found]
