"""Every route × every kind of caller: the status that each gets, as reviewed in routes_by_roles.txt.

Routes come from the application and callers from the roles: a new one without a line in the file
fails. The fresh table lies in build/routes_by_roles.txt; whoever changes the file reviews it.
"""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr

import access_world
import httpx
import pytest
from access_world import FINCH, Api, World
from callers import CALLERS, Signed, everybody, signed_in
from fastapi.routing import iter_route_contexts
from things import Things, filled
from walking import REVIEWED, VOCABULARY, logged, of_a_patient, told

from api import accounts
from api.problems import FOR_PROGRAMS
from policies.words import Role
from tests.conftest import ROOT
from tests.integration.sealing import seal_all

# Nobody needs to sign in to see these, and there is nothing of a clinic or a person in them.
PUBLIC = {
    "/healthz", "/v1/token", "/v1/openapi.json", "/fhir/metadata", "/sign-in", "/static",
    "/.well-known/jwks.json", "/.well-known/openid-configuration",
    # Who answers has what a message brought, and no account yet.
    "/v1/verifications/{verification}", "/v1/verifications/{verification}/code", "/v1/passwords",
    "/verify/{verification}", "/verify/{verification}/code", "/password/{token}", "/unsubscribe/{token}",
    "/v1/passwords/forgotten", "/forgotten",
    # Of a clinic that opened it; here none has.
    "/book/{clinic}",
}  # fmt: skip
# Signing in and out, one's own sessions, and a first page that only leads on.
# The language of rules is nobody's data.
OF_ANY_ACCOUNT = {
    "/", "/consents", "/guardians", "/sign-out", "/sign-in/code", "/sign-in/set-up", "/sessions",
    "/sessions/end", "/sessions/end-others",
    "/v1/segments/schema", "/v1/segments/measures", "/v1/segments/templates",
    # Of no account: the operator's monitoring comes with a secret, for counts alone.
    "/metrics",
}  # fmt: skip
# Patients and guardians may book at a clinic that is new to them, and sign and revoke at each of theirs.
OPEN_TO_PEOPLE = {
    "/v1/clinics/{clinic}/services", "/v1/clinics/{clinic}/bookings", "/book/{clinic}", "/me/book/{clinic}",
    "/clinics/{clinic}/book",
    "/me/dependents/{dependent}/book/{clinic}", "/me/consents/{clinic}/{purpose}",
    "/me/consents/{clinic}/{purpose}/revoke", "/me/data/{clinic}", "/me/data/{clinic}/bring",
}  # fmt: skip
# Routes with nothing for anybody of these callers, and why.
FOR_NOBODY = {
    "GET /static",  # the folder of the files
    "GET /metrics",  # comes with a secret that is nobody's
    "POST /book/{clinic}",  # no clinic here has opened its page
    "POST /sessions/end",  # of another session, and nobody has two
    "POST /sign-in/code",  # of a session that still waits for its code
}
PEOPLE = {Role.PATIENT, Role.GUARDIAN}
# Who runs the platform sees what a clinic offers and asks, its keys, why imports failed, records legal guardians, and
# brings back what was deleted.
OF_THE_PLATFORM = re.compile(
    r"(/v1)?/clinics/\{clinic\}/(settings|templates|forms|new-form|api-keys|keys|quarantine|legal-guardians|patients/\{patient\}/legal-guardians|deletions/\{kind\}/\{record\}/undo)\b.*"
)
ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# What was logged while every route was asked.
LOG = io.StringIO()


@pytest.fixture(scope="module")
def signed(world: World, api: Api) -> dict[str, Signed]:
    """Each caller; and a sealed log, or there would be no checkpoint."""
    found = everybody(world, api)
    seal_all(world.server)
    return found


def routes(api: Api) -> Iterator[tuple[str, str]]:
    """Method and path of every route of the application."""
    for context in iter_route_contexts(api.app.routes):
        for method in sorted(context.methods or {"GET"}):
            if method != "HEAD":
                yield method, context.path or ""


