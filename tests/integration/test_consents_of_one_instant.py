"""Of two events of one instant a revocation stands, whatever was recorded last, and stands again where it did not."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import access_world
import pytest
from access_world import FINCH, World
from test_consents import shared, state

from infra import migrations

VERSIONS = Path(migrations.__file__).parent / "platform" / "versions"
AT_ONCE = datetime.now(UTC)


@pytest.fixture
def fresh(fresh: World) -> World:
    """Finch shares with both clinics."""
    fresh.consent("south", FINCH)
    return fresh


@pytest.mark.check(14)
@pytest.mark.parametrize("order", permutations(["revoked", "longer", "shorter"]), ids="-".join)
def test_of_one_instant_the_revocation_stands_whatever_was_recorded_last(fresh: World, order: tuple[str, ...]) -> None:
    with access_world.client(fresh.server) as api:
        assert shared(fresh, api, "north", FINCH)
        for which in order:
            of_one_instant(fresh, which)
        assert not shared(fresh, api, "north", FINCH) and state(api, "finch")["state"] == "revoked"
        assert shared(fresh, api, "south", FINCH)


@pytest.mark.check(14)
def test_what_a_shorter_signature_took_back_before_is_revoked_again(fresh: World) -> None:
    """As the revisions before p0054 left it; another clinic's consent stands as it is."""
    revoked, signed = of_one_instant(fresh, "revoked"), of_one_instant(fresh, "shorter")
    of_finch = (fresh.clinic_ids["north"], fresh.people[FINCH])
    fresh.change("update operational.consent_propagation set done_at = now()")
    fresh.change("update operational.profile_tombstone set cleared_at = now()")
    fresh.change(
        "update operational.consent set state = 'signed', event_id = %s, expires_at = now() + interval '1 day'"
        " where clinic_id = %s and person_id = %s and purpose = 'profile_sharing'", signed, *of_finch,
    )  # fmt: skip
    with access_world.client(fresh.server) as api:
        assert shared(fresh, api, "north", FINCH)
        fresh.change((VERSIONS / "p0054_of_one_instant.sql").read_text())
        assert not shared(fresh, api, "north", FINCH) and shared(fresh, api, "south", FINCH)
    assert fresh.look(
        "select kind from operational.consent_propagation where done_at is null and consent_event_id = %s", revoked
    ) == [("revoked",)]
    told = "select xmin::text::bigint from operational.{} where clinic_id = %s and patient_id = %s {}"
    of_patient = (fresh.clinic_ids["north"], fresh.patients["north", FINCH])
    (tombstone,) = fresh.look(told.format("profile_tombstone", "and cleared_at is null"), *of_patient)
    assert tombstone in fresh.look(told.format("outbox", ""), *of_patient), "the marts hear of it"


def of_one_instant(world: World, which: str) -> Any:
    """An event about Finch at north, of the instant of all of these; its id."""
    kind, lasts = ("revoked", None) if which == "revoked" else ("signed", {"longer": 60, "shorter": 30}[which])
    ends = AT_ONCE + timedelta(days=lasts) if lasts else None
    ((event,),) = world.look(
        "insert into operational.consent_event (clinic_id, person_id, purpose, kind, text_version, signer_id, channel,"
        " occurred_at, expires_at) values (%s, %s, 'profile_sharing', %s, 'v1', %s, 'app', %s, %s) returning event_id",
        world.clinic_ids["north"], world.people[FINCH], kind, world.people[FINCH], AT_ONCE, ends,
    )  # fmt: skip
    return event
