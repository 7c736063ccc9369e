"""Any series of events, texts and birthdays: the rule of policies/consent.py and the database's state agree."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from infra.database import Server, connect_admin
from policies.consent import ConsentEvent, ConsentState, ConsentText, lapses_at, outdated_at, stands, state
from policies.guardianship import majority_age
from policies.words import ConsentKind

NOW = datetime.now(UTC).replace(microsecond=0)
GRACE = 90
DAYS = st.integers(1, 800)
EVENTS = st.lists(
    # Some of one instant.
    st.tuples(
        st.sampled_from(ConsentKind),
        DAYS | st.integers(1, 2),
        st.none() | st.integers(-400, 400),
        st.integers(0, 2),
        st.booleans(),
    ),
    max_size=6,
)
# Of each text but the first one: how many days ago it was published, and how many days after that it is required.
TEXTS = st.lists(st.tuples(DAYS, st.none() | st.integers(0, 900)), min_size=2, max_size=2)
BIRTHS = st.none() | st.integers(16 * 365, 23 * 365)
# A signature, what revokes it at that instant, and a shorter one of that instant.
SHORTENED = [
    (ConsentKind(kind), 1, lasts, 0, False) for kind, lasts in (("signed", 9), ("revoked", None), ("signed", 2))
]
STANDS = """
select coalesce(bool_or(state = 'signed' and occurred_at <= now() and coalesce(expires_at > now(), true)), false)
from operational.consent where person_id = %s"""


@pytest.fixture(scope="module")
def people(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect_admin(module_server) as admin:
        yield admin


def texts_of(later: list[tuple[int, int | None]], brought: int | None = None) -> list[ConsentText]:
    """The first one was published before the others, or brought by an import so many days ago."""
    made = [NOW - timedelta(days=days) for days, _ in later]
    required = [None if after is None else made[n] + timedelta(days=after) for n, (_, after) in enumerate(later)]
    first = ConsentText(NOW - timedelta(days=brought or 1000), imported=brought is not None)
    return [first, *map(ConsentText, made, required)]


def event_of(given: tuple[Any, ...], texts: list[ConsentText], born: date | None, age: int) -> ConsentEvent:
    kind, days, lasts, text, by_guardian = given
    at = NOW - timedelta(days=days)
    ends = at + timedelta(days=lasts) if lasts is not None and kind is ConsentKind.SIGNED else None
    lapses = lapses_at(at, born, GRACE, age) if by_guardian else None
    return ConsentEvent(kind, at, ends, outdated_at(texts[text], texts), lapses)


@pytest.mark.check(17)
@pytest.mark.parametrize("clinic", ["north", "south"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=settings().max_examples // 4)
@given(EVENTS, TEXTS, st.none() | DAYS, BIRTHS, st.sampled_from(["DE", "KR", "TH", "SG"]), st.booleans())
@example(given_events=SHORTENED, later=[(1, None)] * 2, brought=None, age_days=None, country="DE", late=False)
@example(given_events=SHORTENED[:1], later=[(9, 1)] * 2, brought=1, age_days=None, country="DE", late=False)
def test_rule_and_wall_agree(
    people: psycopg.Connection,
    clinic: str,
    given_events: Any,
    later: Any,
    brought: int | None,
    age_days: int | None,
    country: str,
    late: bool,
) -> None:
    """`late`: texts and birthday are known after the signatures, so that what is stored has to be settled."""
    texts, born = texts_of(later, brought), age_days and NOW.date() - timedelta(days=age_days)
    with people.transaction(force_rollback=True):
        row = people.execute("update operational.clinic set country = %s where slug = %s returning clinic_id",
                             [country, clinic]).fetchone()  # fmt: skip
        assert row
        person, guardian = (_person(people) for _ in range(2))
        _publish(people, row[0], texts[:1] if late else texts)
        if late:  # what is signed needs its text; it is required from no day yet
            _publish(people, row[0], [ConsentText(text.created_at) for text in texts[1:]], first=1)
        if not late:
            _born(people, person, born)
        for one in given_events:
            kind, _, _, text, by_guardian = one
            event = event_of(one, texts, born, majority_age(country))
            people.execute(
                "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id,"
                " channel, occurred_at, expires_at) values (%s, %s, 'profile_sharing', %s, %s, %s, 'app', %s, %s)",
                [row[0], person, kind, f"v{text}", guardian if by_guardian else person, event.occurred_at,
                 event.expires_at],
            )  # fmt: skip
        if late:
            people.execute("update operational.consent_text set required_from = %s where text_version = 'v1'",
                           [texts[1].required_from])  # fmt: skip
            people.execute("update operational.consent_text set required_from = %s where text_version = 'v2'",
                           [texts[2].required_from])  # fmt: skip
            _born(people, person, born)
            people.execute("select operational.settle_consents(%s, null)", [row[0]])
        found = people.execute(STANDS, [person]).fetchone()
        events = [event_of(one, texts, born, majority_age(country)) for one in given_events]
        assert found == (stands(events, NOW),), state(events, NOW)


def _person(connection: psycopg.Connection) -> Any:
    row = connection.execute("insert into operational.person (name) values ('x') returning person_id").fetchone()
    assert row
    connection.execute("insert into operational.profile (person_id) values (%s)", row)
    return row[0]


def _born(connection: psycopg.Connection, person: Any, born: date | None) -> None:
    connection.execute("update operational.profile set birth_date = %s where person_id = %s", [born, person])


def _publish(connection: psycopg.Connection, clinic_id: int, texts: list[ConsentText], first: int = 0) -> None:
    for number, text in enumerate(texts, first):
        connection.execute(
            "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, created_at,"
            " required_from, imported) values (%s, 'profile_sharing', %s, 't', %s, %s, %s, %s)",
            [clinic_id, f"v{number}", bytes(32), text.created_at, text.required_from, text.imported],
        )


@given(EVENTS, st.integers(0, 900))
def test_only_one_state_lets_anybody_see(given_events: Any, days: int) -> None:
    events = [event_of(one, texts_of([(1, None), (1, None)]), None, 18) for one in given_events]
    at = NOW - timedelta(days=days)
    assert stands(events, at) is (state(events, at) is ConsentState.SIGNED)
    past = [event for event in events if event.occurred_at <= at]
    assert (state(events, at) is ConsentState.NEVER) is (not past)
    assert state(events, at) is state(past, at), "what comes later changes nothing of a past time"