@pytest.fixture(scope="module")
def walked(world: World, api: Api, signed: dict[str, Signed]) -> dict[tuple[str, str], list[httpx.Response]]:
    """What every route answers every caller."""
    ordered = sorted(routes(api), key=lambda route: (route[1], route[0]))
    ordered.remove(("POST", "/sign-out"))  # it would end the session
    with redirect_stderr(LOG), access_world.logging():
        return {(method, path): list(_answers(world, api, method, path, signed.values())) for method, path in ordered}


def _answers(
    world: World, api: Api, method: str, path: str, signed: Iterable[Signed], clinic: str = "north"
) -> Iterator[httpx.Response]:
    """What a route answers each caller; what one of them may have used up is there again for the next."""
    things = Things(world, path, clinic)
    for who in signed:
        answer = who.ask(api, method, things.address, **things.said)
        if method != "GET" and answer.status_code < 400:
            things = Things(world, path, clinic)
        yield answer


def test_every_route_answers_every_role_as_reviewed(walked: dict[tuple[str, str], list[httpx.Response]]) -> None:
    rows = [["route", *CALLERS]]
    for (method, path), answers in walked.items():
        rows.append([f"{method} {path}", *(str(answer.status_code) for answer in answers)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / REVIEWED.name).write_text(table)
    assert table == REVIEWED.read_text(), f"review build/{REVIEWED.name}, then copy it to {REVIEWED}"


def test_every_route_has_something_for_somebody(walked: dict[tuple[str, str], list[httpx.Response]]) -> None:
    """Or its line would be the same whoever asked, and prove nothing."""
    for_nobody = {
        f"{method} {path}" for (method, path), answers in walked.items()
        if {answer.status_code for answer in answers} <= {401, 404}
    }  # fmt: skip
    assert for_nobody == FOR_NOBODY


def test_every_role_is_a_column() -> None:
    assert set(Role) <= set(CALLERS)


def test_what_is_not_public_is_denied_by_default(world: World, api: Api, signed: dict[str, Signed]) -> None:
    closed = [(method, path) for method, path in routes(api) if path not in PUBLIC]
    assert len(closed) > 15
    for method, path in closed:
        callers = [signed["nobody"], *([] if path in OF_ANY_ACCOUNT else [signed["roleless"]])]
        found = [answer.status_code for answer in _answers(world, api, method, path, callers)]
        assert found == [401, 404][: len(callers)], (method, path)


@pytest.mark.check(2)
def test_nothing_fails_and_who_has_no_clinic_sees_nobody(walked: dict[tuple[str, str], list[httpx.Response]]) -> None:
    for route, answers in walked.items():
        of = dict(zip(CALLERS, answers, strict=True))
        assert [column for column, answer in of.items() if answer.status_code >= 500] == [], route
        assert not [column for column in ("nobody", "roleless") if of_a_patient(told(of[column]))], route


@pytest.mark.check(10)
def test_no_id_that_one_clinic_is_shown_is_shown_to_the_other(fresh: World, running: Api) -> None:
    """By any route that is read, of a patient of both."""
    accounts.add_user(fresh.server, "staff.south", "Staff", Role.CLINIC_STAFF, "south", access_world.PASSWORD)
    north, south = (_ids_shown(fresh, running, clinic) for clinic in ("north", "south"))
    assert north & south == set() and min(len(north), len(south)) > 30
    assert {str(fresh.patients["north", FINCH])} < north and {str(fresh.patients["south", FINCH])} < south


def _ids_shown(world: World, api: Api, clinic: str) -> set[str]:
    """Ids in what a clinic's people and systems are answered; the patient is Finch."""
    world.things = {"": {"patient": world.patients[clinic, FINCH]}}
    reads = {path: filled(world, path, clinic) for method, path in routes(api) if method == "GET"}
    for_programs = [address for path, address in reads.items() if path.startswith(FOR_PROGRAMS)]
    callers = [f"{role}.{clinic}" for role in ("staff", "specialist", "manager")]
    asked = dict.fromkeys(callers, reads.values()) | dict.fromkeys(
        (f"key:{clinic}.contact", f"key:{clinic}.bookings"), for_programs
    )
    found = set[str]()
    for login, addresses in asked.items():
        who = signed_in(world, api, login)
        found |= {each for address in addresses for each in ID.findall(told(who.ask(api, "GET", address)))}
    return found


@pytest.mark.check(9)
def test_no_role_of_one_clinic_reaches_a_route_of_the_other(world: World, api: Api, signed: dict[str, Signed]) -> None:
    at_a_clinic = [(method, path) for method, path in routes(api) if "{clinic}" in path]
    assert len(at_a_clinic) >= 6
    for method, path in at_a_clinic:
        answers = _answers(world, api, method, path, signed.values(), "south")
        for column, answer in zip(signed, answers, strict=True):
            # Pages that are nobody's own stay an admin's while they act as somebody.
            acting = column == "impersonated" and not path.startswith(FOR_PROGRAMS)
            admins = OF_THE_PLATFORM.fullmatch(path) and (column == Role.PLATFORM_ADMIN or acting)
            if not (admins or (path in OPEN_TO_PEOPLE and column in PEOPLE)):
                assert answer.status_code in (401, 404), (method, path, column)


@pytest.mark.check(21)
def test_every_denied_read_of_the_matrix_is_recorded(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers = access_world.sign_in(api, "roleless")
        gets = [
            path for method, path in routes(api) if method == "GET" and "{" in path and path.startswith(FOR_PROGRAMS)
        ]
        answers = [api.get(filled(fresh, path), headers=headers) for path in gets]
        denied = [answer for answer in answers if answer.status_code == 404]
        found = fresh.look("select count(*) from audit.access_event where decision = 'deny'")
        assert len(denied) >= 6 and found == [(len(denied),)]


@pytest.mark.check(21)
def test_every_answer_has_its_event_and_every_patient_in_it_a_row(
    world: World, walked: dict[tuple[str, str], list[httpx.Response]]
) -> None:
    """Under the request's id; what broke a rule before anybody was asked, or came without credentials, is none."""
    events, disclosed = logged(world)
    patients = {str(patient): str(patient) for patient in world.patients.values()}
    # A name alone is a disclosure as well.
    patients |= {name: str(patient) for (clinic, name), patient in world.patients.items() if clinic == "north"}
    named = 0
    for (method, path), answers in walked.items():
        nothing_asked = path in PUBLIC | OF_ANY_ACCOUNT
        for column, answer in zip(CALLERS, answers, strict=True):
            request = answer.headers["x-request-id"]
            if not nothing_asked and answer.status_code not in (401, 403, 405, 409, 422):
                assert events.get(request), (method, path, column)
            assert events.get(request, set()) <= VOCABULARY, (method, path)
            # People see themselves and whom they guard; auditors the ids that the log has rows of already.
            if column in PEOPLE or path.startswith(("/v1/me", "/me", "/v1/audit", "/audit", "/fhir/AuditEvent")):
                continue
            shown = {patient for text, patient in patients.items() if text in told(answer)}
            assert shown <= disclosed.get(request, set()), (method, path, column)
            named += bool(shown)
    assert named >= 8


@pytest.mark.check(29)
@pytest.mark.check(51)
def test_no_valueof_a_patient_is_in_any_error_log_or_record_of_the_walk(
    world: World, walked: dict[tuple[str, str], list[httpx.Response]]
) -> None:
    errors = [answer for answers in walked.values() for answer in answers if answer.status_code >= 400]
    server_log = (world.server.secrets_folder.parent / "postgres.log").read_text()
    written = LOG.getvalue()
    assert len(errors) > 500 and written.count('"event": "request"') > 1_000
    # A page that says what is wrong with a form shows besides what its visitor may see.
    told = {(answer.status_code, answer.request.url.path) for answer in errors if of_a_patient(answer.text)}
    assert {one for one in told if one[0] not in (409, 422) or one[1].startswith(FOR_PROGRAMS)} == set()
    assert not of_a_patient(written) and not of_a_patient(server_log)
    tables = world.look(
        "select oid::regclass::text from pg_class where relkind in ('r', 'p')"
        " and relnamespace in ('audit'::regnamespace, 'pipeline'::regnamespace)"
    )
    assert len(tables) > 10
    for (table,) in tables:
        assert [row for (row,) in world.look(f"select t::text from {table} as t") if of_a_patient(row)] == [], table
