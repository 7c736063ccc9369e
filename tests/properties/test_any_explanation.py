"""Any rules over any data: why a patient is in, and for whom it is undecided, are as the reference says."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from itertools import product
from random import Random
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from hypothesis import strategies as st

from policies.segments.condition import Condition
from policies.segments.flips import HORIZON_DAYS, raw_table
from policies.segments.measure import FactTable
from policies.segments.missing import missing_of
from policies.segments.reference import Patient, Verdict, holds, rows_of, value_of
from policies.segments.references import profile_dependent
from policies.segments.rule import InSegment, Rule, conditions, parse_rule
from policies.segments.sources import ID_COLUMN
from policies.segments.text import read, write
from tests.properties.segment_strategies import AS_OF, PATIENTS, WINDOWS, births, census, near, patients, rules, tables
from tests.properties.told_clinic import (
    CLINICS,
    PROFILE,
    SHARING,
    Answer,
    Sharing,
    Told,
    clinics,
    decided,
    leaves,
    ordered,
    parts,
    seen,
    share,
    with_days_of_forms,
)
from tests.spec.segments.tables import Row

# Some days ahead of those that are looked at, each of which a policy's own test tries.
AHEAD = (1, 2, 27, 30, 31, 60, 89, 92, 364, 366, 1500)
SLUGS = ("s0", "s1", "s2", "census")
__all__ = ["clinics"]
few = share(40)
Fact = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A clinic's rows as of a day, its rules, and who shares the profile."""

    clinic: str
    as_of: date
    rows: dict[str, list[Row]]
    asked: dict[str, Row]
    sharing: dict[str, Sharing]
    seed: int

    @property
    def rules(self) -> dict[str, Rule]:
        return {slug: parse_rule(rule) for slug, rule in self.asked.items()}

    def known(self) -> dict[str, Patient]:
        """The patients by letter as they may be seen."""
        found = {str(one.columns["patient"]): one for one in patients(self.rows)}
        return {letter: seen(one, self.sharing[letter]) for letter, one in found.items()}

    def shares(self, letter: str) -> bool:
        return self.sharing[letter] == "shared"


@st.composite
def cases(draw: st.DrawFn) -> Case:
    day = draw(AS_OF)
    rows = draw(tables(day))
    for form in rows["raw_forms"]:
        form["expires_on"] = draw(st.none() | near(day))
    known = patients(without_ends(rows))
    asked: dict[str, Row] = {slug: draw(rules(day, known, SLUGS[:number])) for number, slug in enumerate(SLUGS[:3])}
    asked["census"] = {draw(st.sampled_from(["any", "all"])): census(day, known, draw(st.none() | WINDOWS))}
    sharing: dict[str, Sharing] = {letter: draw(SHARING) for letter in PATIENTS}
    ago = timedelta(days=draw(st.sampled_from([0, 0, 1, 40, 400])))
    return Case(draw(st.sampled_from(CLINICS)), day - ago, rows, asked, sharing, draw(st.integers(0, 2**32)))


def without_ends(rows: Mapping[str, list[Row]]) -> dict[str, list[Row]]:
    """The rows as the mart has them, which does not know until when a form can be answered."""
    forms = [{name: value for name, value in form.items() if name != "expires_on"} for form in rows["raw_forms"]]
    return {**rows, "raw_forms": forms}


@pytest.mark.check(45)
@few
@hypothesis.given(cases())
def test_an_explanation_says_what_the_reference_says_and_when_it_changes(clinics: dict[str, Told], case: Case) -> None:
    told, forms = clinics[case.clinic], case.rows["raw_forms"]
    case = replace(case, rows=without_ends(case.rows))
    told.fill(case.as_of, case.rows, case.asked, case.sharing)
    told.put_forms_of_record(forms)
    for letter, now in case.known().items():
        looked = Looked(case, with_days_of_forms(now, forms, case.as_of), letter)
        for slug, rule in case.rules.items():
            found = told.ask(f"{slug}/patients/{UUID(int=ord(letter))}/explanation")
            verdict = holds(rule, now, case.as_of, case.rules)
            assert found["holds"] is verdict
            assert (found["member"] is not None) is is_member(case, slug, letter, verdict)
            looked.at(rule, found["explanation"])
            for named, part in found["named"].items():
                looked.at(case.rules[named], part)
            assert set(found["named"]) <= set(SLUGS)
            assert (found["changes"], found["holds"]) == (
                found["explanation"]["changes"],
                found["explanation"]["holds"],
            )


