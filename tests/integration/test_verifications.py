"""Codes that prove a contact: what they settle, and what they tell nobody."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import CHICK, PASSWORD, Api, World
from provisional import (
    MAIL,
    NOT_GOOD,
    Booked,
    Mailbox,
    answer,
    book,
    login_of,
    mailbox,
    person_at,
    verified,
)

from infra.encryption.rotation.book import Kind
from policies.guardianship import of_age_on
from tests.integration.sealed_people import turn
from tests.utc import today

__all__ = ["mailbox"]

WRONG = "0000000"


def sign_in(api: Api, login: str, password: str = PASSWORD) -> int:
    return api.post("/v1/token", data={"username": login, "password": password}).status_code


def set_password(api: Api, mailbox: Mailbox) -> str:
    """Set the password of the newest account; the link's token."""
    token = mailbox.links()[-1].removeprefix("/password/")
    assert api.post("/v1/passwords", json={"token": token, "password": PASSWORD}).status_code == 200
    return token


def account(world: World, api: Api, mailbox: Mailbox, clinic: str = "north") -> Booked:
    """Somebody who booked, proved the email, and set a password."""
    booked = book(world, clinic)
    verified(api, mailbox, booked)
    set_password(api, mailbox)
    return booked


@pytest.mark.check(39)
def test_who_proves_a_new_contact_becomes_an_account(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = account(fresh, running, mailbox)
    login = login_of(fresh, booked.person)
    assert MAIL not in login and "Crane" not in login
    names = fresh.look("select login, display_name from operational.principal where person_id = %s", booked.person)
    assert names == [(login, login)]
    for typed in (login, MAIL, " CRANE@Example.org "):
        assert sign_in(running, typed) == 200, typed
    assert fresh.look(
        "select r.role from operational.principal_role as r inner join operational.principal as p"
        " on p.principal_id = r.principal_id where p.person_id = %s", booked.person,
    ) == [("patient",)]  # fmt: skip
    assert person_at(fresh, booked) == booked.person


@pytest.mark.check(40)
def test_a_booking_with_anothers_email_takes_nothing_over_and_tells_nothing(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    known = account(fresh, running, mailbox)
    login = login_of(fresh, known.person)
    taken, free = book(fresh, "south", MAIL), book(fresh, "south", "nobody@example.org")
    before = fresh.look("select * from operational.account_contact where person_id = %s", known.person)
    told = [
        [
            (found.status_code, found.json(), sorted(found.headers))
            for found in (
                answer(running, each, WRONG),
                running.post(f"/v1/verifications/{each.verification}/code"),
                answer(running, each, WRONG, booked_for="dependent", dependent=str(uuid4())),
            )
        ]
        for each in (taken, free)
    ]
    assert told[0] == told[1]
    # Nothing of the account has changed, nothing is linked, and it signs in as before.
    assert fresh.look("select * from operational.account_contact where person_id = %s", known.person) == before
    assert person_at(fresh, taken) == taken.person
    assert (sign_in(running, MAIL), sign_in(running, login)) == (200, 200)
    # The code went to the owner of the contact alone, and theirs alone settles it.
    assert [m.address for m in mailbox.messages if m.link.endswith(str(taken.verification))] == [MAIL, MAIL]


@pytest.mark.check(40)
def test_an_account_that_proves_a_booking_gets_the_registration_with_its_id(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    known = account(fresh, running, mailbox)
    again = book(fresh, "south")
    links = len(mailbox.links())
    verified(running, mailbox, again)
    assert person_at(fresh, again) == known.person
    assert person_at(fresh, known) == known.person
    assert len(mailbox.links()) == links, "it has a password"
    deleted = fresh.look("select deleted_at is not null from operational.person where person_id = %s", again.person)
    assert deleted == [(True,)]
    assert fresh.look("select 1 from operational.merge_case where other_patient_id = %s", again.patient) == []
    # What each clinic sees is its own patient's id.
    at = fresh.look("select clinic_id, patient_id from operational.registration where person_id = %s", known.person)
    assert dict(at) == {fresh.clinic_ids["north"]: known.patient, fresh.clinic_ids["south"]: again.patient}


def test_what_is_answered_is_the_same_for_a_known_and_a_new_contact(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    account(fresh, running, mailbox)
    answers = []
    for booked in (book(fresh, "south", MAIL), book(fresh, "south", "new@example.org"), book(fresh, "north", MAIL)):
        found = answer(running, booked, mailbox.code(booked.verification))
        answers.append((found.status_code, found.content, sorted(found.headers)))
    assert answers[0] == answers[1] == answers[2]


def test_a_second_registration_at_a_clinic_is_for_its_staff_to_decide(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    known, again = account(fresh, running, mailbox), book(fresh, "north")
    verified(running, mailbox, again)
    assert person_at(fresh, again) == again.person
    cases = fresh.look(
        "select clinic_id, kept_patient_id from operational.merge_case where other_patient_id = %s", again.patient
    )
    assert cases == [(fresh.clinic_ids["north"], known.patient)]


def test_codes_are_good_once_for_ten_minutes_and_five_tries(fresh: World, running: Api, mailbox: Mailbox) -> None:
    used, old, guessed = (book(fresh, "north", f"{name}@example.org") for name in ("used", "old", "guessed"))
    verified(running, mailbox, used)
    replay = answer(running, used, mailbox.code(used.verification))
    fresh.change(
        "update operational.verification set sent_at = sent_at - interval '11 minutes',"
        " expires_at = expires_at - interval '11 minutes' where verification_id = %s", old.verification,
    )  # fmt: skip
    late = answer(running, old, mailbox.code(old.verification))
    wrong = [answer(running, guessed, WRONG) for _ in range(5)]
    sixth = answer(running, guessed, mailbox.code(guessed.verification))
    unknown = running.post(f"/v1/verifications/{uuid4()}", json={"code": "123456"})
    none = running.post("/v1/verifications/none", json={"code": "123456"})
    for found in (replay, late, *wrong, sixth, unknown, none):
        assert (found.status_code, found.json()) == (422, NOT_GOOD)
    assert person_at(fresh, guessed) == guessed.person
    denied = fresh.look(
        "select count(*) from audit.access_event where action = 'verification.answer' and decision = 'deny'"
    )
    assert denied == [(10,)]


def test_tries_at_once_are_counted_before_a_code_is_looked_at(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = book(fresh, "north")
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: answer(running, booked, WRONG).status_code, range(10)))
    assert found == [422] * 10
    assert fresh.look("select tries from operational.verification") == [(5,)]
    assert answer(running, booked, mailbox.code(booked.verification)).status_code == 422


def test_a_new_code_ends_the_old_one_and_five_are_the_most(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = book(fresh, "north")
    first = mailbox.code(booked.verification)
    for _ in range(6):
        sent = running.post(f"/v1/verifications/{booked.verification}/code")
        assert (sent.status_code, sent.json()) == (202, {"status": "sent"})
    assert len(mailbox.messages) == 5
    newest = mailbox.code(booked.verification)
    assert first == newest or answer(running, booked, first).status_code == 422
    # Other bookings with the same contact, however it is written, send no more either.
    more = book(fresh, "south", "Crane@EXAMPLE.org")
    assert len(mailbox.messages) == 5
    assert running.post(f"/v1/verifications/{more.verification}/code").status_code == 202
    assert len(mailbox.messages) == 5
    verified(running, mailbox, booked)


def test_bookings_of_others_keep_no_new_code_from_who_has_the_link(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    booked, other = book(fresh, "north"), [book(fresh, "north") for _ in range(6)][-1]
    assert len(mailbox.messages) == 5
    for verification in (booked.verification, other.verification):
        assert running.post(f"/v1/verifications/{verification}/code").status_code == 202
    assert [message.link for message in mailbox.messages[5:]] == [f"/verify/{booked.verification}"], (
        "the other had none"
    )
    verified(running, mailbox, booked)


def test_a_code_that_was_not_sent_is_for_nobody_to_guess(fresh: World, running: Api, mailbox: Mailbox) -> None:
    """Otherwise every further booking with a contact would be worth five more guesses."""
    for _ in range(7):
        book(fresh, "north")
    tries = fresh.look("select codes, tries, count(*) from operational.verification group by 1, 2 order by 1")
    assert tries == [(0, 5, 2), (1, 0, 5)]


@pytest.mark.check(40)
def test_two_verifications_at_once_make_one_account(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = [book(fresh, clinic) for clinic in ("north", "south", "north", "south")]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda b: answer(running, b, mailbox.code(b.verification)).status_code, booked))
    assert found == [200] * 4
    assert fresh.look("select count(*) from operational.principal where starts_with(login, 'p-')") == [(1,)]
    cases = fresh.look(
        "select 1 from operational.merge_case where other_patient_id = any(%s)", [each.patient for each in booked]
    )
    assert len(cases) == 2
    people = fresh.look(
        "select count(*), count(distinct clinic_id) from operational.registration as r"
        " inner join operational.principal as p on p.person_id = r.person_id where starts_with(p.login, 'p-')"
    )
    assert people == [(2, 2)]


def test_the_same_code_twice_at_once_settles_once(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = book(fresh, "north")
    code = mailbox.code(booked.verification)
    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(lambda _: answer(running, booked, code).status_code, range(4)))
    assert found == [200, 422, 422, 422]


def dependents(api: Api) -> list[dict[str, str]]:
    headers = access_world.sign_in(api, MAIL)
    found: list[dict[str, str]] = api.get("/v1/me/dependents", headers=headers).json()["dependents"]
    return found


def care(age: int = 9, **other: Any) -> dict[str, Any]:
    """What a guardian answers of a dependent who came to this age today."""
    born = born_years_ago(age).isoformat()
    return {"booked_for": "dependent", "relationship": "parent", "holder_name": "x", "birth_date": born, **other}


def born_years_ago(years: int) -> date:
    return of_age_on(today(), -years)


@pytest.mark.check(33)
@pytest.mark.parametrize(
    ("country", "age", "known", "rule"),
    [
        ("BR", 17, None, None),
        ("BR", 18, None, "of_age"),
        ("EG", 20, None, None),
        ("EG", 21, None, "of_age"),
        # What is known counts, whatever the guardian says.
        ("BR", 9, 40, "of_age"),
        ("BR", 40, 9, None),
    ],
)
def test_a_code_makes_nobody_the_guardian_of_an_adult(
    world: World, api: Api, mailbox: Mailbox, country: str, age: int, known: int | None, rule: str | None
) -> None:
    in_country = "update operational.clinic set country = %s where slug = 'south'"
    ((before,),) = world.look("select country from operational.clinic where slug = 'south'")
    booked = book(world, "south", f"{uuid4()}@example.org")
    if known is not None:
        born = born_years_ago(known)
        world.change("update operational.profile set birth_date = %s where person_id = %s", born, booked.person)
    world.change(in_country, country)
    found = answer(api, booked, mailbox.code(booked.verification), **care(age))
    world.change(in_country, before)
    places = [(e["place"], e["rule"]) for e in found.json().get("errors", [])]
    assert places == ([("body.birth_date", rule)] if rule else []), found.text
    of_them = world.look(
        "select g.agreed, q.birth_date from operational.guardianship as g inner join operational.profile as q"
        " on q.person_id = g.dependent_id where g.dependent_id = %s", booked.person,
    )  # fmt: skip
    assert of_them == ([] if rule else [(False, born_years_ago(known or age))])


def test_for_a_dependent_the_holder_is_the_guardian(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = book(fresh, "north", MAIL, "+5527999123456")
    whole = care(relationship="parent", holder_name="Canary Crane senior")
    for missing in ("relationship", "holder_name", "birth_date"):
        found = answer(
            running,
            booked,
            mailbox.code(booked.verification),
            **{**whole, missing: None if missing == "birth_date" else ""},
        )
        assert found.status_code == 422 and found.json()["errors"][0]["place"] == f"body.{missing}"
    verified(running, mailbox, booked, **whole)
    set_password(running, mailbox)
    assert [(d["name"], d["relationship"]) for d in dependents(running)] == [("Canary Crane", "parent")]
    assert person_at(fresh, booked) == booked.person
    assert fresh.look("select count(*) from operational.principal where person_id = %s", booked.person) == [(0,)]
    emptied = fresh.look("select phone, email from operational.account_contact where person_id = %s", booked.person)
    assert emptied == [(None, None)]
    contacts = running.get("/v1/me/account/contacts", headers=access_world.sign_in(running, MAIL)).json()
    assert contacts["email"] == {"value": MAIL, "verified": True}
    assert contacts["phone"] == {"value": "+5527999123456", "verified": False}
    # The next booking for the same dependent: by the id that the guardian knows them by, at another clinic.
    again = book(fresh, "south")
    dependent = dependents(running)[0]["id"]
    verified(running, mailbox, again, booked_for="dependent", dependent=dependent)
    assert person_at(fresh, again) == booked.person
    # A further dependent of an account that is there already.
    third = book(fresh, "south")
    verified(running, mailbox, third, **care(relationship="carer"))
    assert sorted(d["relationship"] for d in dependents(running)) == ["carer", "parent"]
    # Who was a guardian alone becomes a patient with a booking for themself.
    headers = access_world.sign_in(running, MAIL)
    assert running.get("/v1/me/profile", headers=headers).status_code == 404
    own = book(fresh, "north")
    verified(running, mailbox, own)
    assert running.get("/v1/me/profile", headers=headers).json()["name"] == "Canary Crane senior"
    assert fresh.look("select count(*) from operational.principal where starts_with(login, 'p-')") == [(1,)]


@pytest.mark.check(33)
@pytest.mark.check(40)
def test_nobody_books_for_anothers_dependent(fresh: World, running: Api, mailbox: Mailbox) -> None:
    account(fresh, running, mailbox)
    for booked in (book(fresh, "south", MAIL), book(fresh, "south", "new@example.org")):
        code = mailbox.code(booked.verification)
        for dependent in (fresh.guardianship, uuid4()):
            found = answer(running, booked, code, booked_for="dependent", dependent=str(dependent))
            fault = [{"place": "body.dependent", "rule": "not_there"}]
            assert (found.status_code, found.json()["errors"]) == (422, fault)
        assert person_at(fresh, booked) == booked.person
    # What did not come to pass did not use the code up, but the tries.
    assert {row[0] for row in fresh.look("select tries from operational.verification where answered_at is null")} == {2}


@pytest.mark.check(33)
@pytest.mark.parametrize(("age", "agreed", "booked_for"), [(21, False, True), (18, True, True), (18, False, False)])
def test_a_guardian_books_for_whom_the_guardianship_stands(
    fresh: World, running: Api, mailbox: Mailbox, age: int, agreed: bool, booked_for: bool
) -> None:
    guardian, chick = account(fresh, running, mailbox).person, fresh.people[CHICK]
    born = today().replace(year=today().year - 19, day=1)
    fresh.change("update operational.profile set birth_date = %s where person_id = %s", born, chick)
    ((guardianship,),) = fresh.look(
        "insert into operational.guardianship"
        " (guardian_id, dependent_id, relationship, starts_on, majority_age, agreed)"
        " values (%s, %s, 'parent', %s, %s, %s) returning guardianship_id",
        guardian, chick, born, age, agreed,
    )  # fmt: skip
    booked = book(fresh, "south", MAIL)
    found = answer(
        running, booked, mailbox.code(booked.verification), booked_for="dependent", dependent=str(guardianship)
    )
    assert found.status_code == (200 if booked_for else 422)
    assert (person_at(fresh, booked) == chick) is booked_for


@pytest.mark.check(33)
def test_a_guardians_role_that_was_taken_away_is_not_given_back_by_a_code(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    guardian = account(fresh, running, mailbox).person
    fresh.change("insert into operational.principal_role (principal_id, role, revoked_at)"
                 " select principal_id, 'guardian', now() from operational.principal where person_id = %s",
                 guardian)  # fmt: skip
    verified(running, mailbox, book(fresh, "south", MAIL), **care())
    roles = fresh.look("select role, revoked_at is null from operational.principal_role inner join"
                       " operational.principal using (principal_id) where person_id = %s order by role",
                       guardian)  # fmt: skip
    assert roles == [("guardian", False), ("patient", True)]


def test_someone_new_shares_the_contact_and_has_a_login_of_their_own(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    first = account(fresh, running, mailbox)
    second = book(fresh, "north")
    verified(running, mailbox, second, booked_for="someone_new")
    assert (mailbox.messages[-1].person_id, mailbox.messages[-1].address) == (second.person, MAIL)
    token = mailbox.links()[-1].removeprefix("/password/")
    assert running.post("/v1/passwords", json={"token": token, "password": "another long one"}).status_code == 200
    assert person_at(fresh, second) == second.person
    # The email finds who had it first; the other signs in with the login.
    assert sign_in(running, MAIL) == 200
    assert sign_in(running, MAIL, "another long one") == 401
    assert sign_in(running, login_of(fresh, second.person), "another long one") == 200
    third = book(fresh, "south")
    verified(running, mailbox, third)
    assert person_at(fresh, third) == first.person


@pytest.mark.check(37)
def test_contacts_of_accounts_turn_with_their_keys(fresh: World, running: Api, mailbox: Mailbox) -> None:
    known, waiting = account(fresh, running, mailbox), book(fresh, "south", "waiting@example.org")
    sealed = "select email from operational.account_contact where person_id = %s"
    before = fresh.look(sealed, known.person)[0][0]
    assert [outcome.left for outcome in turn(fresh.server, *Kind)] == [0, 0, 0]
    assert fresh.look(sealed, known.person)[0][0][1:17] != before[1:17]
    assert sign_in(running, MAIL) == 200
    verified(running, mailbox, waiting)
    set_password(running, mailbox)
    assert sign_in(running, "waiting@example.org") == 200
    # Only what is proven is found, before a rotation and after it.
    book(fresh, "south", "never@example.org")
    turn(fresh.server, Kind.INDEX)
    people = {
        row[0] for row in fresh.look("select person_id from operational.blind_index where field = 'account_email'")
    }
    assert people == {known.person, waiting.person}


@pytest.mark.check(38)
@pytest.mark.parametrize(
    "written", ["+55 27 99912-3456", "005527999123456", "+٥٥ ٢٧ ٩٩٩١٢-٣٤٥٦", "＋５５２７９９９１２３４５６"]
)
def test_a_phone_is_one_contact_however_it_is_written(world: World, api: Api, mailbox: Mailbox, written: str) -> None:
    assert mailbox.messages == []
    person = book(world, "north", None, "+5527999123456").person
    digest = world.look("select contact_digest from operational.verification where person_id = %s", person)
    other = book(world, "south", None, written).person
    assert world.look("select contact_digest from operational.verification where person_id = %s", other) == digest
    assert world.look("select count(*) from operational.blind_index where person_id = any(%s)", [person, other])[0] == (
        0,
    )
    assert mailbox.messages == [], "nothing goes to a phone yet"


@pytest.mark.check(40)
def test_staff_and_keys_verify_nobody(fresh: World, running: Api, mailbox: Mailbox) -> None:
    """Who has no code gets no further for having a role; a header with a credential is not even looked at."""
    booked = book(fresh, "north")
    for headers in (access_world.sign_in(running, "staff.north"), {"Authorization": f"Bearer {fresh.keys['north']}"}):
        found = running.post(
            f"/v1/verifications/{booked.verification}", json={"code": WRONG}, headers=headers
        )  # fmt: skip
        assert (found.status_code, found.json()) == (422, NOT_GOOD)
    assert fresh.look("select answered_at from operational.verification") == [(None,)]


def test_no_code_contact_or_token_stands_in_the_clear(fresh: World, running: Api, mailbox: Mailbox) -> None:
    booked = account(fresh, running, mailbox)
    secrets = [mailbox.code(booked.verification), mailbox.links()[-1].removeprefix("/password/"), MAIL]
    for table in ("verification", "password_link", "account_contact", "principal", "blind_index"):
        stored = str(fresh.look(f"select t::text from operational.{table} as t"))
        assert stored != "[]"
        for secret in secrets:
            assert secret not in stored and secret.encode().hex() not in stored, table
    logged = str(fresh.look("select e::text from audit.access_event as e"))
    assert MAIL not in logged and "Crane" not in logged


def test_a_booking_of_an_account_is_not_settled_by_another_contact(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    """Whoever gets a verification made for a person who is an account gains nothing by proving their own email."""
    known = account(fresh, running, mailbox)
    attack = book(fresh, "north", "attacker@example.org")
    fresh.change(
        "update operational.verification set person_id = %s where verification_id = %s",
        known.person, attack.verification,
    )  # fmt: skip
    found = answer(running, attack, mailbox.code(attack.verification))
    assert (found.status_code, found.json()) == (422, NOT_GOOD)
    assert sign_in(running, "attacker@example.org") == 401
    assert sign_in(running, MAIL) == 200
