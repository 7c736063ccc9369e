"""Whoever waits for another who takes a time sees it afterwards, though no constraint holds for an import's times."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from access_world import FINCH, WREN, Api, World, insert
from booking import as_key, ask, at, errors, newcomer, post, sign_in, someone

from infra.database import connect_admin
from tests.integration.waiting import until_somebody_waits

TAKE = "update operational.appointment set status = 'booked' where appointment_id = %s"
HOLD = "select from operational.{} where clinic_id = %s and {} = %s for no key update"


def bring(world: World, hour: float, name: str = FINCH, **other: Any) -> str:
    """An appointment as an import leaves it, without an end, and cancelled by now."""
    of = {"clinic_id": world.clinic_ids["north"], "patient_id": world.patients["north", name], "service": "visit"}
    when = {"booked_on": "2026-01-01", "starts_on": at(hour)[:10], "starts_at": at(hour)}
    one = {"appointment_id": uuid4(), "specialist": "Dr. North", "status": "cancelled"}
    with connect_admin(world.server) as admin:
        insert(admin, "appointment", {**of, **when, **one, **other})
    return str(one["appointment_id"])


def meanwhile(world: World, held: tuple[str, str, Any], appointment: str, ask_for: Any) -> httpx.Response:
    """The answer to what is asked for while somebody who holds what it needs takes the time for an appointment."""
    with ThreadPoolExecutor(1) as pool:
        with connect_admin(world.server) as admin, admin.transaction():
            admin.execute(HOLD.format(*held[:2]), [world.clinic_ids["north"], held[2]])  # type: ignore[arg-type]
            admin.execute(TAKE, [appointment])
            asked = pool.submit(ask_for)
            until_somebody_waits(world, admin.info.backend_pid)
        answer: httpx.Response = asked.result()
        return answer


def test_no_correction_takes_a_time_that_another_takes_at_once(world: World, api: Api) -> None:
    first, second = bring(world, 9), bring(world, 9.25, WREN)
    staff, path = sign_in(api, "staff.north"), f"/v1/clinics/north/appointments/{second}/correct"
    body = {"status": "booked", "reason": "entered_wrongly"}
    held = ("specialist", "name", "Dr. North")
    answer = meanwhile(world, held, first, lambda: api.post(path, json=body, headers=staff))
    assert (answer.status_code, errors(answer)) == (409, [("body.starts_at", "double_booked")])


@pytest.mark.parametrize("whose", ["id", "source", "own"])
def test_no_patient_is_booked_for_where_a_step_takes_their_time_at_once(world: World, api: Api, whose: str) -> None:
    hour = {"id": 30, "source": 33, "own": 36}[whose]
    who, patient = as_key(world), str(world.patients["north", WREN])
    asked: dict[str, Any] = {"patient": {"id": patient}}
    if whose == "own":
        who, asked = sign_in(api, "wren"), {}
    if whose == "source":
        asked = {"patient": {"source_id": "taken"}}
        made = post(api, who, ask(starts_at=at(hour + 1), patient=someone(source_id="taken", email="t@example.org")))
        patient = made.json()["patient"]
    taken = bring(world, hour, specialist="Dr. Elsewhere", patient_id=patient)
    held = ("registration", "patient_id", patient)
    answer = meanwhile(world, held, taken, lambda: post(api, who, ask(starts_at=at(hour), **asked)))
    assert (answer.status_code, errors(answer)) == (409, [("body.starts_at", "double_booked")])
    free = post(api, as_key(world), ask(starts_at=at(hour), patient=newcomer()))
    assert free.status_code == 201, "of nobody else's time it takes any"


@pytest.mark.parametrize("service", ["visit", "call"])
def test_no_newcomer_is_booked_where_a_step_takes_the_specialists_time_at_once(
    world: World, api: Api, service: str
) -> None:
    hour = {"visit": 50, "call": 53}[service]
    taken, held = bring(world, hour), ("specialist", "name", "Dr. North")
    asked = ask(service=service, starts_at=at(hour), patient=newcomer())
    answer = meanwhile(world, held, taken, lambda: post(api, as_key(world), asked))
    assert (answer.status_code, errors(answer)) == (409, [("body.specialist", "double_booked")])
