"""What the database itself holds of impersonation, whoever asks it past the API."""

from typing import Any
from uuid import UUID, uuid4

import access_world
import psycopg
import pytest
from access_world import FINCH, WREN, World
from impersonating import account, act_as
from psycopg import sql

from infra.database import connect, set_context
from infra.roles import Group, Login

DENIED = psycopg.errors.InsufficientPrivilege
ROW = """
insert into operational.impersonation
    (impersonation_id, actor_id, subject_id, person_id, reason, ticket, starts_at, ends_at)
values (%s, %s, %s, %s, %s, %s, now(), now() + %s::interval)"""


@pytest.fixture
def live(fresh: World) -> UUID:
    with access_world.client(fresh.server) as api:
        return UUID(act_as(api, "wren")[0])


def write_event(world: World, impersonation: UUID, actor: UUID, acting_for: UUID | None, login: Login) -> None:
    with connect(login, at=world.server) as connection:
        connection.execute(
            "insert into audit.access_event (event_id, occurred_at, principal_id, principal_kind, role, acting_for,"
            " action, resource_type, decision, policies, impersonation_id)"
            " values (%s, statement_timestamp(), %s, 'human', 'platform_admin', %s, 'person.read', 'person', 'permit',"
            " '{}', %s)",
            [uuid4(), actor, acting_for, impersonation],
        )


@pytest.mark.check(30)
def test_no_event_acts_by_anothers_by_an_ended_or_by_no_impersonation(fresh: World, live: UUID) -> None:
    admin, wren = account(fresh, "admin"), fresh.people[WREN]
    write_event(fresh, live, admin, wren, Login.SERVICE)
    for impersonation, actor in ((uuid4(), admin), (live, account(fresh, "auditor")), (live, account(fresh, "wren"))):
        with pytest.raises(DENIED):
            write_event(fresh, impersonation, actor, wren, Login.SERVICE)
    fresh.change("update operational.impersonation set ended_at = now(), ended_by = actor_id")
    with pytest.raises(DENIED):
        write_event(fresh, live, admin, wren, Login.SERVICE)
    assert fresh.look("select action from audit.impersonation_event order by occurred_at") == [
        ("impersonation.open",), ("person.read",),
    ]  # fmt: skip


@pytest.mark.check(30)
def test_the_separate_log_is_written_by_the_main_one_alone_and_changed_by_nobody(fresh: World, live: UUID) -> None:
    forged = [uuid4(), "x", account(fresh, "admin"), account(fresh, "finch")]
    for login in (Login.SERVICE, Login.IMPORTER):
        with connect(login, at=fresh.server) as connection, pytest.raises(DENIED):
            connection.execute(
                "insert into audit.impersonation_event (event_id, occurred_at, session_id, actor_id, subject_id,"
                " action, reason) values (%s, now(), %s, %s, %s, 'x', 'fault')",
                forged,
            )
    for statement in ("delete from audit.impersonation_event", "update audit.impersonation_event set reason = 'x'"):
        with connect(Login.SERVICE, at=fresh.server) as connection, pytest.raises(DENIED):
            connection.execute(statement)  # type: ignore[arg-type]
        # Not even for whoever may do anything: the triggers stand behind the grants.
        with pytest.raises(DENIED):
            fresh.change(statement)
    assert fresh.look("select count(*) from audit.impersonation_event") == [(1,)]


@pytest.mark.check(35)
def test_an_impersonation_is_neither_deleted_nor_rewritten(fresh: World, live: UUID) -> None:
    for statement in ("delete from operational.impersonation", "truncate operational.impersonation"):
        with connect(Login.SERVICE, at=fresh.server) as connection, pytest.raises(DENIED):
            connection.execute(statement)  # type: ignore[arg-type]
        with pytest.raises(DENIED):
            fresh.change(statement)
    for column in ("actor_id", "subject_id", "person_id", "reason", "ticket", "starts_at", "ends_at"):
        rewrite = sql.SQL("update operational.impersonation set {0} = {0}").format(sql.Identifier(column))
        with connect(Login.SERVICE, at=fresh.server) as connection, pytest.raises(DENIED):
            connection.execute(rewrite)
    assert fresh.look("select impersonation_id, ended_at from operational.impersonation") == [(live, None)]


@pytest.mark.check(31)
@pytest.mark.parametrize(
    "wrong",
    [{"minutes": "61 minutes"}, {"minutes": "0 minutes"}, {"reason": ""}, {"ticket": ""}, {"ticket": "two words"},
     {"subject": "admin"}],
    ids=str,
)  # fmt: skip
def test_the_table_takes_no_long_unreasoned_or_own_impersonation(fresh: World, wrong: dict[str, Any]) -> None:
    good = {"minutes": "60 minutes", "reason": "fault", "ticket": "T-1", "subject": "wren"}

    def store(asked: dict[str, Any]) -> None:
        subject, person = account(fresh, asked["subject"]), fresh.people[WREN]
        values = [uuid4(), account(fresh, "admin"), subject, person, asked["reason"], asked["ticket"], asked["minutes"]]
        with connect(Login.SERVICE, at=fresh.server) as connection:
            connection.execute(ROW, values)

    store(good)
    with pytest.raises(psycopg.errors.CheckViolation):
        store({**good, **wrong})


@pytest.mark.check(2)
def test_the_family_sees_its_own_and_neither_actor_nor_ticket(fresh: World, live: UUID) -> None:
    def seen(name: str, columns: str) -> list[tuple[Any, ...]]:
        with connect(Login.SERVICE, at=fresh.server) as connection:
            set_context(connection, person_id=fresh.people[name])
            role = sql.Identifier(fresh.server.roles.of(Group.FAMILY))
            connection.execute(sql.SQL("set local role {}").format(role))
            return connection.execute(f"select {columns} from operational.impersonation").fetchall()  # type: ignore[arg-type]

    assert seen(WREN, "impersonation_id") == [(live,)]
    assert seen(FINCH, "impersonation_id") == []
    for column in ("actor_id", "ticket", "ended_by"):
        with pytest.raises(DENIED):
            seen(WREN, column)
