"""The roles of an instance: who they are, what each may become, and which database they may enter.

`provisioner.py` has them made; what they may do with tables stands in the migrations.
"""

import psycopg
from psycopg import sql

from infra.database import Server
from infra.roles import ClinicKind, Group, Login

# Longer than any statement of a load or a build takes; whoever answers people sets far less (`api/database.py`).
LONGEST_STATEMENT = "1h"


def ensure_roles(admin: psycopg.Connection, at: Server) -> None:
    """Make the logins and groups of the platform, with their passwords and memberships."""
    for group in Group:
        _ensure_role(admin, at.roles.of(group), "nologin")
    for login in Login:
        _ensure_role(admin, at.roles.of(login), "login noinherit")
        # The verifier and not the password: a server may log its statements.
        name, secret = at.roles.of(login), at.password(login)
        verifier = admin.pgconn.encrypt_password(secret.encode(), name.encode(), b"scram-sha-256").decode()
        admin.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(name), sql.Literal(verifier)))
        longest = sql.Literal(LONGEST_STATEMENT)
        admin.execute(sql.SQL("alter role {} set statement_timeout = {}").format(sql.Identifier(name), longest))
    named = {role: sql.Identifier(at.roles.of(role)) for role in (*Login, *Group)}
    for statement in (
        sql.SQL("alter role {} createrole").format(named[Login.PROVISIONER]),
        sql.SQL("grant {} to {} with inherit false, set true").format(named[Group.OWNER], named[Login.PROVISIONER]),
        sql.SQL("grant {}, {}, {} to {} with admin true, inherit false, set false").format(
            named[Group.BUILDERS], named[Group.READERS], named[Group.TELLERS], named[Login.PROVISIONER]
        ),
        sql.SQL("grant {}, {}, {} to {} with inherit false, set true").format(
            named[Group.AUDITOR], named[Group.VIEWER], named[Group.FAMILY], named[Login.SERVICE]
        ),
    ):
        admin.execute(statement)
    grant_database(admin, at)


def grant_database(admin: psycopg.Connection, at: Server) -> None:
    """Who may connect to this database, make schemas in it, or temporary tables."""
    database = sql.Identifier(admin.info.dbname)
    name = {role: sql.Identifier(at.roles.of(role)) for role in (*Login, *Group)}
    for statement in (
        sql.SQL("revoke all on database {} from public").format(database),
        sql.SQL("grant create on database {} to {}").format(database, name[Group.OWNER]),
        sql.SQL("grant connect on database {} to {}").format(
            database, sql.SQL(", ").join(name[login] for login in Login)
        ),
        sql.SQL("grant temporary on database {} to {}, {}, {}").format(
            database, name[Login.IMPORTER], name[Login.PIPELINE], name[Group.BUILDERS]
        ),
    ):
        admin.execute(statement)


def _ensure_role(connection: psycopg.Connection, name: str, options: str) -> None:
    if connection.execute("select 1 from pg_roles where rolname = %s", [name]).fetchone():
        return
    connection.execute(
        sql.SQL("create role {} " + options + " nosuperuser nobypassrls nocreatedb").format(sql.Identifier(name))
    )


def ensure_clinic_roles(connection: psycopg.Connection, at: Server, identifiers: dict[str, str]) -> None:
    """Make a clinic's roles: logins without a password, since a cluster's nodes connect as them."""
    connection.execute("reset role")
    try:
        for kind, group, login in (
            (ClinicKind.BUILDER, Group.BUILDERS, Login.PIPELINE),
            (ClinicKind.READER, Group.READERS, Login.SERVICE),
            (ClinicKind.TELLER, Group.TELLERS, Login.COURIER),
        ):
            name, role, becomes = (
                sql.Identifier(each) for each in (at.roles.of(group), identifiers[kind], at.roles.of(login))
            )
            _ensure_role(connection, identifiers[kind], "login inherit")
            connection.execute(sql.SQL("grant {} to {} with inherit true, set false").format(name, role))
            connection.execute(sql.SQL("grant {} to {} with inherit false, set true").format(role, becomes))
        _end_memberships(connection, identifiers["reader"], at.roles.of(Login.COURIER))
    finally:
        connection.execute(sql.SQL("set role {}").format(sql.Identifier(at.roles.of(Group.OWNER))))


def _end_memberships(connection: psycopg.Connection, role: str, member: str) -> None:
    """Take back what an earlier release has granted."""
    found = connection.execute(
        "select from pg_auth_members as m inner join pg_roles as r on r.oid = m.roleid"
        " inner join pg_roles as u on u.oid = m.member where r.rolname = %s and u.rolname = %s",
        [role, member],
    )
    if found.fetchone() is not None:
        connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(role), sql.Identifier(member)))