def is_member(case: Case, slug: str, letter: str, verdict: Verdict) -> bool:
    """Whether a patient is told to be a member: not where that tells of a profile that is withheld."""
    if case.sharing[letter] in ("withdrawn", "until", "limit") and profile_dependent(case.rules[slug], case.rules):
        return False
    return verdict is True


once_read = cache(read)


class Lazy(dict[str, Verdict]):
    """Conditions' verdicts by their text, each worked out once."""

    def __init__(self, of: Callable[[Rule], Verdict]) -> None:
        self.of = of

    def __missing__(self, text: str) -> Verdict:
        return self.setdefault(text, self.of(once_read(text)))


@dataclass(frozen=True)
class Looked:
    """One patient, of whom parts of explanations are held against the reference."""

    case: Case
    patient: Patient
    letter: str
    known: dict[int, "Lazy"] = field(default_factory=dict)

    def at(self, rule: Rule, part: Answer) -> None:
        """A part and all within it."""
        assert part["holds"] is self.holds(rule, 0)
        self.changes(rule, part["changes"])
        if isinstance(rule, Condition):
            self.condition(rule, part["condition"])
        assert part["segment"] == (rule.in_segment if isinstance(rule, InSegment) else None)
        for inner, found in zip(parts(rule), part["parts"], strict=True):
            self.at(inner, found)

    def holds(self, rule: Rule, days: int) -> Verdict:
        if days not in self.known:
            as_of = self.case.as_of + timedelta(days=days)
            self.known[days] = Lazy(lambda condition: holds(condition, self.patient, as_of))
        return decided(rule, self.case.rules, self.known[days])

    def changes(self, rule: Rule, found: Answer | None) -> None:
        """It is the first day that differs, of those that are tried."""
        verdict = self.holds(rule, 0)
        changes = (date.fromisoformat(found["on"]) - self.case.as_of).days if found else HORIZON_DAYS
        assert all(self.holds(rule, day) is verdict for day in AHEAD if day < changes)
        if found:
            assert self.holds(rule, changes - 1) is verdict
            assert self.holds(rule, changes) is found["to"] is not verdict

    def condition(self, condition: Condition, found: Answer) -> None:
        """The value is the reference's, and what the sources alone make."""
        as_of = self.case.as_of
        value = value_of(condition, self.patient, as_of)
        assert found["text"] == write(condition)
        assert found["shown"] is not condition.measure.endswith("_text")
        assert found["value"] == (plain(value) if found["shown"] else None)
        lacked = as_told(missing_of(condition, shared=self.case.shares(self.letter))) if value is None else None
        assert found["missing"] == lacked
        if condition.definition.table is FactTable.PATIENTS:
            assert found["sources"] == []
            return
        alone = replace(self.patient, facts={raw_table(condition): self.sources(condition, found["sources"])})
        assert found["more_sources"] == 0
        assert value_of(condition, alone, as_of) == value
        assert len(rows_of(condition, alone, as_of)) == len(found["sources"])

    def sources(self, condition: Condition, found: list[Answer]) -> list[Any]:
        """The patient's own rows that are named, whose columns are told as they are."""
        table = condition.definition.table
        named = {identity(table, source): source for source in found}
        assert len(named) == len(found)
        if table is FactTable.PLANS:
            own = {str(plan) for (plan,) in named}
            return [row for row in self.patient.facts[FactTable.ADHERENCE] if str(row["plan_id"]) in own]
        rows = [row for row in self.patient.facts[table] if identity(table, row) in named]
        for row in rows:
            source = named[identity(table, row)]
            assert source == {
                "kind": source["kind"],
                **{name: plain(row.get(name)) for name in source.keys() - {"kind"}},
            }
            assert not {"body", "patient", "version"} & source.keys()
        assert len(rows) == len(named)
        return rows


def identity(table: FactTable, row: Mapping[str, Any]) -> Fact:
    days = (str(row["day"]),) if table is FactTable.ADHERENCE else ()
    return (str(row[ID_COLUMN[table]]), *days)


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return str(value) if isinstance(value, date | datetime | UUID) else value


def as_told(missing: Any) -> Answer:
    return {
        "lacking": missing.lacking.value, "measure": missing.measure or None, "form": missing.form or None,
        "question": missing.question or None,
    }  # fmt: skip


