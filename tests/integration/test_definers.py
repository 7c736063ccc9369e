"""What a runtime role could hang on a table of its own: nothing."""

import psycopg
import pytest

from infra.database import Server, become_clinic, clinic_transaction, connect
from infra.roles import ClinicKind, Group, Login


@pytest.mark.check(5)
def test_no_runtime_role_may_execute_a_trigger_or_definer_function(server: Server, admin: psycopg.Connection) -> None:
    runtime = [server.roles.of(role) for role in (*Login, *Group) if role not in (Login.PROVISIONER, Group.OWNER)]
    runtime += [server.roles.clinic("north", kind) for kind in ClinicKind]
    functions = admin.execute(
        "select p.oid::regprocedure::text from pg_proc as p"
        " where p.pronamespace in ('operational'::regnamespace, 'audit'::regnamespace, 'pipeline'::regnamespace)"
        " and (p.prosecdef or p.prorettype = 'trigger'::regtype)"
    ).fetchall()
    assert len(functions) >= 6
    for (name,) in functions:
        for role in runtime:
            allowed = admin.execute("select has_function_privilege(%s, %s, 'execute')", [role, name]).fetchone()
            assert allowed == (False,), (role, name)


def test_a_builder_cannot_forge_a_consent_through_a_table_of_its_own(server: Server) -> None:
    with connect(Login.PIPELINE, at=server) as connection:
        with clinic_transaction(connection, server.roles, "north", ClinicKind.BUILDER):
            connection.execute("create temp table forged (like operational.consent_event)")
        become_clinic(connection, server.roles, "north", ClinicKind.BUILDER)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "create trigger t after insert on forged referencing new table as changed"
                " for each statement execute function operational.apply_consent()"
            )
