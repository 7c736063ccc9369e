"""Deliveries: signed, in order, tried again, given up in the end; recorded before they leave."""

import base64
import hashlib
import hmac
from typing import Any
from uuid import UUID

import pytest
from access_world import Api, World
from standardwebhooks import Webhook

from infra.encryption.rotation.book import Kind
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
from tests.integration.sealed_people import turn

Headers = dict[str, str]


def disclosed(world: World, webhook: str) -> list[tuple[str, UUID | None]]:
    """Action and patient of what the log says of a webhook's deliveries, in order."""
    return world.look(
        "select e.action, d.patient_id from audit.access_event as e"
        " left join audit.disclosure as d on d.event_id = e.event_id"
        " where e.resource_type = 'webhook' and e.resource_id = %s and e.role = 'courier' order by e.event_id",
        webhook,
    )


@pytest.mark.check(21)
def test_a_change_arrives_signed_with_ids_and_a_cause_alone_and_recorded_before(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    enter(world, "north", "empty", newcomers(world, "north", 1))
    webhook, secret = add_webhook(api, manager, to.url)
    (patient,) = newcomers(world, "north", 1)
    enter(world, "north", "empty", [patient])
    enter(world, "north", "everybody", [patient], fires=False)
    recorded: list[Any] = []
    to.on_post = lambda _: recorded.extend(disclosed(world, webhook))
    assert send(world, to) == 1, "what was before the webhook, or fires nothing, is not told"
    (post,) = to.came
    data = {"clinic": "north", "segment_id": str(world.segments["north", "empty"]), "patient_id": str(patient)}
    ((run,),) = world.look("select run from clinic_north.segment_clock")
    data |= {"cause": "data", "version": 1, "run": run - 1, "fires": True}
    assert post.said == {"type": "segment.entered", "timestamp": "2026-02-01T12:00:00+00:00", "data": data}
    assert recorded == [("webhook.send", patient)] == disclosed(world, webhook)
    assert Webhook(secret).verify(post.body, post.headers) == post.said
    # By hand, from the specification.
    signed = f"{post.delivery}.{post.headers['webhook-timestamp']}.".encode() + post.body
    mac = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
    assert post.headers["webhook-signature"] == f"v1,{base64.b64encode(mac).decode()}"
    assert post.headers["content-type"] == "application/json" and "authorization" not in post.headers
    left = "select state, run, segment_id, patient_id from operational.webhook_delivery where delivery_id = %s"
    assert world.look(left, post.delivery) == [("delivered", None, None, None)]
    assert send(world, to) == 0


@pytest.mark.check(22)
@pytest.mark.parametrize("table", ["access_event", "disclosure"])
def test_what_cannot_be_recorded_is_not_sent(
    world: World, api: Api, manager: Headers, to: Endpoint, table: str
) -> None:
    webhook, _ = add_webhook(api, manager, to.url)
    enter(world, "north", "empty", newcomers(world, "north", 1))
    world.change(f"alter table audit.{table} add constraint refuses check (false) not valid")
    try:
        with pytest.raises(Exception, match="refuses"):
            send(world, to)
    finally:
        world.change(f"alter table audit.{table} drop constraint refuses")
    assert not to.came
    assert send(world, to) == 1 and states(world, webhook) == [("delivered", 1, 204, None)]


def test_what_is_not_taken_is_tried_again_later_and_holds_up_what_follows(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, first, second = told_of_two(world, api, manager, to)
    to.answers = [(500, {}), (429, {"retry-after": "7200"}), (302, {"location": to.url})]
    for failure, status, least in (("not_taken", 500, 3), ("not_taken", 429, 7000), ("redirected", 302, 10)):
        assert send(world, to) == 0
        assert states(world, webhook)[0][2:] == (status, failure) and states(world, webhook)[1][0] == "pending"
        waits = "select extract(epoch from next_try_at - now()) from operational.webhook_delivery where answered = %s"
        assert world.look(waits, status)[0][0] > least
        assert send(world, to) == 0, "nothing is due"
        later(world, webhook)
    leave(world, "north", "empty", [first])
    assert send(world, to) == 3
    assert len({post.delivery for post in to.came[:4]}) == 1, "one id over all attempts"
    assert [patient for _, patient in to.told()] == [str(first)] * 4 + [str(second), str(first)]
    assert [kind for kind, _ in to.told()][-3:] == ["segment.entered", "segment.entered", "segment.left"]
    assert [action for action, _ in disclosed(world, webhook)] == ["webhook.send"] * 6


def test_after_a_day_it_is_dead_the_next_ones_turn_comes_and_a_manager_has_it_sent_again(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, _, second = told_of_two(world, api, manager, to)
    to.answers = [(500, {}), (500, {})]
    send(world, to)
    ago = "update operational.webhook_delivery set first_tried_at = now() - interval '24 hours' where endpoint_id = %s"
    world.change(ago, webhook)
    later(world, webhook)
    send(world, to)
    assert states(world, webhook)[0] == ("dead", 2, 500, "not_taken")
    assert send(world, to) == 1 and to.told()[-1][1] == str(second)
    path = f"/v1/clinics/north/webhooks/{webhook}/deliveries"
    dead = api.get(path, headers=manager, params={"state": "dead"}).json()["deliveries"]
    assert [entry["delivery_id"] for entry in dead] == [to.came[0].delivery]
    assert api.post(f"{path}/{to.came[0].delivery}/redeliver", headers=manager).status_code == 202
    assert send(world, to) == 1 and to.came[-1].delivery == to.came[0].delivery
    again = api.post(f"{path}/{to.came[0].delivery}/redeliver", headers=manager)
    assert again.status_code == 404, "it was taken"


@pytest.mark.parametrize(("answer", "because"), [(500, "failures"), (410, "gone")])
def test_an_endpoint_that_takes_nothing_for_days_or_asks_for_an_end_is_given_up_and_managers_are_told(
    world: World, api: Api, manager: Headers, to: Endpoint, answer: int, because: str
) -> None:
    person = world.newcomer("north")
    world.change("update operational.principal set person_id = %s where login = 'manager.north'", person)
    world.change("update operational.message set state = 'sent', sent_at = now() where kind = 'webhook_notice'")
    webhook, _ = add_webhook(api, manager, to.url)
    patients = newcomers(world, "north", 2)
    enter(world, "north", "empty", patients)
    to.answers = [(answer, {})] * (1 if answer == 410 else 2)
    send(world, to)
    if answer != 410:
        world.change(
            "update operational.webhook_delivery set first_tried_at = now() - interval '24 hours'"
            " where endpoint_id = %s and attempts > 0",
            webhook,
        )
        world.change(
            "update operational.webhook_endpoint set failing_since = now() - interval '5 days' where endpoint_id = %s",
            webhook,
        )
        later(world, webhook)
        send(world, to)
    path = f"/v1/clinics/north/webhooks/{webhook}"
    assert api.get(path, headers=manager).json()["disabled_by"] == because
    told = world.look("select person_id, about_id::text from operational.message where kind = 'webhook_notice'"
                      " and state = 'pending'")  # fmt: skip
    assert told == [(person, webhook)]
    assert ("webhook.disable", None) in disclosed(world, webhook)
    later(world, webhook)
    posts = len(to.came)
    assert send(world, to) == 0 and len(to.came) == posts
    assert api.post(f"{path}/enable", headers=manager).status_code == 204
    assert send(world, to) == (2 if answer == 410 else 1), "what waited goes on"
    world.change("update operational.principal set person_id = null where login = 'manager.north'")


@pytest.mark.check(37)
def test_a_new_secret_signs_beside_the_one_before_and_both_outlive_a_rotation_of_keys(
    world: World, api: Api, manager: Headers, to: Endpoint
) -> None:
    webhook, first = add_webhook(api, manager, to.url)
    second = api.post(f"/v1/clinics/north/webhooks/{webhook}/secret", headers=manager).json()["secret"]
    assert first != second
    key = "select substr(secret, 2, 16), substr(previous_secret, 2, 16) from operational.webhook_endpoint"
    before = world.look(f"{key} where endpoint_id = %s", webhook)
    assert turn(world.server, Kind.DATA)[0].left == 0
    assert set(world.look(f"{key} where endpoint_id = %s", webhook)[0]).isdisjoint(before[0])
    patients = newcomers(world, "north", 2)
    enter(world, "north", "empty", patients[:1])
    send(world, to)
    for secret in (first, second):
        assert Webhook(secret).verify(to.came[0].body, to.came[0].headers)
    world.change("update operational.webhook_endpoint set previous_until = now() where endpoint_id = %s", webhook)
    enter(world, "north", "empty", patients[1:])
    send(world, to)
    assert " " not in to.came[1].headers["webhook-signature"]
    assert Webhook(second).verify(to.came[1].body, to.came[1].headers)
    kept = "select previous_secret from operational.webhook_endpoint where endpoint_id = %s"
    assert world.look(kept, webhook) == [(None,)]
