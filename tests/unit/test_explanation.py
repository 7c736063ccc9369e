"""Why a rule holds: the tree, the rows behind each value, what is missing, and the day on which it changes."""

from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from policies.segments import explanation
from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import Condition
from policies.segments.explanation import MOST_LOOKS, MOST_SOURCES, explain
from policies.segments.measure import FactTable
from policies.segments.missing import Lacking, Missing, missing_from
from policies.segments.reference import rows_of
from policies.segments.rule import RuleError
from policies.segments.sources import ID_COLUMN, sources_of
from policies.segments.text import read
from policies.segments.values import OF_FACTS, Row
from tests.unit.records_of import AS_OF, answer, exercises, form, patient, visit

VISITS = {
    FactTable.APPOINTMENTS: [
        visit(1, "2024-05-01"), visit(2, "2024-05-20"), visit(3, "2024-05-10", "noshow"),
        visit(4, "2024-06-10", "booked"), visit(5, "2024-05-20"), visit(6, "2024-06-20", "booked"),
        visit(7, "2024-05-25", "cancelled"),
    ]
}  # fmt: skip
FORMS = {
    FactTable.FORMS: [
        form(1, "2024-05-01", due_on=date(2024, 5, 30)), form(2, "2024-05-02", due_on=AS_OF), form(3, "2024-05-03"),
        form(4, "2024-05-04", "completed", completed_on=date(2024, 5, 6)), form(5, "2024-04-01", "expired"),
    ]
}  # fmt: skip
ANSWERS = {
    FactTable.ANSWERS: [
        answer(1, "2024-05-01T08:00", number=3.0), answer(2, "2024-05-02T08:00", number=7.0),
        answer(3, "2024-05-02T08:00", number=5.0), answer(4, "2024-05-03T08:00", number=7.0),
        answer(5, "2024-05-04T08:00", choice="a", form_id=UUID(int=9)),
        answer(6, "2024-05-04T08:00", choice="b", form_id=UUID(int=9)), answer(7, "2024-05-01T07:00", choice="c"),
        answer(8, "2024-05-05T08:00", body="word"), answer(9, "2024-05-06T08:00", day=date(2024, 1, 2)),
    ]
}  # fmt: skip
ADHERENCE = {
    FactTable.ADHERENCE: [
        exercises(1, "2024-05-01"), exercises(1, "2024-05-02", 0), exercises(2, "2024-05-03"),
        exercises(2, "2024-05-04", 0), exercises(2, "2024-06-04", 0),
    ]
}  # fmt: skip


def condition(text: str) -> Condition:
    found = read(f"{text} is known")
    assert isinstance(found, Condition)
    return found


