"""Who came of age without an account gets one by a code that the clinic's staff has sent, and by nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import access_world
import httpx
import pytest
from access_world import CHICK, FINCH, HERON, PASSWORD, WREN, World
from browsing import Browsers
from provisional import Mailbox, login_of, mailbox

from api import accounts
from api.messages.port import MessageKind
from infra.database import connect_admin
from policies.guardianship import of_age_on
from policies.words import Role
from tests.integration.records import Family, days, today
from tests.integration.waiting import until_somebody_waits

__all__ = ["mailbox"]
MAIL = "chick@example.org"
CARED_FOR = (409, "path.patient", "cared_for")
NOT_GOOD = (422, "body.code", "not_good")


@pytest.fixture
def family(fresh: World) -> Iterator[Family]:
    """Chick, a patient of north without an account, came of age yesterday; Finch signed a year ago."""
    fresh.register_chick("north")
    signed = datetime.now(UTC) - timedelta(days=365)
    fresh.consent("north", CHICK, signer_id=fresh.people[FINCH], occurred_at=signed)
    born(fresh, 18)
    accounts.add_user(fresh.server, "staff.south", "staff.south", Role.CLINIC_STAFF, "south", PASSWORD)
    with access_world.client(fresh.server) as api:
        yield Family(fresh, api, {})


def born(world: World, years: int) -> None:
    """Chick was born so many years ago, and a day."""
    day = of_age_on(datetime.now(UTC).date(), -years) - timedelta(days=1)
    world.change("update operational.profile set birth_date = %s where person_id = %s", day, world.people[CHICK])


def path(world: World, name: str = CHICK, clinic: str = "north") -> str:
    return f"/clinics/{clinic}/patients/{world.patients[clinic, name]}/verifications"


def codes(mailbox: Mailbox) -> list[tuple[str | None, str, str]]:
    """Where codes went, whose verification each is of, and the code."""
    found = [m for m in mailbox.messages if m.kind is MessageKind.CODE]
    return [(m.address, (m.link or "").removeprefix("/verify/"), m.code or "") for m in found]


def answer(family: Family, sent: tuple[str | None, str, str], **said: Any) -> httpx.Response:
    return family.api.post(f"/v1/verifications/{sent[1]}", json={"code": sent[2], **said})


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["place"], error["rule"]


def how_many(world: World) -> int:
    return len(world.look("select from operational.principal where person_id = %s", world.people[CHICK]))


def sign_in(family: Family, mailbox: Mailbox, login: str) -> None:
    token = mailbox.links()[-1].removeprefix("/password/")
    assert family.api.post("/v1/passwords", json={"token": token, "password": PASSWORD}).status_code == 200
    family.headers[login] = access_world.sign_in(family.api, login)


@pytest.mark.check(17)
def test_who_comes_of_age_without_an_account_gets_one_and_decides_what_was_signed_for_them(
    family: Family, mailbox: Mailbox
) -> None:
    world, told = family.world, {"clinic": "north", "purpose": "profile_sharing"}
    patient = world.patients["north", CHICK]
    sent = family.ask("staff.north", "POST", path(world), {"email": MAIL})
    assert (sent.status_code, sent.json()) == (202, {"status": "sent"}), "and no code"
    (code,) = codes(mailbox)
    assert code[0] == MAIL and code[2] not in sent.text
    recorded = world.look(
        "select d.patient_id, e.principal_id = (select principal_id from operational.principal where login = %s)"
        " from audit.access_event as e inner join audit.disclosure as d using (event_id) where e.action = %s",
        "staff.north", "verification.start",
    )  # fmt: skip
    assert recorded == [(patient, True)]
    assert how_many(world) == 0, "nothing without the code"
    assert answer(family, code).status_code == 200
    assert world.look("select person_id from operational.registration where patient_id = %s", patient) == [
        (world.people[CHICK],)
    ]
    sign_in(family, mailbox, MAIL)
    shown = family.done(MAIL, "GET", "/me/consents")["consents"]
    (theirs,) = (each for each in shown if (each["clinic"], each["purpose"]) == tuple(told.values()))
    assert (theirs["state"], theirs["signed_by"]) == ("signed", "guardian")
    text = {name: theirs["text"][name] for name in ("text_version", "sha256")}
    assert family.done(MAIL, "POST", "/me/consents", {**told, **text})
    family.done(MAIL, "POST", "/me/consents/revoke", told)
    assert world.look("select state from operational.consent where person_id = %s", world.people[CHICK]) == [
        ("revoked",)
    ]
    assert family.ask("finch", "GET", f"{family.of_chick}/profile").status_code == 404


def test_an_email_that_is_a_parents_is_shared_and_the_parents_account_stays_theirs(
    family: Family, mailbox: Mailbox
) -> None:
    world = family.world
    prove = family.done("finch", "PUT", "/me/account/contacts", {"email": MAIL})
    (own,) = codes(mailbox)
    assert own[1] == prove["verification"] and answer(family, own).status_code == 200
    family.done("staff.north", "POST", path(world), {"email": MAIL})
    assert answer(family, codes(mailbox)[-1]).status_code == 200
    login = login_of(world, world.people[CHICK])
    sign_in(family, mailbox, login)
    names = {who: family.done(who, "GET", "/me/profile")["name"] for who in (login, "finch")}
    assert names == {login: CHICK, "finch": FINCH}
    found = world.look("select person_id from operational.blind_index where field = 'account_email'")
    assert found == [(world.people[FINCH],)], "the email signs in who had it first"


@pytest.mark.parametrize(
    "why", ["a child", "no birth date", "agreed to a guardian", "an account", "a disabled account", "elsewhere too"]
)
def test_nobody_gets_an_account_who_has_one_or_a_guardian_or_may_be_a_child(
    family: Family, mailbox: Mailbox, why: str
) -> None:
    world, chick, name = family.world, family.world.people[CHICK], CHICK
    if why == "a child":
        born(world, 17)
    elif why == "no birth date":
        world.change("update operational.profile set birth_date = null where person_id = %s", chick)
    elif why == "elsewhere too":
        world.register_chick("south")
        world.change(
            "update operational.registration set deleted_at = now(), deleted_by = %s, delete_reason = 'mistake'"
            " where patient_id = %s",
            world.people[FINCH],
            world.patients["south", CHICK],
        )
    elif why == "agreed to a guardian":
        world.change("update operational.guardianship set agreed = true where dependent_id = %s", chick)
    else:
        name = WREN
        ended = "now()" if why == "a disabled account" else "null"
        world.change(f"update operational.principal set disabled_at = {ended} where login = 'wren'")
        day = "update operational.profile set birth_date = '1990-01-01' where person_id = %s"
        world.change(day, world.people[WREN])
    assert family.refused("staff.north", "POST", path(world, name), {"email": MAIL}) == CARED_FOR
    assert codes(mailbox) == []


def test_another_clinics_staff_and_other_roles_have_nobody_sent_a_code(family: Family, mailbox: Mailbox) -> None:
    world = family.world
    for login in ("staff.south", "manager.north", "specialist.north", "manager.south", "admin", "finch", "roleless"):
        assert family.ask(login, "POST", path(world), {"email": MAIL}).status_code == 404
    key = {"Authorization": f"Bearer {world.keys['north.bookings']}"}
    assert family.api.post(f"/v1{path(world)}", json={"email": MAIL}, headers=key).status_code == 404
    at_south = path(world).replace("north", "south")
    assert family.ask("staff.south", "POST", at_south, {"email": MAIL}).status_code == 404
    for bad, rule in (("", "missing"), ("none", "not_valid")):
        assert family.refused("staff.north", "POST", path(world), {"email": bad}) == (422, "body.email", rule)
    unknown = f"/clinics/north/patients/{uuid4()}/verifications"
    assert family.ask("staff.north", "POST", unknown, {"email": MAIL}).status_code == 404
    patient = world.patients["north", CHICK]
    family.done("staff.north", "POST", f"/clinics/north/deletions/registration/{patient}", {"reason": "mistake"})
    assert family.ask("staff.north", "POST", path(world), {"email": MAIL}).status_code == 404
    assert codes(mailbox) == []


@pytest.mark.parametrize("meanwhile", ["a guardian", "deleted", "a child after all", "elsewhere"])
def test_a_code_is_good_only_while_they_are_on_their_own(family: Family, mailbox: Mailbox, meanwhile: str) -> None:
    world = family.world
    family.done("staff.north", "POST", path(world), {"email": MAIL})
    patient = world.patients["north", CHICK]
    if meanwhile == "a guardian":
        world.change("update operational.guardianship set agreed = true where dependent_id = %s", world.people[CHICK])
    elif meanwhile == "deleted":
        family.done("staff.north", "POST", f"/clinics/north/deletions/registration/{patient}", {"reason": "mistake"})
    elif meanwhile == "a child after all":
        born(world, 17)
    else:
        world.register_chick("south")
    assert refusal(answer(family, codes(mailbox)[0])) == NOT_GOOD
    assert how_many(world) == 0


def test_of_two_who_answer_at_once_one_has_the_account(family: Family, mailbox: Mailbox) -> None:
    world = family.world
    family.done("staff.north", "POST", path(world), {"email": MAIL})
    with connect_admin(world.server) as admin, ThreadPoolExecutor(2) as pool:
        with admin.transaction():
            admin.execute("select from operational.person where person_id = %s for update", [world.people[CHICK]])
            answers = [pool.submit(answer, family, code) for code in codes(mailbox) * 2]
            until_somebody_waits(world, admin.info.backend_pid)
        found = sorted(each.result(timeout=30).status_code for each in answers)
    assert found == [200, 422]
    assert len(mailbox.links()) == 1


def test_a_corrected_address_ends_the_code_before_and_nobody_is_a_dependent_by_one(
    family: Family, mailbox: Mailbox
) -> None:
    world = family.world
    for email in ("chick@exmaple.org", MAIL):
        family.done("staff.north", "POST", path(world), {"email": email})
    wrong, right = codes(mailbox)
    assert refusal(answer(family, wrong)) == NOT_GOOD
    cares = {
        "booked_for": "dependent",
        "relationship": "parent",
        "holder_name": "x",
        "birth_date": str(today() - days(1)),
    }
    for said in (cares, {"booked_for": "dependent", "dependent": str(world.guardianship)}):
        assert refusal(answer(family, right, **said)) == (422, "body.birth_date", "of_age")
    assert how_many(world) == 0
    assert answer(family, right, booked_for="someone_new").status_code == 200
    for number in range(7):
        family.refused("staff.north", "POST", path(world), {"email": f"{number}@example.org"})
    assert len(codes(mailbox)) == 2


def test_one_patient_has_five_codes_an_hour_sent_at_most(family: Family, mailbox: Mailbox) -> None:
    for number in range(7):
        sent = family.done("staff.north", "POST", path(family.world), {"email": f"{number}@example.org"})
        assert sent == {"status": "sent"}
    assert len(codes(mailbox)) == 5
    assert answer(family, codes(mailbox)[4]).status_code == 200, "who got the last one has it still"


def test_the_front_desk_has_it_sent_from_the_days_list(family: Family, mailbox: Mailbox) -> None:
    world, day = family.world, "/clinics/north/appointments"
    with connect_admin(world.server) as admin:
        access_world._visit(admin, world, "north", CHICK)
    (when,) = world.look(
        "select starts_on from operational.appointment where patient_id = %s", world.patients["north", CHICK]
    )[0]  # fmt: skip
    browsers, at = Browsers(family.api), f"{day}?day={when}"
    to = f"/clinics/north/patients/{world.patients['north', CHICK]}/account"
    assert f'action="{to}"' in browsers.get("staff.north", at).text
    assert "no email address" in browsers.post("staff.north", to, at, 422, email="none").text
    done = browsers.post("staff.north", to, at, email=MAIL, day=str(when))
    assert "A code is on its way" in browsers.get("staff.north", done.headers["location"]).text
    ((address, _, _),) = codes(mailbox)
    assert address == MAIL
    born(world, 17)
    assert "an account or a guardian already" in browsers.post("staff.north", to, at, 409, email=MAIL).text
    assert HERON not in browsers.get("staff.north", at).text
