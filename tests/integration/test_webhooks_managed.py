"""Webhooks as managers have them: their own clinic's alone, secrets shown once, no edit lost, no key among them."""

import json
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import Api, World

from api.webhooks.repository import MOST_WEBHOOKS
from tests.integration.hooking import add_webhook, endpoint, send, states

NORTH = "/v1/clinics/north/webhooks"
URL = "https://hooks.example/cloister"
Headers = dict[str, str]


@pytest.fixture(scope="module")
def other(api: Api) -> Headers:
    return access_world.sign_in(api, "manager.south")


def tagged(api: Api, headers: Headers, webhook: str) -> Headers:
    return {**headers, "If-Match": api.get(f"{NORTH}/{webhook}", headers=headers).headers["etag"]}


def test_a_webhook_is_added_read_changed_and_ended(world: World, api: Api, manager: Headers) -> None:
    webhook, secret = add_webhook(api, manager, URL)
    assert secret.startswith("whsec_")
    found = api.get(f"{NORTH}/{webhook}", headers=manager)
    assert secret not in found.text and secret not in api.get(NORTH, headers=manager).text
    kinds = ["entered", "left", "forget"]
    assert (found.json()["url"], found.json()["segments"], found.json()["kinds"]) == (URL, None, kinds)
    segment = str(world.segments["north", "elders"])
    listed = api.get("/v1/clinics/north/segments", headers=manager).json()["segments"]
    assert segment in [entry["segment_id"] for entry in listed]
    before = tagged(api, manager, webhook)
    changed = api.patch(f"{NORTH}/{webhook}", headers=before, json={"segments": [segment], "kinds": ["left"]})
    assert changed.status_code == 204
    now = api.get(f"{NORTH}/{webhook}", headers=manager).json()
    assert (now["url"], now["segments"], now["kinds"]) == (URL, [segment], ["left"])
    for method in ("PATCH", "DELETE"):
        body = {"json": {"url": URL}} if method == "PATCH" else {}
        assert api.request(method, f"{NORTH}/{webhook}", headers=before, **body).status_code == 412
        assert api.request(method, f"{NORTH}/{webhook}", headers=manager, **body).status_code == 422
    fresh = tagged(api, manager, webhook)
    assert api.patch(f"{NORTH}/{webhook}", headers=fresh, json={"segments": None}).status_code == 204
    assert api.get(f"{NORTH}/{webhook}", headers=manager).json()["segments"] is None
    whatever = {**manager, "If-Match": "*"}
    assert api.patch(f"{NORTH}/{webhook}", headers=whatever, json={"kinds": kinds}).status_code == 204
    assert api.get(f"{NORTH}/{webhook}", headers=manager).json()["kinds"] == kinds
    theirs = f"/v1/clinics/south/webhooks/{world.webhooks['south']}"
    assert [api.delete(path, headers=whatever).status_code for path in (theirs, f"{NORTH}/{webhook}")] == [404, 204]
    assert api.get(f"{NORTH}/{webhook}", headers=manager).status_code == 404
    assert webhook not in api.get(NORTH, headers=manager).text
    kept = (
        "select deleted_at is not null, deleted_by is not null from operational.webhook_endpoint where endpoint_id = %s"
    )
    assert world.look(kept, webhook) == [(True, True)]
    actions = world.look(
        "select action, decision from audit.access_event where resource_id = %s and role = 'clinic_manager'"
        " order by event_id",
        webhook,
    )
    assert actions == [("webhook.edit", "permit")] * 5


@pytest.mark.check(6)
def test_another_clinics_webhook_is_as_one_that_is_not_there(
    world: World, api: Api, manager: Headers, other: Headers
) -> None:
    webhook, delivery = world.webhooks["north"], world.deliveries["north"]
    before = world.look("select md5(string_agg(t::text, '|' order by t)) from operational.webhook_endpoint as t")
    for method, path in (
        ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/disable"), ("POST", "/enable"), ("POST", "/secret"),
        ("POST", "/test"), ("GET", "/deliveries"), ("POST", f"/deliveries/{delivery}/redeliver"),
    ):  # fmt: skip
        body = {"json": {"url": URL}} if method == "PATCH" else {}
        answers = [
            api.request(
                method, f"/v1/clinics/{clinic}/webhooks/{named}{path}", headers={**other, "If-Match": '"1"'}, **body
            )
            for clinic, named in (("south", webhook), ("south", uuid4()), ("south", "none"), ("north", webhook))
        ]
        assert {answer.status_code for answer in answers} == {404}, (method, path)
        assert len({answer.text for answer in answers}) == 1
    own = world.webhooks["south"]
    stolen = api.post(f"/v1/clinics/south/webhooks/{own}/deliveries/{delivery}/redeliver", headers=other)
    assert stolen.status_code == 404
    after = world.look("select md5(string_agg(t::text, '|' order by t)) from operational.webhook_endpoint as t")
    assert after == before


