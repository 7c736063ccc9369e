"""However sharing ends, no read of a mart shows the profile from the commit on, while the mart still holds it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import access_world
import pytest
from access_world import BIRTH, DELETED, FINCH, HERON, World
from operational_rows import Rows

from infra.database import connect_admin
from infra.segments import count_members
from policies.consent_receipt import Place
from tests.integration.test_receipts import appearances, finish
from tests.integration.test_withdrawal import receipts

IN_THE_MART = ["days", "elders", "elders then", "explanation", "feed", "make-up", "members"]


def require_a_text(world: World) -> None:
    world.change(
        "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, created_at,"
        " required_from) values (%s, 'profile_sharing', 'v2', 't', sha256('t'), now(), now())",
        world.clinic_ids["north"],
    )


def correct_the_birth_date(world: World) -> None:
    """Finch, whom Heron signed for as a child, came of age after that, and longer ago than the grace."""
    world.change(
        "update operational.profile set birth_date = %s where person_id = %s", born(18, 120), world.people[FINCH]
    )


def shorten_the_grace(world: World) -> None:
    """Of a consent that Heron signed, before Finch came of age."""
    world.change("update operational.clinic set consent_grace_days = 0 where slug = 'north'")


def sign_for_less(world: World) -> None:
    """A consent that runs out at once, in the place of one without an end."""
    world.consent("north", FINCH, expires_at=datetime.now(UTC) + timedelta(milliseconds=1))


def delete(table: str, world: World) -> None:
    world.change(f"update operational.{table} set {DELETED} where person_id = %s", world.people[FINCH])


HELD = "select count(*) from clinic_north.raw_patients where profile_shared and birth_date is not null"


def born(years: int, days: int) -> str:
    return str((datetime.now(UTC) - timedelta(days=365.25 * years + days)).date())


# By whom and when it was signed, and when Finch was born by the records of then.
ADULT = (FINCH, timedelta(days=200), BIRTH)
CHILD = (HERON, timedelta(days=200), born(15, 0))
COMING_OF_AGE = (HERON, timedelta(days=200), born(18, 60))
WAYS: dict[str, tuple[tuple[str, timedelta, str], Callable[[World], None], str]] = {
    "a required text": (ADULT, require_a_text, "expired"),
    "a corrected birth date": (CHILD, correct_the_birth_date, "expired"),
    "a shorter grace": (COMING_OF_AGE, shorten_the_grace, "expired"),
    "a shorter signature": (ADULT, sign_for_less, "expired"),
    "a deleted registration": (ADULT, lambda world: delete("registration", world), "deleted"),
    "a deleted person": (ADULT, lambda world: delete("person", world), "deleted"),
}


def shared(world: World, signer: str, before: timedelta, birth: str) -> World:
    """Finch alone is an elder of north, and shares the profile with it: the mart says so."""
    world.change("update operational.profile set birth_date = %s where person_id = %s", birth, world.people[FINCH])
    world.consent("north", FINCH, occurred_at=datetime.now(UTC) - before, signer_id=world.people[signer])
    world.change("delete from clinic_north.segment_member where patient_id <> %s", world.patients["north", FINCH])
    world.change("update clinic_north.segment_clock set run = 1, at = '2026-01-01', as_of = '2026-03-04'")
    return world


@pytest.mark.check(14)
@pytest.mark.check(16)
@pytest.mark.check(17)
@pytest.mark.check(34)
@pytest.mark.parametrize("way", WAYS)
def test_from_the_commit_nothing_is_shown_and_the_receipt_is_not_older(fresh: World, way: str) -> None:
    given, end, kind = WAYS[way]
    world = shared(fresh, *given)
    with access_world.client(world.server) as api:
        assert set(appearances(api, world)) >= set(IN_THE_MART)
        end(world)
        ended = instant(world)
        assert world.look(HELD) == [(1,)]
        assert appearances(api, world) == []
    assert {count.segment: count.members for count in count_members(world.server, ["north"])}["elders"] == 0
    closed = world.look("select max(changed_at) from operational.sharing_limit where ends_at is not null")[0][0]
    for _ in range(2):
        finish(world)
        assert world.look(HELD) == [(0,)]
        with connect_admin(world.server) as admin:
            found = receipts(Rows(admin), world.server, world.patients["north", FINCH])
        (receipt,) = [receipt for receipt in found if receipt.kind.value == kind]
        assert closed - timedelta(seconds=1) <= receipt.places[Place.READS] <= ended
        assert all(at >= receipt.places[Place.READS] for at in receipt.places.values())


def test_an_end_that_was_moved_counts_though_no_worker_came_until_then(fresh: World) -> None:
    world = shared(fresh, *ADULT)
    with access_world.client(fresh.server) as api:
        world.consent("north", FINCH, expires_at=datetime.now(UTC) + timedelta(hours=1))
        assert set(appearances(api, world)) >= set(IN_THE_MART)
        world.change("update operational.sharing_limit set ends_at = now() where source = 'consent'")  # an hour later
        assert appearances(api, world) == ["profile"]  # which asks the consent itself


@pytest.mark.check(34)
@pytest.mark.parametrize("table", ["registration", "person"])
def test_who_is_revived_is_seen_again(fresh: World, table: str) -> None:
    world = shared(fresh, *ADULT)
    with access_world.client(fresh.server) as api:
        before = appearances(api, world)
        delete(table, world)
        assert appearances(api, world) == []
        world.change(f"update operational.{table} set deleted_at = null")
        assert appearances(api, world) == before
        delete(table, world)
        world.consent("north", FINCH, "revoked")
        world.change(f"update operational.{table} set deleted_at = null")
        assert appearances(api, world) == []


def instant(world: World) -> datetime:
    found: datetime = world.look("select clock_timestamp()")[0][0]
    return found