SOURCES: list[tuple[str, dict[FactTable, list[Row]], list[int]]] = [
    ("age", VISITS, []),
    ("registration.days", VISITS, []),
    ("appointments.count", VISITS, [7, 5, 2, 3, 1]),
    ('appointments.count(10d, status="fulfilled")', VISITS, []),
    ("appointments.count(11d)", VISITS, [7]),
    ("appointments.count(12d)", VISITS, [7, 5, 2]),
    ("appointments.per_month(1y)", VISITS, [5, 2, 1]),
    ("appointments.noshow_count", VISITS, [3]),
    ("appointments.noshow_rate", VISITS, [5, 2, 3, 1]),
    ("appointments.first_on", VISITS, [1]),
    ("appointments.last_on", VISITS, [5, 2]),
    ("appointments.days_since_last", VISITS, [5, 2]),
    ("appointments.next_on", VISITS, [4]),
    ("appointments.days_until_next", VISITS, [4]),
    ("forms.completed", FORMS, [4]),
    ("forms.pending", FORMS, [3, 2, 1]),
    ("forms.overdue", FORMS, [1]),
    ("forms.expired", FORMS, [5]),
    ("answers.count", ANSWERS, [9, 8, 6, 5, 4, 3, 2, 7, 1]),
    ("answers.days_since_last", ANSWERS, [9]),
    ("answers.latest", ANSWERS, [4]),
    ("answers.latest(29d)", ANSWERS, [4]),
    ("answers.first", ANSWERS, [1]),
    ("answers.first(30d)", ANSWERS, [2]),
    ("answers.min", ANSWERS, [1]),
    ("answers.max", ANSWERS, [4, 2]),
    ("answers.mean", ANSWERS, [4, 3, 2, 1]),
    ("answers.latest_choice", ANSWERS, [6]),
    ("answers.first_choice", ANSWERS, [7]),
    ("answers.latest_choices", ANSWERS, [6, 5]),
    ("answers.choices", ANSWERS, [6, 5, 7]),
    ("answers.latest_text", ANSWERS, [8]),
    ("answers.first_text", ANSWERS, [8]),
    ("answers.latest_date", ANSWERS, [9]),
    ("answers.first_date", ANSWERS, [9]),
    ("answers.min_date", ANSWERS, [9]),
    ("answers.max_date", ANSWERS, [9]),
    ("adherence.completion_rate", ADHERENCE, [2, 2, 1, 1]),
    ("adherence.days_since_last", ADHERENCE, [2]),
    ("adherence.plan_progress", ADHERENCE, [2]),
]


@pytest.mark.parametrize(("measure", "facts", "numbers"), SOURCES)
def test_a_value_names_the_rows_that_it_comes_from(
    measure: str, facts: dict[FactTable, list[Row]], numbers: list[int]
) -> None:
    if measure.startswith("answers."):
        name, _, arguments = measure.partition("(")
        measure = f'{name}({arguments.rstrip(")")}{", " if arguments else ""}form="pain", question="score")'
    asked, of = condition(measure), patient(facts)
    found = sources_of(asked, of, AS_OF)
    assert [row[ID_COLUMN[asked.definition.table]].int for row in found] == numbers
    # Nothing that decides it is left out: the rows alone give the value.
    every = rows_of(asked, of, AS_OF)
    assert not found or OF_FACTS[asked.measure](found, AS_OF) == OF_FACTS[asked.measure](every, AS_OF)


class Watched(dict[str, Any]):
    """A row that counts how often each of its columns is read."""

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self.reads: Counter[str] = Counter()

    def __getitem__(self, column: str) -> Any:
        self.reads[column] += 1
        return super().__getitem__(column)


@pytest.mark.parametrize("name", ["first_on", "last_on", "next_on"])
def test_no_row_is_looked_at_again_for_each_other_one(name: str) -> None:
    status, ahead = ("booked", 1) if name == "next_on" else ("fulfilled", -1)
    rows = [Watched(visit(n, str(AS_OF + timedelta(days=ahead * n)), status)) for n in range(1, 100)]
    asked = condition(f"appointments.{name}")
    assert len(sources_of(asked, patient({FactTable.APPOINTMENTS: [*rows]}), AS_OF)) == 1
    assert max(row.reads["starts_on"] for row in rows) < 10


def test_the_tree_is_the_rules_with_what_each_condition_found() -> None:
    found = explain(read("age > 65 or not appointments.count > 5"), patient(VISITS), AS_OF).whole
    assert found.holds is True
    assert [(part.holds, [inner.holds for inner in part.parts]) for part in found.parts] == [
        (None, []),
        (True, [False]),
    ]
    age, count = found.parts[0].finding, found.parts[1].parts[0].finding
    assert age and count
    assert (age.value, list(age.sources)) == (None, [])
    assert (count.value, len(count.sources), count.more) == (5, 5, 0)


def test_of_many_rows_the_newest_are_shown_and_the_others_counted() -> None:
    days = [exercises(1, str(AS_OF - timedelta(days=ago))) for ago in range(MOST_SOURCES + 3)]
    found = explain(read("adherence.completion_rate < 1"), patient({FactTable.ADHERENCE: days}), AS_OF).whole.finding
    assert found and found.more == 3
    assert [row["day"] for row in found.sources] == [AS_OF - timedelta(days=ago) for ago in range(MOST_SOURCES)]


