"""One's own contacts, password links, and what ends when a credential is reset."""

import re
import time
from email import message_from_bytes

import access_world
import httpx
import pytest
from access_world import PASSWORD, Api, World
from provisional import MAIL, NOT_GOOD, Mailbox, book, login_of, mailbox, verified

from api import account_care, accounts
from api.messages.port import MessageKind
from infra.encryption.rotation.book import Kind
from policies.words import Role
from tests.integration.campaigning import text_of
from tests.integration.pages_of import fields
from tests.integration.posting import mail_server
from tests.integration.posting import send as send_mail
from tests.integration.sealed_people import turn

__all__ = ["mailbox"]

CONTACTS = "/v1/me/account/contacts"


def sign_in(api: Api, login: str, password: str = PASSWORD) -> int:
    return api.post("/v1/token", data={"username": login, "password": password}).status_code


def link(world: World, api: Api, mailbox: Mailbox, clinic: str = "north", email: str = MAIL) -> str:
    """The token of a fresh account's link."""
    verified(api, mailbox, book(world, clinic, email))
    return mailbox.links()[-1].removeprefix("/password/")


def new_link(world: World, token: str) -> None:
    """One more link of the account that proved a booking."""
    world.change(
        "insert into operational.password_link (token_hash, principal_id, expires_at)"
        " select sha256(%s::bytea), principal_id, now() + interval '1 hour' from operational.principal"
        " where starts_with(login, 'p-')",
        token,
    )


def prove(api: Api, mailbox: Mailbox, changed: dict[str, str]) -> int:
    verification = changed["verification"]
    code = next(m.code for m in reversed(mailbox.messages) if m.link == f"/verify/{verification}")
    return api.post(f"/v1/verifications/{verification}", json={"code": code}).status_code


def test_a_new_email_counts_once_its_code_is_answered(fresh: World, running: Api, mailbox: Mailbox) -> None:
    token = link(fresh, running, mailbox)
    assert running.post("/v1/passwords", json={"token": token, "password": PASSWORD}).status_code == 200
    headers = access_world.sign_in(running, MAIL)
    changed = running.put(CONTACTS, json={"email": "new@example.org"}, headers=headers).json()
    assert changed["email"] == {"value": MAIL, "verified": True}
    assert [(m.kind, m.address) for m in mailbox.messages[-2:]] == [
        (MessageKind.CODE, "new@example.org"), (MessageKind.CONTACT_NOTICE, MAIL),
    ]  # fmt: skip
    assert (sign_in(running, MAIL), sign_in(running, "new@example.org")) == (200, 401)
    assert prove(running, mailbox, changed) == 200
    assert (sign_in(running, MAIL), sign_in(running, "new@example.org")) == (401, 200)
    shown = running.get(CONTACTS, headers=headers).json()
    assert shown == {"email": {"value": "new@example.org", "verified": True}, "phone": None, "verification": None}


