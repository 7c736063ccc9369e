"""While nothing can be recorded nothing is answered and nothing is done, on every route that has something to give."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import access_world
import pytest
from access_world import World
from callers import CALLERS, everybody
from psycopg import sql
from test_routes_by_roles import OF_ANY_ACCOUNT, PUBLIC
from things import Things
from walking import REVIEWED

from infra.database import connect_admin

# What a sign-in or a look at a session leaves behind has an event of its own, or holds no patient.
OF_SIGN_INS = {"session", "principal", "api_key", "sign_in_attempt", "issuer_key"}


def given_to() -> list[tuple[str, str, str]]:
    """Method, path and a caller of each route that answers somebody well, as reviewed."""
    head, *lines = (line.split() for line in REVIEWED.read_text().splitlines())
    columns = dict(zip(head[1:], CALLERS, strict=True))
    found = []
    for method, path, *statuses in lines:
        done = "3" if method == "POST" else "2"  # a page's form leads on
        good = [column for column, status in zip(columns.values(), statuses, strict=True) if status[0] in {"2", done}]
        if good and path not in PUBLIC | OF_ANY_ACCOUNT:
            found.append((method, path, str(good[0])))
    return found


def state(world: World, but: Collection[str] = OF_SIGN_INS) -> dict[str, str]:
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
            if table not in but
        }


@contextmanager
def nothing_recorded(world: World) -> Iterator[None]:
    """Have the audit log refuse meanwhile."""
    world.change("alter table audit.access_event add constraint refuses check (false) not valid")
    try:
        yield
    finally:
        world.change("alter table audit.access_event drop constraint refuses")


@pytest.mark.check(22)
@pytest.mark.parametrize("tables", [("access_event",), ("disclosure", "disclosure_chunk")], ids=["events", "patients"])
def test_what_cannot_be_recorded_is_neither_answered_nor_done(fresh: World, tables: tuple[str, ...]) -> None:
    """Without the events nothing; without the rows of patients, nobody of a clinic."""
    with access_world.client(fresh.server) as api:
        signed = everybody(fresh, api)
        routes = [(method, Things(fresh, path), signed[column]) for method, path, column in given_to()]
        asked = [(method, things.address, things.said, who) for method, things, who in routes]
        assert len(routes) > 40
        before = state(fresh)
        for table in tables:
            fresh.change(f"alter table audit.{table} add constraint refuses check (false) not valid")
        answers = {(method, path): who.ask(api, method, path, **said) for method, path, said, who in asked}
    if "access_event" in tables:
        assert {route: a.status_code for route, a in answers.items() if a.status_code != 503} == {}
        assert [name for name, digest in state(fresh).items() if digest != before[name]] == []
    refused = [answer for answer in answers.values() if answer.status_code == 503]
    assert len(refused) > 10
    for (_, path), answer in answers.items():
        assert "Canary" not in answer.text or path.startswith(("/v1/me", "/me")), path
