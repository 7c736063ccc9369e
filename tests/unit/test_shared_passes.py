"""What a clinic's segments cost together: each table of facts is read once, each measure worked out once."""

import re
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from bench.segments_rules import FIVE, TWENTY
from policies.segments.compiler import MOST_NAMED, ActiveSegment, compile_told, compile_verdicts
from policies.segments.passes import FENCE
from policies.segments.reconcile import compile_program
from policies.segments.rule import RuleError, conditions
from policies.segments.text import read

MEASURES = 12
TABLES = ("raw_patients", "raw_appointments", "raw_answers", "raw_forms", "raw_adherence")
PROGRESS = "adherence.plan_progress > 0"


def _active(rules: dict[str, str]) -> list[ActiveSegment]:
    return [ActiveSegment(UUID(int=n), 1, read(text), slug) for n, (slug, text) in enumerate(rules.items())]


def _twenty() -> list[ActiveSegment]:
    return _active(TWENTY)


def _text(segments: list[ActiveSegment], *, given: bool = False, flips: bool = True) -> str:
    compiled = compile_told(segments, given=given, flips=flips)
    return compiled.passes + compiled.told


def _read(text: str) -> Counter[str]:
    """How often each table is read."""
    return Counter(re.findall(r"\bfrom (raw_\w+)", text))


def _asked(rules: dict[str, str]) -> set[str]:
    """The measures of some rules, each with its window and arguments."""
    found = (one for segment in _active(rules) for one in conditions(segment.rule))
    return {one.model_dump_json(exclude={"op", "value"}) for one in found}


@pytest.mark.parametrize(("rules", "number"), [(FIVE, 5), (TWENTY, 20)])
def test_five_segments_and_twenty_read_each_table_once_and_work_out_twelve_measures(
    rules: dict[str, str], number: int
) -> None:
    segments = _active(rules)
    text = _text(segments, flips=False)
    assert len(segments) == number
    assert _read(text) == dict.fromkeys(TABLES, 1)
    columns = re.findall(r" as (raw_[a-z]+_[0-9]+)\b", text)
    assert len(columns) == len(set(columns)) == MEASURES


def test_the_five_ask_for_the_same_measures_as_the_twenty() -> None:
    assert _asked(FIVE) == _asked(TWENTY) and len(_asked(FIVE)) == MEASURES


@pytest.mark.parametrize("flips", [False, True])
def test_the_progress_of_a_plan_beside_other_adherence_reads_the_days_twice_and_no_more(flips: bool) -> None:
    """It is of one plan: the days are added up by plan, and only then are plans compared."""
    plan = {"far": PROGRESS, "half": "adherence.plan_progress >= 0.5", "none": "adherence.plan_progress is unknown"}
    beside = {"lazy": "adherence.completion_rate(30d) < 0.5", "idle": "adherence.days_since_last > 14"}
    assert _read(_text(_active(plan), flips=flips)) == {"raw_patients": 1, "raw_adherence": 1}
    assert _read(_text(_active(beside), flips=flips)) == {"raw_patients": 1, "raw_adherence": 1}
    assert _read(_text(_active(beside | plan), flips=flips)) == {"raw_patients": 1, "raw_adherence": 2}


def test_of_given_patients_each_subquery_reads_them_alone() -> None:
    """A filter around a pass over everybody would leave it a pass over everybody."""
    segments = _active(TWENTY | {"far": PROGRESS})
    verdicts = compile_verdicts(segments, given=True)
    texts = [_text(segments, given=True, flips=flips) for flips in (False, True)]
    for text in (*texts, verdicts.passes + verdicts.source, compile_program(segments, given=True).statement):
        assert _read(text) == dict.fromkeys(TABLES, 1) | {"raw_adherence": 2}
        found = re.findall(r"\bfrom (raw_\w+)\s+(where patient_id = any\(\$4::uuid\[\]\))?", text)
        assert [table for table, only in found if not only] == []
    assert "$4" not in _text(segments)


@pytest.mark.parametrize(("given", "ordered"), [(False, len(TABLES)), (True, 0)])
def test_of_everybody_all_passes_come_in_one_order_to_be_merged(given: bool, ordered: int) -> None:
    compiled = compile_told(_twenty(), given=given, flips=False)
    text = compiled.passes + compiled.told
    assert len(re.findall(rf" order by patient_id(?= {FENCE}\)|\n\),)", text)) == ordered


def test_clinics_that_share_rules_share_what_is_compiled_whatever_their_segments_ids_are() -> None:
    here = _twenty()
    there = [replace(segment, segment_id=UUID(int=99 - segment.segment_id.int), version=2) for segment in here]
    assert compile_told(here) is compile_told(there)
    assert compile_told(here) is not compile_told(here[1:])


def test_more_segments_on_one_level_than_a_row_has_columns_for_are_refused_with_flips_or_without() -> None:
    """Each that others name takes a column for its verdict, and another one for its flip day."""

    def naming(of: str, by: str, many: int) -> list[ActiveSegment]:
        return [_named(f"{by}-{n}", f'in_segment("{of}-{n}") and in_segment("{of}-{n + 1}")') for n in range(many)]

    below = [_named(f"a-{n}", f"age > {n}") for n in range(MOST_NAMED + 1)]
    lower, upper = naming("a", "b", MOST_NAMED), naming("b", "c", MOST_NAMED - 1)
    compile_told([*below[:-1], *lower[:-1], *upper[:-1]])
    for segments in ([*below, *lower], [*below, *lower, *upper]):
        for flips in (True, False):
            with pytest.raises(RuleError, match=f"more than {MOST_NAMED} .* are named"):
                compile_told(segments, flips=flips)


def _named(slug: str, rule: str) -> ActiveSegment:
    return ActiveSegment(UUID(int=1), 1, read(rule), slug)