def test_a_new_password_ends_a_change_of_the_email_that_somebody_began(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    """Who had the old password, or a session, would have the next link for a forgotten one sent to themselves."""
    token = link(fresh, running, mailbox)
    running.post("/v1/passwords", json={"token": token, "password": PASSWORD})
    changed = running.put(
        CONTACTS, json={"email": "thief@example.org"}, headers=access_world.sign_in(running, MAIL)
    ).json()
    new_link(fresh, "again")
    assert running.post("/v1/passwords", json={"token": "again", "password": "the owner's own"}).status_code == 200
    assert running.post(f"/v1/verifications/{changed['verification']}/code").status_code == 202, "asked for once more"
    assert prove(running, mailbox, changed) == 422
    assert sign_in(running, "thief@example.org", "the owner's own") == 401
    assert sign_in(running, MAIL, "the owner's own") == 200


@pytest.mark.check(40)
def test_an_email_of_another_account_is_no_way_into_it(fresh: World, running: Api, mailbox: Mailbox) -> None:
    token = link(fresh, running, mailbox)
    running.post("/v1/passwords", json={"token": token, "password": PASSWORD})
    headers = access_world.sign_in(running, "wren")
    told = [running.put(CONTACTS, json={"email": email}, headers=headers) for email in (MAIL, "free@example.org")]
    assert [found.status_code for found in told] == [200, 200]
    first, second = (found.json() for found in told)
    assert first.pop("verification") != second.pop("verification") and first == second
    # Even the owner of both: the email goes on finding the account that had it first.
    assert prove(running, mailbox, told[0].json()) == 200
    assert sign_in(running, MAIL) == 200
    found = fresh.look("select person_id from operational.blind_index where field = 'account_email'")
    assert [row[0] for row in found] != [fresh.people[access_world.WREN]] and len(found) == 1


def test_a_phone_is_kept_and_finds_nobody_until_it_is_proven(fresh: World, running: Api) -> None:
    headers = access_world.sign_in(running, "wren")
    found = running.put(CONTACTS, json={"phone": "00 49 30 901820"}, headers=headers)
    assert found.json()["phone"] == {"value": "+4930901820", "verified": False}
    assert sign_in(running, "+4930901820") == 401
    for bad in ("12", "x", "+49"):
        refused = running.put(CONTACTS, json={"phone": bad}, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["place"]) == (422, "body.phone")
        assert bad not in str(refused.json()["errors"]) or bad == "x"
    assert running.put(CONTACTS, json={"email": "none"}, headers=headers).json()["errors"][0]["place"] == "body.email"


@pytest.mark.check(33)
def test_contacts_are_the_accounts_own(fresh: World, running: Api) -> None:
    running.put(CONTACTS, json={"phone": "+4930901820"}, headers=access_world.sign_in(running, "wren"))
    assert running.get(CONTACTS, headers=access_world.sign_in(running, "finch")).json()["phone"] is None
    for login in ("staff.north", "admin", "roleless"):
        headers = access_world.sign_in(running, login)
        assert running.get(CONTACTS, headers=headers).status_code == 404
        assert running.put(CONTACTS, json={"phone": "+4930901820"}, headers=headers).status_code == 404


@pytest.mark.check(36)
def test_a_contact_moved_to_another_account_is_nobodys(fresh: World, running: Api) -> None:
    for login, phone in (("wren", "+4930901820"), ("finch", "+4930901821")):
        running.put(CONTACTS, json={"phone": phone}, headers=access_world.sign_in(running, login))
    fresh.change(
        "update operational.account_contact as c set phone = o.phone from operational.account_contact as o"
        " where o.person_id <> c.person_id"
    )
    for login in ("wren", "finch"):
        found = running.get(CONTACTS, headers=access_world.sign_in(running, login))
        assert (found.status_code, "+49" in found.text) == (500, False)


def test_one_account_has_five_codes_an_hour_sent_at_most(fresh: World, running: Api, mailbox: Mailbox) -> None:
    headers = access_world.sign_in(running, "wren")
    for number in range(7):
        found = running.put(CONTACTS, json={"email": f"{number}@example.org"}, headers=headers)
        assert found.status_code == 200
    assert len([m for m in mailbox.messages if m.kind is MessageKind.CODE]) == 5


def test_a_link_sets_a_password_once(fresh: World, running: Api, mailbox: Mailbox) -> None:
    token = link(fresh, running, mailbox)

    def use(given: str, password: str = PASSWORD) -> tuple[int, list[dict[str, str]]]:
        found = running.post("/v1/passwords", json={"token": given, "password": password})
        return found.status_code, found.json().get("errors", [])

    assert use(token, "too short") == (422, [{"place": "body.password", "rule": "too_short"}])
    not_good = (422, [{"place": "body.token", "rule": "not_good"}])
    assert use("made-up") == not_good
    assert use(token) == (200, [])
    assert use(token, "some other password") == not_good
    assert sign_in(running, MAIL) == 200
    late = link(fresh, running, mailbox, "south", "late@example.org")
    fresh.change("update operational.password_link set expires_at = now() - interval '1 second' where used_at is null")
    assert use(late) == not_good
    # Whoever lost the link gets another one with the next booking that they prove.
    assert use(link(fresh, running, mailbox, "north", "late@example.org")) == (200, [])


def test_signing_in_by_contact_is_slow_for_guessers_as_by_login(fresh: World, running: Api, mailbox: Mailbox) -> None:
    token = link(fresh, running, mailbox)
    running.post("/v1/passwords", json={"token": token, "password": PASSWORD})
    login = login_of(
        fresh, fresh.look("select person_id from operational.blind_index where field = 'account_email'")[0][0]
    )
    told = [
        running.post("/v1/token", data={"username": typed, "password": "wrong wrong wrong"})
        for typed in (MAIL, login, "nobody@example.org", "+5527999123456", "nobody")
    ]
    assert len({(found.status_code, found.content) for found in told}) == 1
    for _ in range(3):
        assert sign_in(running, MAIL, "wrong wrong wrong") == 401
    assert (sign_in(running, MAIL), sign_in(running, login)) == (401, 401), "it rests"


def test_a_login_comes_before_a_contact(fresh: World, running: Api, mailbox: Mailbox) -> None:
    """A member of staff whose login is an email keeps it, whoever verifies that email."""
    accounts.add_user(fresh.server, MAIL, "Staff", Role.CLINIC_STAFF, "north", "the password of staff")
    token = link(fresh, running, mailbox)
    running.post("/v1/passwords", json={"token": token, "password": PASSWORD})
    assert (sign_in(running, MAIL, "the password of staff"), sign_in(running, MAIL)) == (200, 401)


@pytest.mark.check(32)
@pytest.mark.parametrize("reset", ["password", "codes", "link"])
def test_tokens_end_when_a_credential_is_reset(
    fresh: World, running: Api, mailbox: Mailbox, reset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = link(fresh, running, mailbox)
    running.post("/v1/passwords", json={"token": token, "password": PASSWORD})
    login = {"password": "finch", "codes": "finch", "link": MAIL}[reset]
    now = time.time
    with monkeypatch.context() as earlier:
        earlier.setattr("api.identity.issuer.time.time", lambda: now() - 5)
        fresh.change("update operational.principal set tokens_valid_from = null")
        old = access_world.sign_in(running, login)
    assert running.get(CONTACTS, headers=old).status_code == 200
    if reset == "password":
        accounts.add_user(fresh.server, login, login, Role.CLINIC_STAFF, "north", "an other password")
    elif reset == "codes":
        account_care.reset_codes(fresh.server, login)
    else:
        new_link(fresh, "again")
        assert running.post("/v1/passwords", json={"token": "again", "password": PASSWORD}).status_code == 200
    assert running.get(CONTACTS, headers=old).status_code == 401
    if reset != "password":
        with monkeypatch.context() as later:  # what is issued in the very second of a reset ends with it
            later.setattr("api.identity.issuer.time.time", lambda: now() + 1)
            new = access_world.sign_in(running, login)
        assert running.get(CONTACTS, headers=new).status_code == 200


def test_a_bad_code_is_one_problem(running: Api) -> None:
    for body in ({}, {"code": ""}, {"code": "١٢٣٤٥٦"}, {"code": "1" * 40}):
        found = running.post("/v1/verifications/00000000-0000-0000-0000-000000000000", json=body)
        assert (found.status_code, found.json()) == (422, NOT_GOOD)


def test_a_forgotten_password_is_set_by_a_link_to_the_proven_email(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    running.post("/v1/passwords", json={"token": link(fresh, running, mailbox), "password": PASSWORD})
    book(fresh, "south", "unproven@example.org")
    with mail_server() as (mailman, smtp):
        send_mail(fresh, smtp, times=2)
        mailman.came.clear()
        asked = [forget(running, email) for email in (MAIL, "unproven@example.org", "nobody@example.org")]
        assert {(answer.status_code, answer.text) for answer in asked} == {(202, '{"status":"sent"}')}
        send_mail(fresh, smtp)
        ((to, mail),) = mailman.came
        assert to == MAIL and sign_in(running, MAIL) == 200, "until it is used the old one stands"
        found = re.search(r"https://cloister\.example/password/(\S+)", text_of(message_from_bytes(mail)))
        assert found
        new = {"token": found[1], "password": "quite another password"}
        assert running.post("/v1/passwords", json=new).status_code == 200
        assert (sign_in(running, MAIL), sign_in(running, MAIL, new["password"])) == (401, 200)
        assert running.post("/v1/passwords", json=new).status_code == 422, "good once"
        for _ in range(8):
            assert forget(running, MAIL).status_code == 202
        send_mail(fresh, smtp)
        assert len(mailman.came) == 4, "with the welcome's five links an hour"
    assert forget(running, "no email").json()["errors"] == [{"place": "body.email", "rule": "not_valid"}]
    events = fresh.look("select count(*), count(principal_id) from audit.access_event where action = 'password.forget'")
    assert events == [(12, 0)]


def test_whoever_shares_an_email_learns_their_login_and_has_links_sent_too(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    first, second = book(fresh, "north"), book(fresh, "south")
    verified(running, mailbox, first)
    token = mailbox.links()[-1].removeprefix("/password/")
    logins = [login_of(fresh, first.person)]
    told = running.post("/v1/passwords", json={"token": token, "password": PASSWORD})
    assert told.json() == {"status": "set", "login": logins[0]}
    verified(running, mailbox, second, booked_for="someone_new")
    logins.append(login_of(fresh, second.person))
    link = mailbox.links()[-1]
    page = running.get(link).text
    assert logins[1] in page and logins[0] not in page
    done = running.post(link, data={**fields(page), "password": PASSWORD})
    assert done.status_code == 200 and logins[1] in done.text and 'href="/sign-in"' in done.text
    assert logins[1] not in running.get(link).text, "good once"
    assert (sign_in(running, logins[1]), sign_in(running, MAIL)) == (200, 200)
    assert sorted(login_behind(running, each) for each in forgotten(fresh, running)) == sorted(logins)
    # Whoever signs in by the email may give it up: who shares it is reached by it still, and another key finds them.
    headers = access_world.sign_in(running, MAIL)
    changed = running.put(CONTACTS, json={"email": "new@example.org"}, headers=headers).json()
    assert prove(running, mailbox, changed) == 200
    turn(fresh.server, Kind.INDEX)
    (link,) = forgotten(fresh, running)
    assert login_behind(running, link) == logins[1]
    assert running.post("/v1/passwords", json={"token": link, "password": "quite another one"}).status_code == 200
    assert sign_in(running, logins[1], "quite another one") == 200 and sign_in(running, logins[0]) == 200
    # It signs nobody in until somebody proves it anew.
    assert sign_in(running, MAIL, "quite another one") == 401
    answer = running.post("/v1/token", data={"username": logins[1], "password": "quite another one"}).json()
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    changed = running.put(CONTACTS, json={"email": MAIL}, headers=headers).json()
    assert prove(running, mailbox, changed) == 200
    assert sign_in(running, MAIL, "quite another one") == 200


def test_who_shared_an_email_before_its_index_is_in_it_with_the_next_rotation(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    verified(running, mailbox, book(fresh, "north"))
    verified(running, mailbox, book(fresh, "south"), booked_for="someone_new")
    fresh.change("delete from operational.blind_index where field = 'shared_account_email'")
    assert len(forgotten(fresh, running)) == 1
    turn(fresh.server, Kind.INDEX)
    assert len(forgotten(fresh, running)) == 2


def test_one_account_gets_so_many_links_in_a_day(fresh: World, running: Api, mailbox: Mailbox) -> None:
    running.post("/v1/passwords", json={"token": link(fresh, running, mailbox), "password": PASSWORD})
    for _ in range(4):
        for _ in range(6):
            assert forget(running, MAIL).text == '{"status":"sent"}'
        fresh.change("update operational.password_link set created_at = created_at - interval '2 hours'")
    sent = "select count(*) from operational.message where kind = 'password_link'"
    assert fresh.look(sent) == [(14,)], "and the welcome's"
    fresh.change("update operational.password_link set created_at = created_at - interval '1 day'")
    forget(running, MAIL)
    assert fresh.look(sent) == [(15,)]


def test_whoever_asks_an_address_gets_so_many_codes_of_accounts_in_a_day(fresh: World, running: Api) -> None:
    callers = [access_world.sign_in(running, login) for login in ("wren", "finch")]
    for _ in range(4):
        for number in range(6):
            asked = {"email": f"victim{'+tag' * (number % 2)}@example.org"}
            found = running.put(CONTACTS, json=asked, headers=callers[number % 2])
            assert found.status_code == 200 and found.json()["verification"]
        moved = "sent_at = sent_at - interval '2 hours', expires_at = expires_at - interval '2 hours'"
        fresh.change(f"update operational.verification set {moved}")
    assert fresh.look("select sum(codes), count(*) from operational.verification") == [(15, 24)]
    other = {"email": "other@example.org"}
    assert running.put(CONTACTS, json=other, headers=access_world.sign_in(running, "heron")).status_code == 200
    assert fresh.look("select sum(codes) from operational.verification") == [(16,)]


def forgotten(world: World, api: Api) -> list[str]:
    """The tokens of the links that come for a forgotten password, each alone in a mail that names nobody."""
    with mail_server() as (mailman, smtp):
        send_mail(world, smtp, times=3)
        mailman.came.clear()
        assert forget(api, MAIL).text == '{"status":"sent"}'
        send_mail(world, smtp, times=3)
    assert {to for to, _ in mailman.came} == {MAIL}
    mails = [text_of(message_from_bytes(mail)) for _, mail in mailman.came]
    parts = [re.split(r"https://cloister\.example/password/(\S+)", mail) for mail in mails]
    # What a token of chance holds names nobody.
    assert {len(each) for each in parts} == {3}
    assert not any("p-" in text or "Canary" in text for before, _, after in parts for text in (before, after))
    return [token for _, token, _ in parts]


def login_behind(api: Api, token: str) -> str:
    """The login that the page of a link says."""
    found = re.search(r'id="login" value="([^"]+)"', api.get(f"/password/{token}").text)
    assert found
    return found[1]


def forget(api: Api, email: str) -> httpx.Response:
    return api.post("/v1/passwords/forgotten", json={"email": email})
