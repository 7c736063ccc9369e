"""Whatever is searched for in FHIR is a filter that holds, or is refused by its place."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.fhir.searching import filters
from infra.errors import InvalidInput

NOTHING = {"patient": None, "agent": None, "subtype": None, "outcome": None}
FORMATS = ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ")
TIMES = st.datetimes(timezones=st.just(UTC)).filter(lambda time: 1000 <= time.year < 9000)
TEXTS = st.text(max_size=30) | st.from_regex(
    r"(ge|lt|eq|xx)?\d{4}(-\d\d)?(-\d\d)?(T\d\d:\d\d(:\d\d)?)?(Z|\+\d\d:\d\d)?"
)


@given(TIMES, TIMES, st.sampled_from(FORMATS))
def test_a_date_is_the_span_that_it_names(named: datetime, event: datetime, form: str) -> None:
    text = named.strftime(form)
    same = event.strftime(form) == text
    for prefix, holds in {
        "": same, "eq": same, "ge": same or event > named, "gt": not same and event > named,
        "le": same or event < named, "lt": not same and event < named,
    }.items():  # fmt: skip
        found = filters(**NOTHING, dates=[prefix + text])
        assert ((found.since or event) <= event and (not found.until or event < found.until)) is holds


@given(TIMES, st.sampled_from([-720, -1, 60, 840]))
def test_a_zone_counts(named: datetime, minutes: int) -> None:
    sign, (hours, rest) = "+" if minutes > 0 else "-", divmod(abs(minutes), 60)
    found = filters(**NOTHING, dates=[f"ge{named:%Y-%m-%dT%H:%M:%S}{sign}{hours:02}:{rest:02}"])
    assert found.since == named.replace(microsecond=0) - timedelta(minutes=minutes)


@given(st.lists(TEXTS, max_size=4), *[st.none() | TEXTS] * 4)
def test_any_text_is_a_filter_or_refused_by_its_place(
    dates: list[str], patient: str | None, agent: str | None, subtype: str | None, outcome: str | None
) -> None:
    refused = None
    try:
        filters(patient=patient, agent=agent, subtype=subtype, outcome=outcome, dates=dates)
    except InvalidInput as error:
        refused = error
    assert refused is None or (refused.place.startswith("query.") and refused.rule)


def test_several_dates_all_hold() -> None:
    found = filters(**NOTHING, dates=["ge2026-01", "lt2026-03", "le2026-05-01"])
    assert (found.since, found.until) == (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(InvalidInput):
        filters(**NOTHING, dates=["ne2026"])
