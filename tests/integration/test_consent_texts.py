"""Each text that a clinic publishes asks again whoever signed an older one, and ends that where it says so."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import access_world
import psycopg
import pytest
from access_world import FINCH, WREN, Api, World
from test_consents import NOT_THERE, SHOWN, call, shared, sign, state

from infra import migrations
from infra.database import connect, set_clinics
from infra.roles import Login
from orchestration.importing.consents import store_texts
from tests.integration.posting import due_now, give_email, mail_server, send
from tests.integration.records import Family
from tests.integration.waiting import held, until_all_wait

VERSIONS = Path(migrations.__file__).parent / "platform" / "versions"
NOW = datetime.now(UTC)
PAPER = "urn:paper:2019"
_PUBLISH = """
insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256)
values (%s, 'profile_sharing', 'v9', 't', sha256('t'))"""


def publish(api: Api, version: str, required_from: datetime | None = None, login: str = "manager.north") -> Any:
    body = {"purpose": "profile_sharing", "text_version": version, "body": f"The text {version}."}
    required = {"required_from": required_from.isoformat()} if required_from else {}
    return call(api, login, "POST", "clinics/north/consent-texts", {**body, **required})


def bring_text(world: World) -> None:
    """Have an import bring each clinic the text of what was signed on paper."""
    with connect(Login.IMPORTER, at=world.server) as importer:
        set_clinics(importer, world.clinic_ids.values())
        store_texts(importer, world.clinic_ids.values(), {"profile_sharing": {PAPER: "As it was."}})


@pytest.mark.parametrize("ends_in", [None, timedelta(days=30)])
def test_whoever_signed_is_asked_again_when_there_is_a_newer_text(fresh: World, ends_in: timedelta | None) -> None:
    """Whether their signature ends by it, before it by itself, or not at all; and nobody else, of neither clinic."""
    if ends_in:
        fresh.consent("north", FINCH, expires_at=NOW + ends_in / 3)
    give_email(fresh, FINCH, "finch@example.org")
    give_email(fresh, WREN, "wren@example.org")
    with access_world.client(fresh.server) as api, mail_server() as (mailman, smtp):
        answer = publish(api, "v2", NOW + ends_in if ends_in else None)
        due_now(fresh)
        send(fresh, smtp)
        ((to, mail),) = mailman.came
        call(api, "finch", "POST", "me/consents/revoke", {"clinic": "north", "purpose": "profile_sharing"})
        publish(api, "v3", NOW + timedelta(days=20))
        publish(api, "v4")
        due_now(fresh)
        send(fresh, smtp)
    assert len(mailman.came) == 1, "what was revoked is asked for no more"
    assert to == "finch@example.org" and b"https://cloister.example/consents" in mail and b"north" not in mail
    recorded = fresh.look(
        "select d.patient_id from audit.disclosure as d inner join audit.access_event as e using (event_id)"
        " where e.request_id = %s",
        answer.headers["x-request-id"],
    )
    assert recorded == [(fresh.patients["north", FINCH],)]


def test_who_signs_while_a_text_is_published_is_asked_to_sign_that(fresh: World, running: Api) -> None:
    asked = "select count(*) from operational.message where kind = 'consent_request' and person_id = %s"
    with ThreadPoolExecutor(2) as pool:
        with held(fresh, "lock table operational.consent_event in exclusive mode") as pid:
            signed = pool.submit(sign, running, "wren")
            until_all_wait(fresh, pid, 1)
            published = pool.submit(publish, running, "v2")
            until_all_wait(fresh, pid, 2)
        assert (signed.result().status_code, published.result().status_code) == (201, 201)
    assert fresh.look(asked, fresh.people[WREN]) == [(1,)]


def test_nobody_signs_what_is_the_newest_text_no_more_once_it_is_signed(fresh: World, running: Api) -> None:
    family = Family(fresh, running, {})
    form = family.assign(WREN, "profile_sharing_consent")
    answered = {"answers": {"signature": "Ana Lima"}, "consent": SHOWN}
    with ThreadPoolExecutor(3) as pool:
        with held(fresh, "lock table operational.message in exclusive mode") as pid:
            published = pool.submit(publish, running, "v2")
            until_all_wait(fresh, pid, 1)
            signed = pool.submit(sign, running, "wren")
            completed = pool.submit(family.refused, "wren", "POST", f"/me/forms/{form}/complete", answered)
            until_all_wait(fresh, pid, 3)
        assert published.result().status_code == 201
        found = signed.result().json()
        assert found["errors"] == [{"place": "body.text_version", "rule": "not_the_newest"}]
        assert completed.result() == (409, "body.consent.text_version", "not_the_newest")
    assert state(running, "wren")["state"] == "never"


def test_texts_that_follow_each_other_are_one_message(fresh: World) -> None:
    give_email(fresh, FINCH, "finch@example.org")
    queued = ("select count(*), min(next_try_at) > now() + interval '10 minutes' from operational.message"
              " where state = 'pending' and kind = 'consent_request'")  # fmt: skip
    with access_world.client(fresh.server) as api, mail_server() as (mailman, smtp):
        for versions, came in ((("v2", "v3"), 1), (("v4",), 2)):
            assert [publish(api, version).status_code for version in versions] == [201] * len(versions)
            assert fresh.look(queued) == [(1, True)]
            due_now(fresh)
            send(fresh, smtp)
            assert len(mailman.came) == came


@pytest.mark.check(17)
def test_a_text_that_an_import_brings_is_offered_to_nobody(fresh: World) -> None:
    """Neither on the list, nor in a form; and who signed the clinic's own is not told of a newer one."""
    with access_world.client(fresh.server) as api:
        publish(api, "v2")
        bring_text(fresh)
        with connect(Login.IMPORTER, at=fresh.server) as importer:
            set_clinics(importer, fresh.clinic_ids.values())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                importer.execute(_PUBLISH, [fresh.clinic_ids["north"]])
        assert {state(api, login)["text"]["text_version"] for login in ("finch", "wren")} == {"v2"}
        form = Family(fresh, api, {}).assign(FINCH, "profile_sharing_consent")
        assert call(api, "finch", "GET", f"me/forms/{form}").json()["consent"]["text_version"] == "v2"
        assert state(api, "finch")["has_newer_text"] and not state(api, "wren")["has_newer_text"]
        digest = hashlib.sha256(b"The text v2.").hexdigest()
        assert sign(api, "finch", text_version="v2", sha256=digest).status_code == 201
        assert not state(api, "finch")["has_newer_text"]
        texts = call(api, "manager.north", "GET", "clinics/north/consent-texts").json()["texts"]
    assert {text["text_version"] for text in texts if text["imported"]} == {PAPER}


