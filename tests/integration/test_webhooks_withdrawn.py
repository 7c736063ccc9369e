"""Deliveries tell nothing of who withdrew, of what is archived or not asked for, and keep nothing in clear."""

import base64
import json
from datetime import date
from uuid import UUID

import access_world
import pytest
from access_world import FINCH, Api, World
from standardwebhooks import Webhook

from orchestration.clinics import ClinicDay
from orchestration.live.reconcile_consents import reconcile_consents
from tests.integration.hooking import (
    Endpoint,
    add_webhook,
    enter,
    later,
    leave,
    newcomers,
    send,
    states,
    told_of_two,
)

Headers = dict[str, str]


@pytest.mark.check(49)
@pytest.mark.check(48)
@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_of_who_withdrew_before_it_was_sent_nothing_is_told_that_depends_on_the_profile(
    world: World, api: Api, manager: Headers, to: Endpoint, how: str
) -> None:
    finch = world.patients["north", FINCH]
    world.change("delete from clinic_north.segment_member where patient_id = %s", finch)
    webhook, _ = add_webhook(api, manager, to.url)
    enter(world, "north", "elders", [finch])
    enter(world, "north", "empty", [finch])
    to.answers = [(500, {})]
    assert send(world, to) == 0
    waiting = "select count(*) from operational.webhook_delivery where endpoint_id = %s and patient_id = %s"
    assert world.look(waiting, webhook, finch) == [(2,)]
    if how == "revoked":
        world.consent("north", FINCH, "revoked")
    else:
        world.change("update clinic_north.raw_patients set profile_until = now() where profile_shared")
    later(world, webhook)
    assert send(world, to) == 1
    told = {post.said["data"]["segment_id"] for post in to.came[1:]}
    assert told == {str(world.segments["north", "empty"])}
    assert [state[0] for state in states(world, webhook)] == ["void", "delivered"]
    assert world.look(waiting, webhook, finch) == [(0,)]
    world.change("delete from clinic_north.segment_member where patient_id = %s", finch)
    if how == "revoked":
        world.consent("north", FINCH)
    else:
        world.change("update clinic_north.raw_patients set profile_until = null")


