"""While nothing can be recorded nothing is answered and nothing is done, on every route that has something to give."""

import re

import access_world
import pytest
from access_world import World
from impersonating import act_as
from psycopg import sql
from test_routes_by_roles import CALLERS, OF_ANY_ACCOUNT, PUBLIC, REVIEWED, _bearer, _session, ask, filled

from infra.database import Server, connect_admin

# What a sign-in or a look at a session leaves behind has an event of its own, or holds no patient.
OF_SIGN_INS = {"session", "principal", "api_key", "sign_in_attempt", "issuer_key"}


def given_to() -> list[tuple[str, str, str]]:
    """Method, path and a caller of each route that answers somebody well, as reviewed."""
    head, *lines = (line.split() for line in REVIEWED.read_text().splitlines())
    columns = dict(zip(head[1:], CALLERS, strict=True))
    found = []
    for method, path, *statuses in lines:
        good = [column for column, status in zip(columns.values(), statuses, strict=True) if status[0] == "2"]
        if good and path not in PUBLIC | OF_ANY_ACCOUNT:
            found.append((method, path, str(good[0])))
    return found


def state(world: World) -> dict[str, str]:
    """A digest of every table of the operational zone and the clinics' marts, but those of sign-ins."""
    with connect_admin(world.server) as admin:
        tables = admin.execute(
            "select n.nspname, c.relname from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname in ('operational', 'clinic_north', 'clinic_south') and c.relkind = 'r'"
        ).fetchall()
        digest = "select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {} as t"
        return {
            f"{zone}.{table}": admin.execute(sql.SQL(digest).format(sql.Identifier(zone, table))).fetchone()[0]  # type: ignore[index]
            for zone, table in tables
            if table not in OF_SIGN_INS
        }


def address(world: World, route: str, caller: str) -> str:
    """A route's, of things that are there; an admin who acts as two says in it as whom."""
    as_whom = f"/as/{world.impersonation}" if caller == "platform_admin" and re.match("/me(/|$)", route) else ""
    return as_whom + filled(world, route)


@pytest.mark.check(22)
@pytest.mark.parametrize("tables", [("access_event",), ("disclosure", "disclosure_chunk")], ids=["events", "patients"])
def test_what_cannot_be_recorded_is_neither_answered_nor_done(server: Server, tables: tuple[str, ...]) -> None:
    """Without the events nothing; without the rows of patients, nobody of a clinic."""
    world = access_world.build(server)
    with access_world.client(server) as api:
        world.impersonation = act_as(api, "wren")[0]
        headers = {c: (_bearer(world, api, login), _session(world, api, login)) for c, login in CALLERS.items()}
        routes = given_to()
        assert len(routes) > 40
        before = state(world)
        for table in tables:
            world.change(f"alter table audit.{table} add constraint refuses check (false) not valid")
        answers = {route: ask(api, route[0], address(world, *route[1:]), headers[route[2]]) for route in routes}
    if "access_event" in tables:
        assert {route: a.status_code for route, a in answers.items() if a.status_code != 503} == {}
        assert [name for name, digest in state(world).items() if digest != before[name]] == []
    refused = [answer for answer in answers.values() if answer.status_code == 503]
    assert len(refused) > 10
    for (_, path, _), answer in answers.items():
        assert "Canary" not in answer.text or path.startswith(("/v1/me", "/me")), path