def test_a_named_segment_is_explained_once_beside_the_rule() -> None:
    segments = {"adults": read("age >= 18"), "seen": read('in_segment("adults") and appointments.count > 0')}
    rule = read('in_segment("seen") and not in_segment("adults")')
    found = explain(rule, patient(VISITS, birth_date=date(2006, 6, 1)), AS_OF, segments)
    assert found.whole.holds is False
    assert [part.holds for part in found.whole.parts] == [False, True]
    assert {slug: str(part.course.changes_on) for slug, part in found.named.items()} == {
        "adults": "2024-06-01", "seen": "2024-06-01",
    }  # fmt: skip
    with pytest.raises(RuleError):
        explain(rule, patient(), AS_OF, {"seen": segments["seen"]})


CONSENT, PAIN = Missing(Lacking.CONSENT), Missing(Lacking.ANSWER, form="pain", question="score")
PAINFUL = 'answers.latest(form="pain", question="score") > 3'


@pytest.mark.parametrize(
    ("rule", "shared", "missing"),
    [
        ("age > 65", False, [CONSENT]),
        ('age > 65 and sex = "female"', False, [CONSENT]),
        ('age > 65 and sex = "female"', True, [Missing(Lacking.PROFILE, "age"), Missing(Lacking.PROFILE, "sex")]),
        (PAINFUL, True, [PAIN]),
        (f"{PAINFUL} and age > 65", False, [PAIN, CONSENT]),
        ("appointments.noshow_rate(1y) > 0.2", True, [Missing(Lacking.FACT, "appointments.noshow_rate(1y)")]),
        # What is known decides, or leaves the rest to decide.
        (f"{PAINFUL} and appointments.count > 0", False, []),
        (f"{PAINFUL} or appointments.count > 0", False, [PAIN]),
        (f"not ({PAINFUL} or (age > 65 and appointments.count > 0))", False, [PAIN]),
        (f"age > 65 and ({PAINFUL} or appointments.count = 0)", False, [CONSENT]),
        (f'in_segment("elders") and ({PAINFUL} or not in_segment("elders"))', False, [PAIN, CONSENT]),
        ("age is unknown", False, []),
    ],
)
def test_what_is_missing_is_what_could_still_decide(rule: str, shared: bool, missing: list[Missing]) -> None:
    found = explain(read(rule), patient(), AS_OF, {"elders": read("age > 65")})
    assert (found.whole.holds is None) is bool(missing)
    assert missing_from(found, shared=shared) == sorted(missing)


@pytest.mark.check(41)
def test_what_would_take_too_long_is_refused_before_it_begins() -> None:
    days = [str(AS_OF - timedelta(days=ago)) for ago in range(3000)]
    daily = patient({FactTable.ADHERENCE: [exercises(1, day) for day in days]})
    long, short = (
        read(" or ".join(f"adherence.completion_rate({first + more}d) < 0.5" for more in range(10)))
        for first in (3000, 30)
    )
    with pytest.raises(RuleError, match="too long"):
        explain(long, daily, AS_OF)
    assert explain(short, daily, AS_OF).whole.holds is False


def test_once_it_is_too_much_no_more_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Condition] = []
    monkeypatch.setattr(explanation, "looks", lambda found, *_: looked.append(found) or MOST_LOOKS)
    with pytest.raises(RuleError, match="too long"):
        explain(read(" or ".join(f"age > {years}" for years in range(100))), patient({}), AS_OF)
    assert len(looked) == 2


def test_every_measure_of_facts_has_a_case_above() -> None:
    asked = {measure.partition("(")[0] for measure, _, _ in SOURCES}
    assert {name for name, measure in CATALOGUE.items() if measure.table is not FactTable.PATIENTS} <= asked
