"""Two clinics whose patient ids collide: they stay different people, and nothing of one shows at the other."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import access_world
import psycopg
import pytest
from access_world import PASSWORD, Api
from fastapi.routing import iter_route_contexts

from api import accounts
from infra.database import Server, clinic_transaction, connect, connect_admin, set_context
from infra.provisioner import Clinic, add_clinics
from infra.roles import ClinicKind, Login
from infra.segments import add_segments
from policies.segments.definition import parse_segments
from policies.words import Role
from tests.integration.importing import bring, evaluate

APPOINTMENTS = {"clinic_a": 13_631, "clinic_b": 10_160}


@pytest.fixture(scope="module")
def both(module_server: Server, data: Path) -> Server:
    folder = data / "two_clinics"
    add_clinics(module_server, [Clinic("clinic_a", "A"), Clinic("clinic_b", "B")], requested_by="tests")
    for slug in ("clinic_a", "clinic_b"):
        files = folder / slug / "patients.csv.gz", folder / slug / "appointments.csv.gz"
        bring(module_server, "two_clinics.mapping.yml", *files, clinic=slug)
    evaluate(module_server, "noshow.rules.json", date(2024, 6, 30), ["clinic_a", "clinic_b"])
    return module_server


def test_colliding_ids_stay_different_people(both: Server) -> None:
    with connect(Login.PIPELINE, at=both) as connection:
        seen = {}
        for slug in ("clinic_a", "clinic_b"):
            with clinic_transaction(connection, both.roles, slug, ClinicKind.BUILDER):
                seen[slug] = {
                    external: (patient, name)
                    for external, patient, name in connection.execute(
                        "select external_id, patient_id, name from raw_patients"
                    )
                }
    shared = seen["clinic_a"].keys() & seen["clinic_b"].keys()
    assert len(shared) > 4000
    assert not {p for p, _ in seen["clinic_a"].values()} & {p for p, _ in seen["clinic_b"].values()}
    different = [number for number in shared if seen["clinic_a"][number][1] != seen["clinic_b"][number][1]]
    assert len(different) > len(shared) * 0.9


def test_each_mart_holds_its_own_appointments_alone(both: Server, data: Path) -> None:
    with connect(Login.PIPELINE, at=both) as connection:
        for slug, count in APPOINTMENTS.items():
            with clinic_transaction(connection, both.roles, slug, ClinicKind.BUILDER):
                assert connection.execute("select count(*) from raw_appointments").fetchone() == (count,)


@pytest.mark.check(1)
@pytest.mark.parametrize("kind", [ClinicKind.BUILDER, ClinicKind.READER])
def test_nothing_of_b_is_visible_under_as_roles(both: Server, kind: ClinicKind) -> None:
    login = Login.PIPELINE if kind is ClinicKind.BUILDER else Login.SERVICE
    with connect(login, at=both) as connection:
        with clinic_transaction(connection, both.roles, "clinic_a", kind):
            for statement in (
                "select distinct clinic_id from operational.registration",
                "select distinct clinic_id from operational.appointment",
                "select distinct clinic_id from operational.consent_event",
                "select distinct clinic_id from operational.clinic",
            ):
                assert _seen(connection, statement) <= {_clinic_id(both, "clinic_a")}, statement
        for statement in (
            "select 1 from clinic_clinic_b.raw_patients",
            "select 1 from clinic_clinic_b.segment_member",
            "insert into clinic_clinic_b.segment_member select * from segment_member",
        ):
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                clinic_transaction(connection, both.roles, "clinic_a", kind),
            ):
                connection.execute(statement)  # type: ignore[call-overload]


@pytest.mark.check(2)
@pytest.mark.parametrize("login", [Login.SERVICE, Login.IMPORTER])
def test_without_a_clinic_there_is_nothing(both: Server, login: Login) -> None:
    with connect(login, at=both) as connection, connection.transaction():
        set_context(connection)
        for table in ("registration", "appointment", "consent", "consent_event", "form", "adherence"):
            count = connection.execute(f"select count(*) from operational.{table}").fetchone()  # type: ignore[call-overload]
            assert count == (0,), table


OWN_SEGMENT = '[{"slug": "only-at-b", "name": "B", "rule": {"measure": "age", "op": ">", "value": 65}}]'
EVERYWHERE = "over-65-with-a-no-show"
POSITIONS = {"cursor", "after"}


@pytest.fixture(scope="module")
def api(both: Server) -> Iterator[Api]:
    add_segments(both, ["clinic_b"], parse_segments(OWN_SEGMENT))
    for slug in ("clinic_a", "clinic_b"):
        accounts.add_user(both, f"manager.{slug}", slug, Role.CLINIC_MANAGER, slug, PASSWORD)
    with access_world.client(both) as running:
        yield running


def clinic_routes(api: Api) -> list[str]:
    """Every path that can be read and takes a clinic: in the path, or in the query."""
    paths = {c.path for c in iter_route_contexts(api.app.routes) if "GET" in (c.methods or ())}
    return sorted(
        [path for path in paths if "{clinic}" in path]
        + [path + "?clinic={clinic}" for path in paths & {"/audit", "/v1/audit/events"}]
    )


def positions(api: Api) -> dict[str, set[str]]:
    """By which parameters a route of the API goes on from some place; a page leaves out what it does not have."""
    paths = api.get("/v1/openapi.json").json()["paths"]
    named = {
        path: {each["name"] for each in told["get"].get("parameters", [])}
        for path, told in paths.items()
        if "get" in told
    }
    return defaultdict(lambda: POSITIONS, {path: names & POSITIONS for path, names in named.items()})


@pytest.mark.check(6)
def test_by_any_route_b_is_as_good_as_made_up_to_as_manager(api: Api) -> None:
    b = access_world.sign_in(api, "manager.clinic_b")
    members = f"/v1/clinics/clinic_b/segments/{EVERYWHERE}/members"
    page = api.get(members, headers=b, params={"limit": 1}).json()
    cursor, patient = page["next"], page["members"][0]["patient_id"]
    assert cursor
    a = access_world.sign_in(api, "manager.clinic_a")
    own_patient = api.get(members.replace("clinic_b", "clinic_a"), headers=a).json()["members"][0]["patient_id"]
    _sign_in_to_pages(api, "manager.clinic_a")
    routes = clinic_routes(api)
    assert len(routes) >= 14
    things = defaultdict(lambda: patient, template="pain", appointment=_an_appointment(api))
    goes_on_by = positions(api)

    def ask(route: str, clinic: str, segment: str, cursor: str) -> tuple[int, bytes]:
        path = route.format_map(things | {"clinic": clinic, "segment": segment})
        where = "&".join(f"{name}={cursor}" for name in sorted(goes_on_by[route.partition("?")[0]]))
        answer = api.get(f"{path}{'&' if '?' in path else '?'}{where}", headers=a)
        return answer.status_code, answer.content

    for route in routes:
        made_up = ask(route, "clinic_x", "nothing", "made-up")
        assert made_up[0] == 404, route
        for segment in (EVERYWHERE, "only-at-b"):
            assert ask(route, "clinic_b", segment, cursor) == made_up, route
        if "{segment}" in route and "{campaign}" not in route:
            own = api.get(route.format(clinic="clinic_a", segment=EVERYWHERE, patient=own_patient), headers=a)
            assert own.status_code == 200, route
            assert (
                ask(route, "clinic_a", "only-at-b", cursor) == ask(route, "clinic_a", "nothing", "made-up") == made_up
            )
            if not route.endswith("members.ndjson"):  # its last line is a cursor, sealed afresh each time
                assert ask(route, "clinic_a", EVERYWHERE, cursor) == ask(route, "clinic_a", EVERYWHERE, "made-up")


def _an_appointment(api: Api) -> str:
    """Of clinic B."""
    with connect_admin(api.server) as admin:
        found = admin.execute(
            "select a.appointment_id::text from operational.appointment as a"
            " inner join operational.clinic as c on c.clinic_id = a.clinic_id where c.slug = 'clinic_b' limit 1"
        ).fetchone()
    assert found
    return str(found[0])


def _sign_in_to_pages(api: Api, login: str) -> None:
    api.get("/sign-in")
    form = {"login": login, "password": PASSWORD, "form": api.cookies["cloister_form"]}
    assert api.post("/sign-in", data=form).status_code == 303


def _seen(connection: psycopg.Connection, statement: str) -> set[int]:
    """Clinic ids that a statement shows; a refusal shows none."""
    try:
        with connection.transaction():
            return {row[0] for row in connection.execute(statement)}  # type: ignore[call-overload]
    except psycopg.errors.InsufficientPrivilege:
        return set()


def _clinic_id(server: Server, slug: str) -> int:
    with connect(Login.SERVICE, at=server) as connection:
        row = connection.execute("select clinic_id from operational.clinic where slug = %s", [slug]).fetchone()
        assert row
        return int(row[0])