@pytest.mark.check(45)
@few
@hypothesis.given(cases())
def test_the_undecided_are_those_of_the_reference_and_what_they_lack_decides(
    clinics: dict[str, Told], case: Case
) -> None:
    told = clinics[case.clinic]
    case = replace(case, rows=without_ends(case.rows))
    told.fill(case.as_of, case.rows, case.asked, case.sharing)
    known = case.known()
    for slug, rule in case.rules.items():
        lists = [told.pages(f"{slug}/undecided", "patients", limit) for limit in (1, 2, 100)]
        pages = lists[0]
        listed = [patient for page in pages for patient in page["patients"]]
        assert all([patient for page in other for patient in page["patients"]] == listed for other in lists[1:])
        unknown = [letter for letter, one in known.items() if holds(rule, one, case.as_of, case.rules) is None]
        assert [chr(UUID(patient["patient_id"]).int) for patient in listed] == unknown
        tally = Counter(str(missing) for patient in listed for missing in patient["missing"])
        for page in (page for other in lists for page in other):
            counted = {
                str({k: v for k, v in each.items() if k != "patients"}): each["patients"] for each in page["missing"]
            }
            assert page["total"] == len(unknown) and counted == tally
            assert [each["patients"] for each in page["missing"]] == sorted(counted.values(), reverse=True)
        for letter, patient in zip(unknown, listed, strict=True):
            found = told.ask(f"{slug}/patients/{patient['patient_id']}/explanation")
            assert found["missing"] == patient["missing"] != []
            decides(case, rule, known[letter], patient["missing"], case.shares(letter))


def decides(case: Case, rule: Rule, patient: Patient, named: list[Answer], shared: bool) -> None:
    """Whatever is found of what is named, the rule is decided; whatever of the rest, it is not."""
    rules = case.rules
    of_text = {write(found): found for each in (rule, *rules.values()) for found in conditions(each)}
    verdicts = {text: holds(found, patient, case.as_of) for text, found in of_text.items()}
    lacks = {
        text: str(as_told(missing_of(of_text[text], shared=shared)))
        for text, verdict in verdicts.items()
        if verdict is None
    }
    things, random = set(map(str, named)), Random(case.seed)
    assert things <= set(lacks.values())
    for _ in range(10):
        given: dict[str, Verdict] = {text: random.random() < 0.5 for text in lacks}
        of_named = {text: verdict for text, verdict in given.items() if lacks[text] in things}
        others = {text: verdict for text, verdict in given.items() if lacks[text] not in things}
        assert decided(rule, rules, {**verdicts, **of_named}) is not None
        assert decided(rule, rules, {**verdicts, **others}) is None
    used = Counter(leaves(rule, rules))
    if max(used.values()) == 1 and len(lacks) <= 6:
        for thing in things:
            own = [text for text in lacks if lacks[text] == thing]
            assert matters(lambda found: decided(rule, rules, {**verdicts, **found}), list(lacks), own)


def matters(verdict: Callable[[dict[str, Verdict]], Verdict], unknown: list[str], own: list[str]) -> bool:
    """Whether some values of the others leave it undecided without these, and decide it with them."""
    for values in product([True, False], repeat=len(unknown)):
        given: dict[str, Verdict] = dict(zip(unknown, values, strict=True))
        if verdict(given) is not None and verdict({**given, **dict.fromkeys(own)}) is None:
            return True
    return False


@pytest.mark.check(12)
@few
@hypothesis.given(cases(), st.data())
def test_what_is_withheld_moves_nothing_that_is_told(clinics: dict[str, Told], case: Case, data: st.DataObject) -> None:
    told = clinics[case.clinic]
    case = replace(case, rows=without_ends(case.rows))
    told.fill(case.as_of, case.rows, case.asked, case.sharing)
    before = everything(told, case)
    for row in case.rows["raw_patients"]:
        if case.sharing[str(row["patient"])] in ("withdrawn", "until", "limit"):
            others = {
                **data.draw(st.sampled_from(case.rows["raw_patients"])),
                "birth_date": data.draw(births(case.as_of)),
            }
            told.learn(str(row["patient"]), {name: others[name] for name in PROFILE})
    assert everything(told, case) == before
    told.run(case.as_of)
    assert everything(told, case) == before


def everything(told: Told, case: Case) -> list[Any]:
    """All that is told of the clinic's segments and patients, but for cursors, which are sealed anew."""
    found: list[Any] = told.ask("")["segments"]
    for slug, rule in case.asked.items():
        rule = ordered(rule)
        changed = {"rule": {"not": rule}, "limit": 100}
        found += [told.ask(slug), told.send("preview", {"rule": rule}), told.send(f"{slug}/diff", changed)]
        found += [told.ask(f"{slug}/{what}") for what in ("members", "undecided", "days", "changes")]
        found += [told.ask(f"{slug}/patients/{UUID(int=ord(letter))}/explanation") for letter in PATIENTS]
    return [{name: value for name, value in each.items() if name != "next"} for each in found]
