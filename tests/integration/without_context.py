"""What the service reaches in the operational zone before a clinic or a person is its context."""

import json

import psycopg
from access_world import World
from psycopg import sql

from infra.roles import Login

_READ, _ADD, _CHANGE = ("select",), ("select", "insert"), ("select", "insert", "update")
# What the service may do before a clinic or a person is known, and why: none of it is a patient's record.
WITHOUT_CONTEXT = {
    "clinic": (_READ, "which clinics there are"),
    "principal": (_CHANGE, "who signs in is found by login, before anybody is known"),
    "principal_role": (_CHANGE, "the roles of who signs in say which clinic is theirs"),
    "api_key": (_CHANGE, "a key is found by its hash"),
    "external_identity": (_CHANGE, "somebody of another issuer is found by its name for them"),
    "session": (_CHANGE, "a session is found by its hash"),
    "recovery_code": (_CHANGE, "a second factor is asked for before the session is there"),
    "password_link": (_CHANGE, "whoever has the link sets a password; it is found by its hash"),
    "verification": (_CHANGE, "whoever has the code has not signed in; contact and code are sealed"),
    "sign_in_bucket": ((*_CHANGE, "delete"), "attempts are counted of addresses, and forgotten"),
    "issuer_key": (_CHANGE, "tokens are signed and checked for everybody; the keys are sealed"),
    "impersonation": (_CHANGE, "a token's impersonation is looked up before its person is the context"),
    "data_key": (_CHANGE, "wrapped keys open nothing but what other policies guard"),
    "blind_index": (_CHANGE, "keyed digests, by which a person is found; forgotten in the person's context alone"),
    "import_batch": (_READ, "names and counts of files, for the operator's pages"),
    "demo_mail": (_READ, "the demo's mailbox, which production has none of"),
    "provision_request": (_ADD, "what the provisioner is asked to make"),
}


def attempt(connection: psycopg.Connection, query: sql.Composable, *values: object) -> int:
    """How many rows a statement reached; none if the database refused it."""
    try:
        with connection.transaction(force_rollback=True):
            return connection.execute(query, values or None).rowcount
    except psycopg.errors.InsufficientPrivilege:
        return 0


def unconditional(world: World, verb: str) -> set[str]:
    """The tables that the service may use with no condition, whether they have a row here or not."""
    rows = world.look(
        "with asked as (select %s::text as service, %s::text as verb)"
        " select p.tablename::text from pg_policies as p, asked as a"
        " where p.schemaname = 'operational' and a.service = any(p.roles) and p.cmd in ('ALL', upper(a.verb))"
        " and p.permissive = 'PERMISSIVE'"
        " and 'true' in (case when a.verb <> 'insert' then p.qual end, coalesce(p.with_check, p.qual))"
        " and case a.verb when 'delete' then has_table_privilege(a.service, p.schemaname || '.' || p.tablename, a.verb)"
        " else has_any_column_privilege(a.service, p.schemaname || '.' || p.tablename, a.verb) end"
        " and not exists (select from pg_policies as o where o.schemaname = 'operational' and o.tablename = p.tablename"
        " and o.permissive = 'RESTRICTIVE' and o.cmd in ('ALL', upper(a.verb)) and a.service = any(o.roles))",
        world.server.roles.of(Login.SERVICE), verb,
    )  # fmt: skip
    return {table for (table,) in rows}


def reaches(world: World, connection: psycopg.Connection, verb: str, table: str) -> bool:
    """Whether a statement without a condition gets past grants and policies, however it ends then."""
    service = world.server.roles.of(Login.SERVICE)
    granted = world.look(
        "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " and attgenerated = '' and has_column_privilege(%s, attrelid, attnum, %s)",
        f"operational.{table}", service, "select" if verb == "delete" else verb,
    )  # fmt: skip
    if not granted:
        return False
    row = world.look(f"select to_jsonb(t) from operational.{table} as t limit 1")
    columns = sql.SQL(", ").join(sql.Identifier(name) for (name,) in granted)
    text = {
        "select": "select from operational.{0}",
        "insert": "insert into operational.{0} ({1}) overriding system value"
        " select {1} from jsonb_populate_record(null::operational.{0}, %s)",
        "update": "update operational.{0} set {2} = default",
        "delete": "delete from operational.{0}",
    }[verb]
    query = sql.SQL(text).format(sql.Identifier(table), columns, sql.Identifier(granted[0][0]))
    values = (json.dumps(row[0][0] if row else {}),) if verb == "insert" else ()
    try:
        return attempt(connection, query, *values) > 0
    except (psycopg.errors.IntegrityError, psycopg.errors.RaiseException):
        return True
