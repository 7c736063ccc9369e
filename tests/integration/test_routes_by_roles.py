"""Every route × every kind of caller: the status that each gets, as reviewed in routes_by_roles.txt.

Routes come from the application and callers from the roles: a new one without a line in the file
fails. The fresh table lies in build/routes_by_roles.txt; whoever changes the file reviews it.
"""

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stderr
from uuid import UUID

import access_world
import httpx
import pytest
from access_world import FINCH, HERON, Api, World
from fastapi.routing import iter_route_contexts
from impersonating import act_as
from pages_of import browser_sign_in, send
from walking import REVIEWED, VOCABULARY, logged, of_a_patient, told

from infra.database import Server
from policies.words import Role
from tests.conftest import ROOT
from tests.integration.sealing import seal_all

# Asked with a token; pages with a session.
FOR_PROGRAMS = ("/v1/", "/fhir/")
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
    "/v1/segments/schema", "/v1/segments/measures", "/v1/segments/templates",
    # Of no account: the operator's monitoring comes with a secret, for counts alone.
    "/metrics",
}  # fmt: skip
# Patients and guardians may book at a clinic that is new to them, and sign and revoke at each of theirs.
OPEN_TO_PEOPLE = {
    "/v1/clinics/{clinic}/services", "/v1/clinics/{clinic}/bookings", "/book/{clinic}", "/me/book/{clinic}",
    "/clinics/{clinic}/book",
    "/me/dependents/{dependent}/book/{clinic}", "/me/consents/{clinic}/{purpose}",
}  # fmt: skip
PEOPLE = {Role.PATIENT, Role.GUARDIAN}
# Who runs the platform sees what a clinic offers and asks, its keys, why imports failed, and records legal guardians.
OF_THE_PLATFORM = re.compile(
    r"(/v1)?/clinics/\{clinic\}/(settings|templates|forms|new-form|api-keys|keys|quarantine|legal-guardians|patients/\{patient\}/legal-guardians)\b.*"
)
# Column → how the caller signs in. Each role of the platform has one.
CALLERS: dict[str, str | None] = {
    "nobody": None,
    "roleless": "roleless",
    Role.CLINIC_STAFF: "staff.north",
    Role.SPECIALIST: "specialist.north",
    Role.CLINIC_MANAGER: "manager.north",
    Role.CLINIC_AUDITOR: "auditor.north",
    Role.PLATFORM_AUDITOR: "auditor",
    Role.PLATFORM_ADMIN: "admin",
    Role.PATIENT: "wren",
    Role.GUARDIAN: "finch",
    Role.AUTOMATION_SYSTEM: "key:north",
    # An admin who acts as Finch, patient and guardian.
    "impersonated": "acting:finch",
}
Credentials = dict[str, httpx.Headers]
# What was logged while every route was asked.
LOG = io.StringIO()


@pytest.fixture(scope="module")
def signed_in(world: World, api: Api) -> dict[str, tuple[httpx.Headers, httpx.Headers]]:
    """Headers of each caller, for the API and for the pages; and an impersonation that may be ended."""
    world.impersonation = act_as(api, "wren")[0]
    seal_all(world.server)  # or there would be no checkpoint
    return {column: (_bearer(world, api, login), _session(world, api, login)) for column, login in CALLERS.items()}


def _bearer(world: World, api: Api, login: str | None) -> httpx.Headers:
    if login is None:
        return httpx.Headers()
    if login.startswith("key:"):
        return httpx.Headers({"Authorization": f"Bearer {world.keys[login.removeprefix('key:')]}"})
    if login.startswith("acting:"):
        return httpx.Headers(act_as(api, login.removeprefix("acting:"))[1])
    return httpx.Headers(access_world.sign_in(api, login))


def _session(world: World, api: Api, login: str | None) -> httpx.Headers:
    if login is None or ":" in login:
        return httpx.Headers()
    api.cookies.clear()
    cookie = browser_sign_in(api, login)
    if login in access_world.WITH_CODE:
        send(api, "/sign-in/code", "/sign-in/code", code=access_world.fresh_code(world.server, login))
        cookie = api.cookies["cloister_session"]
    api.cookies.clear()
    return httpx.Headers({"Cookie": f"cloister_session={cookie}"})


def routes(api: Api) -> Iterator[tuple[str, str]]:
    """Method and path of every route of the application."""
    for context in iter_route_contexts(api.app.routes):
        for method in sorted(context.methods or {"GET"}):
            if method != "HEAD":
                yield method, context.path or ""


