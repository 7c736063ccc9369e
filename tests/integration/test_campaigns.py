"""Messages to a segment: to those who may be written to at that very time, once each, recorded, and to nobody else."""

import json
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from access_world import DELETED, FINCH, Api, World
from campaigning import (
    NEWS,
    Crowd,
    crowd,
    link_of,
    manager,
    people,
    progress,
    start,
    started,
    text_of,
)
from hypothesis import given
from hypothesis import strategies as st

from api.campaigns.service import counted
from api.messages.port import Message, MessageKind
from api.messages.reach import Reach
from api.messages.transports import Undelivered
from policies.words import ConsentPurpose
from tests.conftest import ROOT
from tests.integration.posting import at_once, due_now, give_email, mail_server, queue, recording_refused, send

SHARING, MESSAGES = ConsentPurpose.PROFILE_SHARING, ConsentPurpose.COMMUNICATIONS


@pytest.fixture(scope="module")
def mixed(world: World) -> Crowd:
    """A member for each way of being reached, and for each reason not to be."""
    give_email(world, FINCH, "finch@example.org")
    found = crowd(world, "mixed")
    found.add("own")
    found.add("booked", verified=False)
    found.add("shared", verified=None, shared_email=True, account=True)
    found.add("child", verified=None, shared_email=True, guardian=FINCH)
    found.add("nobody", verified=None)
    found.add("unproven", verified=False, account=True)
    found.add("silent", signed=(SHARING,))
    found.add("closed", signed=(MESSAGES,))
    found.add("gone")
    world.change(f"update operational.registration set {DELETED} where patient_id = %s", found.patients["gone"])
    return found


REACHED = {"own@account.example", "booked@account.example", "shared@profile.example", "finch@example.org"}


@pytest.mark.check(21)
@pytest.mark.check(34)
def test_the_counts_say_whom_a_message_would_reach_and_why_not_the_others(world: World, api: Api, mixed: Crowd) -> None:
    answer = api.get(f"{mixed.path}/reach", headers=manager(api))
    assert answer.json() == {
        "segment": "mixed",
        "matched": 9,
        "contactable": {"email": 3, "guardian": 1},
        "withheld": {
            "deleted": 1, "no_profile_sharing": 1, "no_communications": 1, "unsubscribed": 0, "no_contact": 2,
        },
        "rounded": False,
    }  # fmt: skip
    events = world.look(
        "select action, purpose, decision, patients, resource_id from audit.access_event where request_id = %s",
        answer.headers["x-request-id"],
    )
    assert events == [("segment.reach", "communications", "permit", 9, "mixed")], "each count is of a few"


@pytest.mark.check(12)
def test_whoever_may_not_list_the_members_sees_counts_in_tens(world: World, api: Api, mixed: Crowd) -> None:
    headers = {"Authorization": f"Bearer {world.keys['north.messages']}"}
    found = api.get(f"{mixed.path}/reach", headers=headers).json()
    assert found["rounded"] is True
    assert found["matched"] is None and set(found["contactable"].values()) | set(found["withheld"].values()) == {None}


@pytest.mark.check(12)
@given(st.lists(st.sampled_from(list(Reach)), max_size=120))
def test_no_rounded_count_tells_of_fewer_than_ten(reaches: list[Reach]) -> None:
    found = counted("s", Counter(reaches), exact=False)
    shown = [found.matched, *found.contactable.model_dump().values(), *found.withheld.model_dump().values()]
    assert all(count is None or (count >= 10 and count % 10 == 0) for count in shown)
    for reach in Reach:
        part = {**found.contactable.model_dump(), **found.withheld.model_dump()}[reach.value]
        assert (part or 0) <= reaches.count(reach) < (part or 0) + 10


@pytest.mark.check(12)
def test_whoever_withdrew_the_profile_is_not_counted_in_a_segment_that_asks_for_it(world: World, api: Api) -> None:
    found = crowd(world, "by-profile", profile_dependent=True)
    found.add("staying")
    found.add("leaving")
    world.consent("north", "by-profile leaving", "revoked")
    answer = api.get(f"{found.path}/reach", headers=manager(api)).json()
    assert answer["matched"] == 1 and answer["withheld"]["no_profile_sharing"] == 0


@pytest.mark.check(21)
@pytest.mark.check(28)
@pytest.mark.check(52)
def test_it_goes_to_those_who_agreed_alone_and_is_recorded_for_each(world: World, api: Api, mixed: Crowd) -> None:
    answer = start(api, mixed)
    campaign = answer.json()["id"]
    with mail_server() as (mailman, smtp):
        send(world, smtp, times=3)
    assert sorted(to for to, _ in mailman.came) == sorted(REACHED)
    assert progress(api, mixed, campaign) == {
        "matched": 9, "waiting": 0, "sent": 4, "stopped": 0, "failed": 0,
        "withheld": {"deleted": 1, "no_profile_sharing": 1, "no_communications": 1, "no_contact": 2},
    }  # fmt: skip
    mail = message_from_bytes(mailman.came[0][1])
    assert mail["Subject"] == NEWS["subject"] and text_of(mail).startswith(NEWS["text"])
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = f"https://cloister.example{link_of(mailman.came[0][1])}"
    assert f"\r\nList-Unsubscribe: <{link}>\r\n".encode() in mailman.came[0][1], "whole, as mail programs look for it"
    assert b"north" not in mailman.came[0][1].lower() and b"canary" not in mailman.came[0][1].lower()
    meant = {mixed.patients[name] for name in ("own", "booked", "shared", "child")}
    disclosed = (
        "select d.patient_id from audit.disclosure as d inner join audit.access_event as e using (event_id) where {}"
    )
    asked = world.look(disclosed.format("e.request_id = %s"), answer.headers["x-request-id"])
    assert {row[0] for row in asked} == meant
    sent = world.look(disclosed.format("e.action = 'message.send' and d.patient_id = any(%s)"), list(meant))
    assert {row[0] for row in sent} == meant and len(sent) == 4


