"""What a clinic's segments cost together: each table of facts is read once, each measure worked out once."""

import re
from collections import Counter
from dataclasses import replace
from uuid import UUID

import pytest

from bench.segments_rules import TWENTY
from policies.segments.compiler import MOST_NAMED, ActiveSegment, compile_told
from policies.segments.passes import FENCE
from policies.segments.rule import RuleError
from policies.segments.text import read

MEASURES = 12
TABLES = 5


def _twenty() -> list[ActiveSegment]:
    return [ActiveSegment(UUID(int=n), 1, read(text), slug) for n, (slug, text) in enumerate(TWENTY.items())]


def test_twenty_segments_read_each_table_once_and_work_out_twelve_measures() -> None:
    segments = _twenty()
    compiled = compile_told(segments, flips=False)
    text = compiled.passes + compiled.told
    tables = Counter(re.findall(r"\bfrom (raw_\w+)", text))
    assert len(segments) == 20
    assert tables == dict.fromkeys(("raw_patients", "raw_appointments", "raw_answers", "raw_forms", "raw_adherence"), 1)
    columns = re.findall(r" as (raw_[a-z]+_[0-9]+)\b", text)
    assert len(columns) == len(set(columns)) == MEASURES


@pytest.mark.parametrize(("given", "ordered"), [(False, TABLES), (True, 0)])
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
