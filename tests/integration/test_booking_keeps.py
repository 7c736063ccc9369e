"""What a booking keeps where: contacts with the account, no payload, forms with their days; nobody by a phone."""

from hashlib import sha256
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import pytest
from access_world import FINCH, WREN, Api, World
from booking import as_key, ask, at, counts, post, sign_in

from api.gateway import Work
from api.services import Services
from api.verifications import people_repository as people
from tests.integration import provisional
from tests.integration.provisional import Mailbox, mailbox

__all__ = ["mailbox"]

HOURS = count(9)
NAME, EMAIL, PHONE = "Canary Heronry", "canary.heronry@example.org", "+4930901899"
# Ids and times, and a mark that is set with a birth date.
OF_ANY_PROFILE = {"person_id", "version", "changed_at", "birth_date_estimated"}


def booked(world: World, api: Api, clinic: str = "north", key: str = "", **patient: str) -> httpx.Response:
    """A booking by the clinic's system, at a time of its own."""
    asked = ask(clinic, starts_at=at(next(HOURS)), patient=patient)
    answer = post(api, as_key(world, f"{clinic}.bookings"), asked, clinic, key)
    assert answer.status_code == 201, answer.text
    return answer


def test_a_booking_is_kept_as_keyed_hashes_and_ids(world: World, api: Api) -> None:
    key, source = "Canary-key-of-a-booking", "Canary source"
    booking = booked(world, api, key=key, name=NAME, email=EMAIL, source_id=source).json()["id"]
    ((row, text),) = world.look(
        "select to_jsonb(b), b::text from operational.booking_request as b where appointment_id = %s", booking
    )
    assert row.keys() == {
        "clinic_id", "principal_id", "key_digest", "request_digest", "appointment_id", "requested_at",
    }  # fmt: skip
    assert not [told for told in (key, source, *NAME.split(), EMAIL, "visit", "Dr.") if told.lower() in text.lower()]
    plain = {sha256(said.encode()).hexdigest() for said in (key, f'["key", "{key}"]')}
    assert len(row["key_digest"]) == 64 and row["key_digest"] not in plain


def test_the_forms_of_a_booking_have_their_days(world: World, api: Api) -> None:
    """By the clinic's own day, whenever the visit is."""
    world.change("update operational.service set templates = array['mood', 'pain'] where service = 'visit'")
    found = booked(world, api, name=NAME, email=EMAIL).json()["patient"]
    world.change("update operational.service set templates = array['i'] where service = 'visit'")
    forms = world.look(
        "select f.template, f.assigned_on = (f.changed_at at time zone c.time_zone)::date, f.due_on - f.assigned_on,"
        " f.expires_on - f.due_on, t.due_days, t.expire_days from operational.form as f"
        " inner join operational.clinic as c using (clinic_id)"
        " inner join operational.form_template as t using (clinic_id, template, template_version)"
        " where f.patient_id = %s order by f.template",
        found,
    )
    assert forms == [("i", True, 14, None, 14, None), ("mood", True, 7, 14, 7, 14), ("pain", True, 3, None, 3, None)]


@pytest.mark.check(51)
def test_contacts_go_to_the_account_and_nothing_of_a_profile_is_filled(
    fresh: World, running: Api, mailbox: Mailbox
) -> None:
    answer = booked(fresh, running, name=NAME, email=EMAIL, phone=PHONE, source_id="one").json()
    before = profile_of(fresh, answer["patient"])
    (verification,) = {m.link.removeprefix("/verify/") for m in mailbox.messages if m.code}
    waiting = provisional.Booked(UUID(int=0), UUID(answer["patient"]), UUID(verification))
    provisional.verified(running, mailbox, waiting)
    assert fresh.look("select 1 from operational.principal where starts_with(login, 'p-')"), "there is an account"
    assert before == profile_of(fresh, answer["patient"]) == {}
    for table in ("appointment", "appointment_event", "registration", "form", "booking_request", "patient_source"):
        rows = " ".join(text for (text,) in fresh.look(f"select t::text from operational.{table} as t")).lower()
        assert answer["id"] in rows or answer["patient"] in rows, table
        assert not [told for told in (EMAIL, "heronry", PHONE[1:], PHONE[3:]) if told in rows], table
    assert fresh.look(
        "select c.email is not null, c.phone is not null, c.email_verified_at is not null, c.phone_verified_at"
        " from operational.account_contact as c inner join operational.registration as r using (person_id)"
        " where r.patient_id = %s", answer["patient"],
    ) == [(True, True, True, None)]  # fmt: skip


def profile_of(world: World, patient: str) -> dict[str, Any]:
    """What the profile of a patient says of them."""
    ((row,),) = world.look(
        "select to_jsonb(p) from operational.profile as p inner join operational.registration as r using (person_id)"
        " where r.patient_id = %s", patient,
    )  # fmt: skip
    assert row.keys() > OF_ANY_PROFILE and len(row) > 15
    return {name: value for name, value in row.items() if name not in OF_ANY_PROFILE and value is not None}


@pytest.mark.check(40)
@pytest.mark.parametrize("clinic", ["north", "south"])
def test_a_booking_with_anothers_phone_takes_nothing_over_and_tells_nothing(
    fresh: World, running: Api, clinic: str
) -> None:
    """Of an account that has said and proven it, at a clinic that knows them and at another; and one of a profile."""
    wren = fresh.people[WREN]

    async def prove(work: Work, serving: Services) -> None:
        await work.serve(wren)
        await people.verify_contact(work, serving.codec, wren, "phone", PHONE, shared=False)

    provisional.in_work(fresh, "north", prove)
    in_profile = {"Content-Type": "application/json", "If-Match": "*", **sign_in(running, "finch")}
    assert running.patch("/v1/me/profile", json={"phone": PHONE}, headers=in_profile).status_code == 200
    before = [owned(fresh, name) for name in (WREN, FINCH)]
    answers, made = [], []
    for phone in (PHONE, "00 49 (30) 901899", "+4930901777"):
        was = counts(fresh)
        answer = booked(fresh, running, clinic, name=WREN, phone=phone)
        answers.append((answer.json()["verification"], sorted(answer.json()), shape(answer)))
        made.append({name: after - was[name] for name, after in counts(fresh).items()})
        assert UUID(answer.json()["patient"]) not in fresh.patients.values()
    assert answers == [("nothing_to_send_to", ["id", "patient", "verification"], answers[-1][-1])] * 3
    assert made == [made[-1]] * 3 and (made[0]["people"], made[0]["registrations"], made[0]["accounts"]) == (1, 1, 0)
    assert [owned(fresh, name) for name in (WREN, FINCH)] == before
    assert not fresh.look("select 1 from operational.merge_case where kept_patient_id <> all(%s)",
                          list(fresh.patients.values()))  # fmt: skip


def shape(answer: httpx.Response) -> tuple[list[str], int]:
    """The names of its headers, and how long it is."""
    return sorted(answer.headers), len(answer.content)


def owned(world: World, name: str) -> list[Any]:
    """What an account is reached by, where it is a patient, and what its profile says."""
    return [
        world.look(f"select to_jsonb(t) from operational.{table} as t where person_id = %s order by 1",
                   world.people[name])
        for table in ("account_contact", "registration", "profile", "blind_index")
    ]  # fmt: skip