@pytest.mark.check(14)
@pytest.mark.check(48)
def test_a_consent_that_is_withdrawn_before_it_is_sent_counts(world: World, api: Api) -> None:
    found = people(world, "waiting", 5)
    campaign = started(api, found)
    world.consent("north", "waiting waiting-0", "revoked", purpose=MESSAGES.value)
    world.consent("north", "waiting waiting-1", "revoked", purpose=SHARING.value)
    world.change(
        "update operational.consent set expires_at = now() - interval '1 day' where person_id = %s and purpose = %s",
        world.people["waiting waiting-2"], MESSAGES.value,
    )  # fmt: skip
    world.change(f"update operational.registration set {DELETED} where patient_id = %s", found.patients["waiting-3"])
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    assert [to for to, _ in mailman.came] == ["waiting-4@account.example"]
    withheld = {"no_communications": 2, "no_profile_sharing": 1, "deleted": 1}
    assert progress(api, found, campaign) == {
        "matched": 5, "waiting": 0, "sent": 1, "stopped": 0, "failed": 0, "withheld": withheld,
    }  # fmt: skip


def test_whoever_wants_no_more_gets_no_more_until_they_sign_again(world: World, api: Api) -> None:
    found = people(world, "tired", 1)
    started(api, found)
    with mail_server() as (mailman, smtp):
        send(world, smtp)
        link = link_of(mailman.came[0][1])
        # Mail programs press the button by themselves (RFC 8058); whoever only looks changes nothing.
        assert api.get(link).status_code == 200
        assert "clinic" in api.get(f"{found.path}/reach", headers=manager(api)).request.url.path
        pressed = [api.post(path, data={"List-Unsubscribe": "One-Click"}) for path in (link, link, link + "x")]
        assert {answer.status_code for answer in pressed} == {200} and len({answer.text for answer in pressed}) == 1
        assert api.get(f"{found.path}/reach", headers=manager(api)).json()["withheld"]["unsubscribed"] == 1
        assert progress(api, found, started(api, found))["withheld"] == {"unsubscribed": 1}
        send(world, smtp)
        assert len(mailman.came) == 1
        world.consent("north", "tired tired-0", purpose=MESSAGES.value)
        started(api, found)
        send(world, smtp)
        assert len(mailman.came) == 2
    refused = world.look(
        "select count(*) from operational.message_refusal where patient_id = %s", found.patients["tired-0"]
    )
    assert refused == [(1,)]


@pytest.mark.check(39)
def test_the_same_key_sends_once_however_often_and_at_once(world: World, api: Api) -> None:
    found, key = people(world, "keyed", 2), str(uuid4())
    headers = {**manager(api), "Idempotency-Key": key}
    with ThreadPoolExecutor(5) as beside:
        asked = [beside.submit(api.post, f"{found.path}/messages", json=NEWS, headers=headers) for _ in range(5)]
        answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    queued = world.look(
        "select count(*) from operational.message where patient_id = any(%s)", list(found.patients.values())
    )
    assert queued == [(2,)]
    for problem, answer in (
        ("reused", start(api, found, key, text="Another one.")),
        ("missing", api.post(f"{found.path}/messages", json=NEWS, headers=manager(api))),
    ):
        assert answer.status_code == 422 and answer.json()["errors"][0]["rule"] == problem


