"""Every role of the catalogue, working for one clinic: what it reaches of another's rows, by table and verb.

Those that a clinic's requests run under reach none. Who serves every clinic at once is named, with all that it reaches.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from access_world import World
from provisional import book
from psycopg import sql
from things import Things

from infra.database import connect_admin, set_clinics, set_context
from infra.roles import Group, Login

Rows = dict[str, dict[str, object]]
Granted = dict[tuple[str, str], list[str]]
# What a role reaches of a clinic that it does not work for, and why. Senders: see `test_senders_see_little.py`.
EVERY_CLINIC = {
    # Who signs in, and with which key, is looked up before a clinic is known; so is whose code it is that comes back.
    "service": {
        **{verb: {"api_key", "principal_role", "verification"} for verb in ("select", "insert", "update")},
        "move": {"api_key", "principal_role"},
    },
    # The queue of all clinics, from which a worker learns whose changes wait.
    "pipeline": {"select": {"outbox"}},
    # What was brought is sealed under a person's key, which is turned.
    "rotator": {"select": {"brought_record"}, "update": {"brought_record"}},
    "messenger": {
        "select": {"campaign", "consent", "message", "message_refusal", "profile_tombstone", "registration"},
        "insert": {"message"}, "update": {"message"}, "move": {"message"},
    },
    "courier": {
        "select": {"principal_role", "webhook_delivery", "webhook_endpoint"},
        "insert": {"webhook_delivery"}, "update": {"webhook_delivery", "webhook_endpoint"},
        "move": {"webhook_delivery"},
    },
}  # fmt: skip
STATEMENTS = {
    "select": "select from {0} where clinic_id = %(south)s",
    "insert": "insert into {0} ({1}) overriding system value select {1} from jsonb_populate_record(null::{0}, %(row)s)",
    "update": "update {0} set {2} = {2} where clinic_id = %(south)s",
    "move": "update {0} set clinic_id = %(south)s where clinic_id = %(north)s",
    "delete": "delete from {0} where clinic_id = %(south)s",
}


@pytest.fixture(scope="module")
def of_south(world: World) -> Rows:
    """A row of south of every table of the operational zone with a clinic."""
    assert Things(world, "", "south")["legal_guardian"] and book(world, "south").verification
    found = {}
    for (table,) in world.look(
        "select c.relname::text from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid"
        " where c.relnamespace = 'operational'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'clinic_id'"
    ):
        rows = world.look(
            f"select to_jsonb(t) from operational.{table} as t where clinic_id = %s limit 1", world.clinic_ids["south"]
        )
        assert rows, f"{table} has no row of south: the test would prove nothing"
        found[table] = rows[0][0]
    return found


@contextmanager
def working_for_north(world: World, role: str) -> Iterator[psycopg.Connection]:
    """A transaction of that role, whether or not it may sign in."""
    with connect_admin(world.server) as connection, connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("set local session authorization {}").format(sql.Identifier(role)))
        set_context(connection, clinic_id=world.clinic_ids["north"])
        set_clinics(connection, [world.clinic_ids["north"]])
        yield connection


def granted(world: World, role: str) -> Granted:
    """The columns that a role may use, by verb and table."""
    rows = world.look(
        "select verb, c.relname::text, array_agg(attname::text) from pg_attribute as a"
        " inner join pg_class as c on c.oid = a.attrelid, unnest(array['select', 'insert', 'update']) as verb"
        " where c.relnamespace = 'operational'::regnamespace and attnum > 0 and not attisdropped and attgenerated = ''"
        " and has_column_privilege(%s, c.oid, attnum, verb) group by 1, 2", role,
    )  # fmt: skip
    return {(verb, table): columns for verb, table, columns in rows}


def reaches(
    world: World, connection: psycopg.Connection, verb: str, table: str, row: dict[str, object], columns: list[str]
) -> bool:
    """Whether a role gets at a row of south by the columns that it may use.

    A row that is there already, or that a constraint or trigger has more to say of, went past row security.
    """
    if not columns or (verb == "move" and "clinic_id" not in columns):
        return False
    names = [sql.Identifier(name) for name in columns]
    query = sql.SQL(STATEMENTS[verb]).format(sql.Identifier("operational", table), sql.SQL(", ").join(names), names[-1])
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(query, {**world.clinic_ids, "row": json.dumps(row)}).rowcount > 0
    except psycopg.errors.InsufficientPrivilege:
        return False
    except (psycopg.IntegrityError, psycopg.errors.RaiseException):
        return True


@pytest.mark.check(1)
def test_what_every_role_reaches_of_another_clinic_is_known(world: World, of_south: Rows) -> None:
    assert len(of_south) > 35
    prefix, found = f"{world.server.roles.prefix}_", dict[str, dict[str, set[str]]]()
    for (role,) in world.look("select rolname::text from pg_roles where starts_with(rolname, %s)", prefix):
        name, may = role.removeprefix(prefix), granted(world, role)
        if name in (Group.OWNER, Login.PROVISIONER) or name.startswith("clinic_south_"):
            continue
        with working_for_north(world, role) as connection:
            for verb in STATEMENTS:
                needs = {"move": "update", "delete": "select"}.get(verb, verb)
                reached = {
                    table for table, row in of_south.items() if table != "clinic"
                    and reaches(world, connection, verb, table, row, may.get((needs, table), []))
                }  # fmt: skip
                if reached:
                    found.setdefault(name, {})[verb] = reached
    assert found == EVERY_CLINIC
