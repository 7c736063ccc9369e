"""Before a guardian's signature lapses, whom it was for is asked to sign themselves: once, and some days before."""

import asyncio
from datetime import UTC, datetime, timedelta

import access_world
import pytest
from access_world import CHICK, DELETED, FINCH, World

from api.messages.asking_again import ask_again
from infra.consent_grace import set_consent_grace
from tests.integration.posting import give_email, mail_server, post, send


@pytest.fixture
def fresh(fresh: World) -> World:
    """The child is a patient of both clinics, and Finch signed for them at north."""
    for clinic in ("north", "south"):
        fresh.register_chick(clinic)
    fresh.change("update operational.guardianship set starts_on = '2000-01-01'")
    signed = datetime.now(UTC) - timedelta(days=365)
    of_age(fresh, -1000)
    fresh.consent("north", CHICK, signer_id=fresh.people[FINCH], occurred_at=signed)
    access_world._own_account(fresh, "chick", CHICK, [access_world.Role.PATIENT])
    give_email(fresh, CHICK, "chick@example.org")
    give_email(fresh, FINCH, "finch@example.org")
    return fresh


def of_age(world: World, days_ago: int) -> None:
    """Have the child come of age so many days ago."""
    turned = (datetime.now(UTC) - timedelta(days=days_ago)).date()
    born = turned.replace(year=turned.year - 18, day=min(turned.day, 28))
    world.change("update operational.profile set birth_date = %s where person_id = %s", born, world.people[CHICK])


def asked(world: World) -> int:
    """How many were asked just now."""

    async def asking() -> int:
        messenger = post(world, None)
        async with messenger.pool:
            return await ask_again(messenger.pool)

    return asyncio.run(asking())


@pytest.mark.check(33)
def test_who_came_of_age_is_asked_once_in_their_own_inbox(fresh: World) -> None:
    of_age(fresh, 80)  # of 90 days of grace; a birthday on the 28th at most
    assert asked(fresh) == 1 and asked(fresh) == 0
    queued = fresh.look("select clinic_id, patient_id from operational.message where kind = 'consent_request'")
    assert queued == [(fresh.clinic_ids["north"], fresh.patients["north", CHICK])]
    with mail_server() as (mailman, smtp):
        send(fresh, smtp)
    assert [to for to, _ in mailman.came] == ["chick@example.org"]


@pytest.mark.check(33)
@pytest.mark.parametrize(
    ("days_ago", "grace", "asks"),
    [(40, 90, 0), (80, 90, 1), (100, 90, 0), (-10, 5, 0), (2, 8, 1), (0, 0, 0)],
)  # fmt: skip
def test_it_is_asked_some_days_before_and_never_before_majority(
    fresh: World, days_ago: int, grace: int, asks: int
) -> None:
    set_consent_grace(fresh.server, "north", grace)
    of_age(fresh, days_ago)
    assert asked(fresh) == asks


def test_nobody_is_asked_who_signed_themselves_or_was_asked_lately_or_is_deleted(fresh: World) -> None:
    of_age(fresh, 80)
    person, patient = fresh.people[CHICK], fresh.patients["north", CHICK]
    fresh.change(f"update operational.registration set {DELETED} where patient_id = %s", patient)
    assert asked(fresh) == 0
    fresh.change("update operational.registration set deleted_at = null where patient_id = %s", patient)
    fresh.consent("north", CHICK, expires_at=datetime.now(UTC) + timedelta(days=3))
    assert asked(fresh) == 0
    fresh.consent("north", CHICK, signer_id=fresh.people[FINCH], expires_at=datetime.now(UTC) + timedelta(days=3))
    assert asked(fresh) == 1
    assert fresh.look("select count(*) from operational.message where person_id = %s and kind = 'consent_request'",
                      person) == [(1,)]  # fmt: skip