@pytest.mark.check(41)
@pytest.mark.parametrize(
    "said",
    [
        {"subject": "two\nlines"}, {"subject": ""}, {"subject": "a\u202eb"}, {"subject": "x" * 121},
        {"text": " \n "}, {"text": "a\x07b"}, {"text": "x" * 4001},
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_plain_text_is_refused_by_its_place(api: Api, mixed: Crowd, said: dict[str, str]) -> None:
    answer = start(api, mixed, **said)
    assert answer.status_code == 422
    assert [fault["place"] for fault in answer.json()["errors"]] == [f"body.{next(iter(said))}"]


def test_a_preview_shows_the_mail_and_sends_nothing(world: World, api: Api, mixed: Crowd) -> None:
    before = world.look("select count(*) from operational.message")
    shown = api.post(f"{mixed.path}/messages/preview", json=NEWS, headers=manager(api)).json()
    assert shown["audience"]["contactable"] == {"email": 3, "guardian": 1}
    assert shown["text"].startswith(NEWS["text"]) and "/unsubscribe/" in shown["text"]
    assert world.look("select count(*) from operational.message") == before


def test_what_is_not_sent_yet_when_it_is_stopped_is_not_sent(world: World, api: Api) -> None:
    found = people(world, "halted", 25)
    with mail_server() as (mailman, smtp):
        send(world, smtp)  # what tests before have left
        mailman.came.clear()
        campaign = started(api, found)
        hurried = queue(world, Message(MessageKind.FORM_REQUEST, world.people["halted halted-0"]))
        send(world, smtp)
        sent = {to for to, _ in mailman.came}
        assert len(mailman.came) == 20
        assert any(str(hurried) in message_from_bytes(raw)["Message-ID"] for _, raw in mailman.came), "goes before"
        for _ in range(2):
            stopped = api.post(f"{found.path}/messages/{campaign}/stop", headers=manager(api))
            assert stopped.status_code == 200 and stopped.json()["stopped_at"]
        due_now(world)
        send(world, smtp, times=2)
        assert {to for to, _ in mailman.came} == sent
    assert progress(api, found, campaign)["sent"] == 19 and progress(api, found, campaign)["stopped"] == 6


@pytest.mark.check(47)
def test_killed_while_sending_nobody_gets_it_twice_and_two_others_go_on(world: World, api: Api) -> None:
    found = people(world, "killed", 30)
    campaign = started(api, found)
    with mail_server() as (mailman, smtp):
        at = [world.server.admin, world.server.roles.prefix, str(world.server.secrets_folder), smtp.port, 7]
        command = [sys.executable, "-m", "tests.integration.campaign_killed", json.dumps(at)]
        died = subprocess.run(command, cwd=ROOT, check=False)
        assert died.returncode == -signal.SIGKILL and 7 <= len(mailman.came) < 30
        due_now(world)

        async def until_empty(messenger: Any) -> None:
            while await messenger.send_due():
                pass

        at_once(world, smtp, 2, until_empty)
    got = [to for to, _ in mailman.came]
    state = progress(api, found, campaign)
    assert len(got) == len(set(got)), "somebody got it twice"
    assert state["waiting"] == 0 and state["failed"] >= 1
    # Of those that were under way nobody knows, but that they were not sent again.
    assert state["sent"] + state["failed"] == 30 and state["sent"] <= len(got) <= 30


class Hangs:
    """A mail server that is told everything and never answers."""

    async def send(self, mail: Any) -> None:
        raise Undelivered("unreachable", uncertain=True)


def test_what_a_mail_server_may_have_taken_is_not_sent_again(world: World, api: Api) -> None:
    found = people(world, "unsure", 2)
    campaign = started(api, found)
    send(world, Hangs())
    with mail_server() as (mailman, smtp):
        due_now(world)
        send(world, smtp)
    assert not mailman.came and progress(api, found, campaign)["failed"] == 2


def test_what_a_mail_server_did_not_take_is_tried_again(world: World, api: Api) -> None:
    found = people(world, "later", 1)
    campaign = started(api, found)
    with mail_server() as (mailman, smtp):
        mailman.answers = ["451 later"]
        send(world, smtp)
        assert progress(api, found, campaign)["waiting"] == 1
        due_now(world)
        send(world, smtp)
    assert len(mailman.came) == 1 and progress(api, found, campaign)["sent"] == 1


@pytest.mark.check(22)
def test_what_cannot_be_recorded_waits_and_is_sent_once_after(world: World, api: Api) -> None:
    with mail_server() as (mailman, smtp):
        due_now(world)
        send(world, smtp)  # what tests before have left
        mailman.came.clear()
        found = people(world, "unrecorded", 1)
        campaign = started(api, found)
        with recording_refused(world), pytest.raises(psycopg.errors.CheckViolation):
            send(world, smtp)
        assert not mailman.came and progress(api, found, campaign)["waiting"] == 1
        due_now(world)
        send(world, smtp)
    assert len(mailman.came) == 1 and progress(api, found, campaign)["sent"] == 1


@pytest.mark.check(6)
def test_a_message_of_another_clinic_or_segment_is_none(world: World, api: Api, mixed: Crowd) -> None:
    made_up = api.get(f"{mixed.path}/messages/{uuid4()}", headers=manager(api))
    assert made_up.status_code == 404
    for campaign in (world.campaigns["south"], world.campaigns["north"], "nothing"):
        for method, ending in (("GET", ""), ("POST", "/stop")):
            answer = api.request(method, f"{mixed.path}/messages/{campaign}{ending}", headers=manager(api))
            assert (answer.status_code, answer.text) == (404, made_up.text)
    here = f"/v1/clinics/north/segments/everybody/messages/{world.campaigns['north']}"
    assert api.get(here, headers=manager(api)).status_code == 200


@pytest.mark.check(51)
def test_nothing_of_a_campaign_lies_in_clear(world: World, api: Api) -> None:
    started(api, people(world, "sealed", 1))
    clear = world.look("select count(*) from operational.campaign as c where c::text like %s", "%open at eight%")
    assert clear == [(0,)]