def filled(world: World, path: str, clinic: str = "north") -> str:
    """A path with things that are there; a parameter that this does not know fails."""
    patient = world.patients[clinic, FINCH if clinic == "north" else HERON]
    named: dict[str, object] = {
        "clinic": clinic,
        "segment": "everybody",
        "segment_template": "over-65-low-adherence",
        "patient": patient,
        "dependent": world.guardianship,
        "appointment": world.appointments[clinic],
        "impersonation": world.impersonation,
        "case": world.cases[clinic],
        "verification": UUID(int=0),
        "token": "made-up",
        "campaign": world.campaigns[clinic],
        "invitation": UUID(int=0),
        "legal_guardian": UUID(int=0),
        "message": UUID(int=0),
        "template": "pain",
        "form": world.items[clinic, "form"],
        "plan": world.items[clinic, "plan"],
        "handover": world.items[clinic, "handover"],
        "exercise": world.items[clinic, "exercise"],
        "day": "2026-01-01",
        "guardianship": world.guardianship,
        "consent": f"{patient}.profile-sharing",
        "kind": "registration",
        "event": UUID(int=0),
        "batch": UUID(int=0),
        "purpose": "communications",
        "record": patient,
        "entry": UUID(int=0),
        "webhook": world.webhooks[clinic],
        "delivery": world.deliveries[clinic],
        "account": world.account,
        "step": "enable" if "{account}" in path else "complete",
        "key": world.keys[f"{clinic}.bookings"].split("_")[1],
        "offered": "visit",
    }
    found = path.format(**named | world.under(path))
    return f"{found}?patient={patient}" if path == "/fhir/Consent" else found


def ask(api: Api, method: str, path: str, headers: tuple[httpx.Headers, httpx.Headers]) -> httpx.Response:
    api.cookies.clear()
    return api.request(method, path, headers=headers[0 if path.startswith(FOR_PROGRAMS) else 1])


def status(api: Api, method: str, path: str, headers: tuple[httpx.Headers, httpx.Headers]) -> int:
    return ask(api, method, path, headers).status_code


@pytest.fixture(scope="module")
def walked(
    world: World, api: Api, signed_in: dict[str, tuple[httpx.Headers, httpx.Headers]]
) -> dict[tuple[str, str], list[httpx.Response]]:
    """What every route answers every caller."""
    ordered = sorted(routes(api), key=lambda route: (route[1], route[0]))
    ordered.remove(("POST", "/sign-out"))  # it would end the session
    with redirect_stderr(LOG), access_world.logging():
        return {
            (method, path): [ask(api, method, filled(world, path), headers) for headers in signed_in.values()]
            for method, path in ordered
        }


def test_every_route_answers_every_role_as_reviewed(walked: dict[tuple[str, str], list[httpx.Response]]) -> None:
    rows = [["route", *CALLERS]]
    for (method, path), answers in walked.items():
        rows.append([f"{method} {path}", *(str(answer.status_code) for answer in answers)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows) + "\n"
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / REVIEWED.name).write_text(table)
    assert table == REVIEWED.read_text(), f"review build/{REVIEWED.name}, then copy it to {REVIEWED}"


def test_every_role_is_a_column() -> None:
    assert set(Role) <= set(CALLERS)


def test_what_is_not_public_is_denied_by_default(
    world: World, api: Api, signed_in: dict[str, tuple[httpx.Headers, httpx.Headers]]
) -> None:
    closed = [(method, path) for method, path in routes(api) if path not in PUBLIC]
    assert len(closed) > 15
    for method, path in closed:
        assert status(api, method, filled(world, path), signed_in["nobody"]) == 401, (method, path)
        if path not in OF_ANY_ACCOUNT:
            assert status(api, method, filled(world, path), signed_in["roleless"]) == 404, (method, path)


@pytest.mark.check(9)
def test_no_role_of_one_clinic_reaches_a_route_of_the_other(
    world: World, api: Api, signed_in: dict[str, tuple[httpx.Headers, httpx.Headers]]
) -> None:
    at_a_clinic = [(method, path) for method, path in routes(api) if "{clinic}" in path]
    assert len(at_a_clinic) >= 6
    for method, path in at_a_clinic:
        for column, headers in signed_in.items():
            admins = OF_THE_PLATFORM.fullmatch(path) and column == Role.PLATFORM_ADMIN
            if not (admins or (path in OPEN_TO_PEOPLE and column in PEOPLE)):
                found = status(api, method, filled(world, path, "south"), headers)
                assert found in (401, 404), (method, path, column)


@pytest.mark.check(21)
def test_every_denied_read_of_the_matrix_is_recorded(server: Server) -> None:
    world = access_world.build(server)
    with access_world.client(server) as api:
        headers = _bearer(world, api, "roleless")
        gets = [
            path for method, path in routes(api) if method == "GET" and "{" in path and path.startswith(FOR_PROGRAMS)
        ]
        answers = [api.get(filled(world, path), headers=headers) for path in gets]
        denied = [answer for answer in answers if answer.status_code == 404]
        found = world.look("select count(*) from audit.access_event where decision = 'deny'")
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
        # Whoever sends another page's form has asked for nothing.
        nothing_asked = path in PUBLIC | OF_ANY_ACCOUNT or (method == "POST" and not path.startswith(FOR_PROGRAMS))
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
    # A page that says what went wrong shows besides what its visitor may see.
    told = [answer.request.url.path for answer in errors if of_a_patient(answer.text)]
    assert [path for path in told if not path.startswith(("/agenda/", "/me/"))] == []
    assert not of_a_patient(written) and not of_a_patient(server_log)
    tables = world.look(
        "select oid::regclass::text from pg_class where relkind in ('r', 'p')"
        " and relnamespace in ('audit'::regnamespace, 'pipeline'::regnamespace)"
    )
    assert len(tables) > 10
    for (table,) in tables:
        assert [row for (row,) in world.look(f"select t::text from {table} as t") if of_a_patient(row)] == [], table
