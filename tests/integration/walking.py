"""What the answers of a walk over every route tell, and what the access log says of them."""

from pathlib import Path

import access_world
import httpx
from access_world import Api, World
from fastapi.routing import iter_route_contexts

from api.problems import FOR_PROGRAMS
from policies.words import AccountAction, Action, ProcessAction

REVIEWED = Path(__file__).parent / "routes_by_roles.txt"
VOCABULARY = {word.value for kind in (Action, AccountAction, ProcessAction) for word in kind}


def of_a_patient(text: str) -> bool:
    """Whether a text holds a name, contact, answer, secret or birth date of somebody who was made up for the tests."""
    # Of the phone its eight digits of any country: six some random id may have.
    return "canary" in text.lower() or access_world.PHONE[-8:] in text or access_world.BIRTH in text


def told(answer: httpx.Response) -> str:
    """What an answer tells beyond what the request's own address does."""
    return answer.text.replace(answer.request.url.path.split("/")[-1], "")


def logged(world: World) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Actions, and patients disclosed, by request."""
    events: dict[str, set[str]] = {}
    disclosed: dict[str, set[str]] = {}
    for request, action, patient in world.look(
        "select e.request_id::text, e.action, d.patient_id::text from audit.access_event as e"
        " left join audit.disclosed as d on d.event_id = e.event_id and d.occurred_at = e.occurred_at"
    ):
        events.setdefault(request, set()).add(action)
        if patient:
            disclosed.setdefault(request, set()).add(patient)
    return events, disclosed


def pages(api: Api) -> list[str]:
    """The path of every page."""
    found = {context.path or "" for context in iter_route_contexts(api.app.routes) if "GET" in (context.methods or ())}
    return sorted(path for path in found if not path.startswith((*FOR_PROGRAMS, "/static")))
