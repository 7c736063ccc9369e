"""How the tests book: what they ask for, as whom, and what they then look at."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
from access_world import Api, World, sign_in

WHOLE = {
    "people": "select count(*) from operational.person",
    "profiles": "select count(*) from operational.profile",
    "registrations": "select count(*) from operational.registration",
    "forms": "select count(*) from operational.form",
    "appointments": "select count(*) from operational.appointment",
    "history": "select count(*) from operational.appointment_event",
    "rooms": "select count(*) from operational.video_room",
    "sources": "select count(*) from operational.patient_source",
    "requests": "select count(*) from operational.booking_request",
    "messages": "select count(*) from operational.message",
    "verifications": "select count(*) from operational.verification",
    "contacts": "select count(*) from operational.account_contact",
    "keys": "select count(*) from operational.data_key where person_id is not null",
    "accounts": "select count(*) from operational.principal",
    "links": "select count(*) from operational.password_link",
}
# The code and the confirmation; no account, nor the link to it, before the code is answered.
ONE_NEW = dict.fromkeys(WHOLE, 1) | {"messages": 2, "accounts": 0, "links": 0}


def at(hours: float) -> str:
    """A time of two weeks from today's midnight on, so many hours later; ISO 8601."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight + timedelta(days=14, hours=hours)).isoformat()


def someone(**other: Any) -> dict[str, Any]:
    """A patient nobody knows."""
    return {"name": "Canary Swift", "email": "swift@example.org", **other}


def newcomer(**other: Any) -> dict[str, Any]:
    """A patient nobody knows, with an address that got no codes yet."""
    return someone(email=f"{uuid4()}@example.org", **other)


def ask(clinic: str = "north", **other: Any) -> dict[str, Any]:
    """A booking of a visit with the clinic's specialist."""
    return {"service": "visit", "specialist": f"Dr. {clinic.title()}", "starts_at": at(9), **other}


def as_key(world: World, name: str = "north.bookings") -> dict[str, str]:
    return {"Authorization": f"Bearer {world.keys[name]}"}


def post(
    api: Api, who: dict[str, str], asked: dict[str, Any], clinic: str = "north", key: str | None = ""
) -> httpx.Response:
    """Ask for a booking; with a fresh key unless one is given, with none if it is None."""
    headers = who if key is None else {**who, "Idempotency-Key": key or str(uuid4())}
    return api.post(f"/v1/clinics/{clinic}/bookings", json=asked, headers=headers)


def counts(world: World) -> dict[str, int]:
    """How many rows there are of everything that a booking makes."""
    return {name: world.look(query)[0][0] for name, query in WHOLE.items()}


def added(world: World, before: dict[str, int]) -> dict[str, int]:
    """How many came since."""
    return {name: count - before[name] for name, count in counts(world).items()}


def errors(answer: httpx.Response) -> list[tuple[str, str]]:
    """Place and rule of each error of a problem."""
    return [(error["place"], error["rule"]) for error in answer.json()["errors"]]


__all__ = ["ONE_NEW", "added", "as_key", "ask", "at", "counts", "errors", "newcomer", "post", "sign_in", "someone"]