@pytest.mark.check(6)
def test_pages_of_deliveries_go_on_and_a_cursor_is_good_for_one_list(
    world: World, api: Api, manager: Headers, other: Headers
) -> None:
    webhook, _ = add_webhook(api, manager, URL)
    queued = []
    for _ in range(3):
        world.change(
            "update operational.webhook_delivery set state = 'dead', ended_at = now()"
            " where endpoint_id = %s and state = 'pending'",
            webhook,
        )
        queued.append(api.post(f"{NORTH}/{webhook}/test", headers=manager).json()["delivery_id"])
    path, seen, query = f"{NORTH}/{webhook}/deliveries", [], {}
    for _ in range(3):
        page = api.get(path, headers=manager, params={"limit": 1, **query}).json()
        seen += [entry["delivery_id"] for entry in page["deliveries"]]
        query = {"cursor": page["next"]}
    assert seen == queued[::-1] and page["next"] is None
    cursor = api.get(path, headers=manager, params={"limit": 1}).json()["next"]
    for headers, named in (
        (other, f"/v1/clinics/south/webhooks/{world.webhooks['south']}/deliveries"),
        (manager, f"{NORTH}/{world.webhooks['north']}/deliveries"),
    ):
        for stolen in (cursor, "A" * 60):
            assert api.get(named, headers=headers, params={"cursor": stolen}).status_code == 404
    assert api.get(path, headers=manager, params={"cursor": cursor, "state": "dead"}).status_code == 404


def test_a_secret_is_shown_once_and_the_one_before_signs_for_a_day(api: Api, manager: Headers) -> None:
    webhook, first = add_webhook(api, manager, URL)
    second = api.post(f"{NORTH}/{webhook}/secret", headers=manager).json()
    assert second["webhook_id"] == webhook and second["secret"] != first
    found = api.get(f"{NORTH}/{webhook}", headers=manager)
    assert found.json()["previous_until"] is not None
    assert first not in found.text and second["secret"] not in found.text


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("asked", "place", "rule"),
    [
        ({"url": "http://hooks.example"}, "body.url", "not_https"),
        ({"url": "https://a@b.example"}, "body.url", "no_url"),
        ({"url": "https://127.0.0.1/"}, "body.url", "not_public"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "body.url", "not_public"),
        ({"url": "https://hooks.example:25"}, "body.url", "port"), ({"url": ""}, "body.url", "string_too_short"),
        ({"url": URL, "segments": [str(UUID(int=7))]}, "body.segments", "no_such_segment"),
        ({"url": URL, "segments": []}, "body.segments", "too_short"),
        ({"url": URL, "kinds": []}, "body.kinds", "too_short"),
        ({"url": URL, "kinds": ["born"]}, "body.kinds.0", "literal_error"), (None, "body", "missing"),
    ],
)  # fmt: skip
def test_what_no_webhook_can_be_is_refused_by_place(
    api: Api, manager: Headers, asked: object, place: str, rule: str
) -> None:
    answer = api.post(NORTH, headers=manager, json=asked) if asked else api.post(NORTH, headers=manager)
    assert answer.status_code == 422
    assert answer.json()["errors"][0] == {"place": place, "rule": rule}


def test_a_segment_of_another_clinic_or_archived_is_none(world: World, api: Api, manager: Headers) -> None:
    for segments in ([str(world.segments["south", "elders"])], [str(world.segments["north", "elders"]), str(uuid4())]):
        answer = api.post(NORTH, headers=manager, json={"url": URL, "segments": segments})
        assert answer.json()["errors"][0]["rule"] == "no_such_segment"


def test_no_key_and_nobody_but_a_manager_has_webhooks(world: World, api: Api) -> None:
    refused = [{"Authorization": f"Bearer {key}"} for key in world.keys.values()]
    refused += [access_world.sign_in(api, login) for login in ("staff.north", "admin", "specialist.north")]
    for headers in refused:
        assert api.get(NORTH, headers=headers).status_code == 404
        assert api.post(NORTH, headers=headers, json={"url": URL}).status_code == 404


def test_a_clinic_has_so_many_and_no_more(world: World, api: Api, other: Headers) -> None:
    there = len(api.get("/v1/clinics/south/webhooks", headers=other).json()["webhooks"])
    for _ in range(MOST_WEBHOOKS - there):
        add_webhook(api, other, URL, "south")
    answer = api.post("/v1/clinics/south/webhooks", headers=other, json={"url": URL})
    assert answer.status_code == 409 and answer.json()["errors"][0]["rule"] == "too_many"


def test_a_test_is_sent_once_even_where_nothing_else_is_and_tells_of_nobody(
    world: World, api: Api, manager: Headers, tmp_path: object
) -> None:
    with endpoint(tmp_path) as to:  # type: ignore[arg-type]
        webhook, _ = add_webhook(api, manager, to.url)
        api.post(f"{NORTH}/{webhook}/disable", headers=manager)
        to.answers = [(204, {}), (500, {})]
        queued = []
        for _ in range(2):
            queued.append(api.post(f"{NORTH}/{webhook}/test", headers=manager).json()["delivery_id"])
            again = api.post(f"{NORTH}/{webhook}/test", headers=manager)
            assert again.status_code == 409 and again.json()["errors"][0]["rule"] == "test_waits"
            send(world, to)
    assert [post.delivery for post in to.came] == queued
    assert json.loads(to.came[0].body)["data"] == {"clinic": "north"} and to.came[0].said["type"] == "webhook.test"
    assert states(world, webhook) == [("delivered", 1, 204, None), ("dead", 1, 500, "not_taken")]
    assert api.get(f"{NORTH}/{webhook}", headers=manager).json()["failing_since"] is None
    redelivered = api.post(f"{NORTH}/{webhook}/deliveries/{queued[1]}/redeliver", headers=manager)
    assert redelivered.status_code == 404
    events = world.look("select action, patients from audit.access_event where request_id::text = any(%s)", queued)
    assert events == [("webhook.send", 0)] * 2
