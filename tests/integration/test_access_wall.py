"""The rules of the policies and the walls of the database say the same."""

from datetime import UTC, datetime, timedelta

import pytest
from access_world import World

from api.pages.charts import DIMENSIONS
from infra.database import connect, set_context
from infra.roles import Login
from policies.classification import CATEGORY, PROFILE_DIMENSIONS, Field, needs_consent
from policies.consent import ConsentEvent, stands
from policies.words import ConsentKind, Role

NOW = datetime.now(UTC)
HISTORIES = [
    [],
    [(ConsentKind.SIGNED, -10, None)],
    [(ConsentKind.SIGNED, -10, -1)],
    [(ConsentKind.SIGNED, -10, 10)],
    [(ConsentKind.SIGNED, -10, None), (ConsentKind.REVOKED, -5, None)],
    [(ConsentKind.SIGNED, -10, None), (ConsentKind.REVOKED, -5, None), (ConsentKind.SIGNED, -1, None)],
    [(ConsentKind.REVOKED, -5, None), (ConsentKind.SIGNED, -10, None)],
]


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: f"{len(history)} events")
def test_the_rule_of_consent_and_the_wall_agree(
    world: World, history: list[tuple[ConsentKind, int, int | None]]
) -> None:
    person, south = world.newcomer("south"), world.clinic_ids["south"]
    events = [
        ConsentEvent(kind, NOW + timedelta(days=at), NOW + timedelta(days=end) if end else None)
        for kind, at, end in history
    ]
    for event in events:
        world.change(
            "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id,"
            " channel, occurred_at, expires_at) values (%s, %s, 'profile_sharing', %s, 'v1', %s, 'paper', %s, %s)",
            south, person, event.kind, person, event.occurred_at, event.expires_at,
        )  # fmt: skip
    with connect(Login.SERVICE, at=world.server) as connection:
        set_context(connection, clinic_id=south)
        seen = connection.execute("select 1 from operational.profile where person_id = %s", [person]).fetchone()
    assert (seen is not None) is stands(events, NOW)


def test_a_signature_ahead_of_time_does_not_stand_yet() -> None:
    assert not stands([ConsentEvent(ConsentKind.SIGNED, NOW + timedelta(days=1))], NOW)


def test_every_column_of_a_marts_patients_has_a_category(world: World) -> None:
    columns = world.look(
        "select attname from pg_attribute where attrelid = 'clinic_north.raw_patients'::regclass and attnum > 0"
    )
    assert len(columns) > 8
    assert [name for (name,) in columns if name not in CATEGORY] == []


def test_exactly_the_profile_is_kept_out_of_a_mart_without_consent(world: World) -> None:
    ((text,),) = world.look(
        "select pg_get_constraintdef(oid) from pg_constraint"
        " where conname = 'raw_patients_consent' and conrelid = 'clinic_north.raw_patients'::regclass"
    )
    assert {field for field in Field if needs_consent(field)} == {field for field in Field if field in text}


def test_dimensions_and_roles_are_those_the_database_knows(world: World) -> None:
    ((text,),) = world.look(
        "select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint where contype = 'c'"
        " and conrelid in ('clinic_north.segment_report'::regclass, 'operational.principal_role'::regclass)"
    )
    assert [word for word in (*DIMENSIONS, *Role) if f"'{word}'" not in text] == []
    assert set(PROFILE_DIMENSIONS) < set(DIMENSIONS)