@pytest.mark.check(49)
def test_of_who_withdrew_one_forget_is_told_and_nothing_else_that_depends_on_the_profile(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    north = [ClinicDay("north", date(2026, 3, 4))]
    reconcile_consents(world.server, north)
    finch, elders = str(world.patients["north", FINCH]), str(world.segments["north", "elders"])
    webhook, _ = add_webhook(api, manager, to.url)
    leave(world, "north", "elders", [UUID(finch)])
    enter(world, "north", "elders", [UUID(finch)])
    to.answers = [(500, {})]
    send(world, to)
    assert [state[0] for state in states(world, webhook)] == ["pending", "pending"]
    world.consent("north", FINCH, "revoked")
    reconcile_consents(world.server, north)
    send(world, to)
    told = [post.said for post in to.came[1:] if post.said["data"]["patient_id"] == finch]
    assert [(said["type"], said["data"]["segment_id"]) for said in told] == [("segment.forget", elders)]
    assert [state[0] for state in states(world, webhook)][:2] == ["void", "void"]
    world.consent("north", FINCH)
    reconcile_consents(world.server, north)
    assert send(world, to) >= 1 and to.told()[-1] == ("segment.entered", finch)


@pytest.mark.check(49)
def test_a_dead_delivery_forgets_what_the_feed_does_not_tell_any_more_even_of_a_webhook_that_is_off(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, gone, stays = told_of_two(world, api, manager, to)
    to.answers = [(500, {})]
    send(world, to)
    world.change(
        "update operational.webhook_delivery set state = 'dead', ended_at = now()"
        " where endpoint_id = %s and attempts > 0",
        webhook,
    )
    assert api.post(f"/v1/clinics/north/webhooks/{webhook}/disable", headers=manager).status_code == 204
    world.change("delete from clinic_north.segment_member where patient_id = %s", gone)
    send(world, to)
    kept = "select state, patient_id from operational.webhook_delivery where endpoint_id = %s order by position"
    assert world.look(kept, webhook) == [("void", None), ("pending", stays)]


def test_of_a_clinic_that_was_archived_nothing_more_is_sent(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    add_webhook(api, manager, to.url)
    enter(world, "north", "empty", newcomers(world, "north", 1))
    world.change("update operational.clinic set archived_at = now() where slug = 'north'")
    assert send(world, to) == 0 and not to.came
    world.change("update operational.clinic set archived_at = null where slug = 'north'")
    assert send(world, to) == 1


@pytest.mark.check(21)
@pytest.mark.check(49)
def test_of_a_segment_that_was_archived_who_left_is_told_and_then_nothing(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, secret = add_webhook(api, manager, to.url)
    before, waits, quiet, stays = sorted(newcomers(world, "north", 4))
    enter(world, "north", "empty", [before, waits])
    enter(world, "north", "empty", [quiet, stays], fires=False)
    leave(world, "north", "empty", [before])
    leave(world, "north", "empty", [quiet], "rule", fires=False)
    to.answers = [(500, {})]
    assert send(world, to) == 0, "all waits, but for what fires nothing"
    assert [state[0] for state in states(world, webhook)] == ["pending"] * 3
    world.change("update clinic_north.segment set archived_at = now() where slug = 'empty'")
    later(world, webhook)
    assert send(world, to) == 1, "of the archived segment the leaving that waits, and of its archiving nothing yet"
    # As the run does that follows the archiving: silently, by the rule.
    leave(world, "north", "empty", [waits, stays], "rule", fires=False)
    assert send(world, to) == 2 and send(world, to) == 0
    assert to.told()[1:] == [("segment.left", str(patient)) for patient in (before, waits, stays)]
    assert [(post.said["data"]["cause"], post.said["data"]["fires"]) for post in to.came[1:]] == [
        ("data", True), ("rule", False), ("rule", False),
    ]  # fmt: skip
    assert all(Webhook(secret).verify(post.body, post.headers) == post.said for post in to.came)
    shown = (
        "select d.patient_id from audit.disclosure d join audit.access_event e using (event_id)"
        " where e.action = 'webhook.send' and e.resource_id = %s"
    )
    assert {row[0] for row in world.look(shown, webhook)} == {before, waits, stays}
    assert [state[0] for state in states(world, webhook)] == ["void", "void", "delivered", "delivered", "delivered"]
    world.change("update clinic_north.segment set archived_at = null where slug = 'empty'")
    enter(world, "north", "empty", newcomers(world, "north", 1))
    assert send(world, to) == 1


def test_an_endpoint_is_told_of_its_segments_and_kinds_alone(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    add_webhook(api, manager, to.url, segments=[str(world.segments["north", "empty"])], kinds=["left"])
    patients = newcomers(world, "north", 1)
    for slug in ("empty", "everybody"):
        enter(world, "north", slug, patients)
        leave(world, "north", slug, patients)
    assert send(world, to) == 1
    assert to.told() == [("segment.left", str(patients[0]))]
    assert to.came[0].said["data"]["segment_id"] == str(world.segments["north", "empty"])


@pytest.mark.check(51)
def test_nothing_of_a_patient_or_a_secret_lies_in_clear_in_what_waits_or_is_dead(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, secret = add_webhook(api, manager, to.url)
    enter(world, "north", "empty", newcomers(world, "north", 2))
    to.answers = [(500, {"x-canary": "Canary"})]
    send(world, to)
    for table in ("webhook_endpoint", "webhook_delivery"):
        rows = json.dumps(world.look(f"select t::text from operational.{table} as t where endpoint_id = %s", webhook))
        for canary in ("Canary", secret, secret.removeprefix("whsec_"), access_world.BIRTH):
            assert canary not in rows
        raw = base64.b64decode(secret.removeprefix("whsec_")).hex()
        assert raw not in rows
