"""A guardian by law as admin, manager and guardian bring one about."""

import re
from datetime import timedelta
from typing import Any

from access_world import WREN, Api, World
from families import call, join
from posting import mail_server, send

from tests.utc import today

ADDRESS = "heron@example.org"
COURT = {"basis": "court_order", "until": str(today() + timedelta(days=400)), "email": ADDRESS}
SEEN = {"document": "52 XVII 123/26"}


def propose(api: Api, world: World, login: str = "admin", clinic: str = "north", **other: Any) -> Any:
    path = f"clinics/{clinic}/patients/{world.patients['north', WREN]}/legal-guardians"
    return call(api, login, "POST", path, {**COURT, **other})


def confirm(api: Api, which: str, login: str = "manager.north", clinic: str = "north", body: Any = SEEN) -> Any:
    return call(api, login, "POST", f"clinics/{clinic}/legal-guardians/{which}/confirm", body)


def end(api: Api, which: str, login: str, clinic: str = "north") -> Any:
    return call(api, login, "POST", f"clinics/{clinic}/legal-guardians/{which}/end", {"reason": "no_longer"})


def listed(api: Api, login: str, clinic: str = "north") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(api, login, "GET", f"clinics/{clinic}/legal-guardians").json()["guardians"]
    return found


def own(api: Api, login: str = "wren") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = call(api, login, "GET", "me/legal-guardians").json()["guardians"]
    return found


def sent_codes(world: World) -> list[tuple[str, str]]:
    """What is due, sent: addresses and codes of those to whom a guardian's code went."""
    with mail_server() as (mailman, smtp):
        send(world, smtp)
    came = [(to, mail.decode().replace("=\r\n", "")) for to, mail in mailman.came]
    found = [(to, re.search(r"Your code is ([\w-]+?)\.", text)) for to, text in came]
    return [(to, code[1]) for to, code in found if code]


def confirmed(api: Api, world: World) -> tuple[str, str]:
    """One that is confirmed: its id, and the code that came by mail."""
    which = propose(api, world).json()["id"]
    assert confirm(api, which).status_code == 200
    ((to, code),) = sent_codes(world)
    assert to == ADDRESS
    return which, code


def standing(api: Api, world: World) -> str:
    """One that Heron has redeemed; its id."""
    which, code = confirmed(api, world)
    assert join(api, "heron", code).status_code == 201
    return which