@pytest.mark.check(17)
@pytest.mark.parametrize("by_migration", [False, True])
def test_what_was_signed_elsewhere_is_older_than_any_text_that_the_clinic_requires(
    fresh: World, by_migration: bool
) -> None:
    """Though the import came later; also where the revisions before p0056 let it stand. South requires nothing."""
    with access_world.client(fresh.server) as api:
        assert publish(api, "v2", NOW).status_code == 201
        bring_text(fresh)
        for clinic in ("north", "south"):
            fresh.consent(clinic, FINCH, text_version=PAPER)
        if by_migration:
            fresh.change("update operational.consent set expires_at = null where person_id = %s", fresh.people[FINCH])
            assert shared(fresh, api, "north", FINCH)
            fresh.change((VERSIONS / "p0056_older_than_own.sql").read_text())
        assert not shared(fresh, api, "north", FINCH) and shared(fresh, api, "south", FINCH)
        told = state(api, "finch")
        assert (told["state"], told["text_version"], told["text"]["text_version"]) == ("outdated", PAPER, "v2")


@pytest.mark.check(17)
@pytest.mark.parametrize("required_from", [None, NOW + timedelta(days=30)])
def test_what_was_signed_elsewhere_can_be_renewed_before_a_text_ends_it(
    fresh: World, required_from: datetime | None
) -> None:
    """And nobody is asked to sign anew what asks for no more than was brought."""
    with access_world.client(fresh.server) as api:
        publish(api, "v2", required_from)
        bring_text(fresh)
        fresh.consent("north", FINCH, text_version=PAPER)
        told = state(api, "finch")
    assert (told["state"], told["has_newer_text"]) == ("signed", required_from is not None)
    assert told["ends_at"] == (required_from and required_from.isoformat().replace("+00:00", "Z"))


def test_of_texts_from_before_those_that_only_imports_signed_are_imported(fresh: World) -> None:
    """Of each clinic its own: at south somebody signed its `v1` in the app."""
    fresh.consent("south", FINCH, channel="app")
    with access_world.client(fresh.server) as api:
        publish(api, "v2")
        digest = hashlib.sha256(b"The text v2.").hexdigest()
        assert sign(api, "finch", text_version="v2", sha256=digest).status_code == 201
    _, marking, *_ = (VERSIONS / "p0055_imported_texts.sql").read_text().split(";\n")
    fresh.change(marking)
    found = fresh.look(
        "select clinic_id, text_version from operational.consent_text where imported and purpose = 'profile_sharing'"
    )
    assert found == [(fresh.clinic_ids["north"], "v1")]


@pytest.mark.check(17)
def test_a_new_text_asks_again_from_the_day_it_is_required(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        assert publish(api, "v2").json()["required_from"] is None
        told = state(api, "finch")
        assert (told["state"], told["text_version"], told["text"]["text_version"]) == ("signed", "v1", "v2")
        assert told["text"]["sha256"] == hashlib.sha256(told["text"]["body"].encode()).hexdigest()
        assert publish(api, "v3", NOW + timedelta(days=30)).status_code == 201
        assert shared(fresh, api, "north", FINCH)
        assert datetime.fromisoformat(state(api, "finch")["ends_at"]) == NOW + timedelta(days=30)
        assert publish(api, "v4", NOW - timedelta(days=30)).status_code == 201
        assert state(api, "finch")["state"] == "outdated" and not shared(fresh, api, "north", FINCH)
        # What stood at a time before stood then.
        assert state(api, "finch", at=(NOW - timedelta(minutes=1)).isoformat())["state"] == "signed"
        assert sign(api, "finch").status_code == 409, "the old text is signed no more"
        digest = hashlib.sha256(b"The text v4.").hexdigest()
        assert sign(api, "finch", text_version="v4", sha256=digest).status_code == 201
        assert shared(fresh, api, "north", FINCH)
        assert publish(api, "v4").json()["errors"][0]["place"] == "body.text_version"
    texts = fresh.look("select text_version from operational.consent_text where clinic_id = %s"
                       " and purpose = 'profile_sharing' order by created_at", fresh.clinic_ids["south"])  # fmt: skip
    assert texts == [("standard-1",), ("v1",)], "another clinic's texts are its own"


@pytest.mark.parametrize("login", ["manager.south", "staff.north", "finch", "admin"])
def test_only_the_clinics_manager_publishes(world: World, api: Api, login: str) -> None:
    assert publish(api, "v9", login=login).json() == NOT_THERE
