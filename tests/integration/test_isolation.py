"""Behind every decision stands a wall: what one clinic's roles can do to the other's rows is nothing."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID, uuid4

import access_world
import psycopg
import pytest
from access_world import Api, World
from fastapi.routing import iter_route_contexts
from psycopg import sql

from infra.database import connect, connect_admin, set_clinics, set_context
from infra.roles import ClinicKind, Group, Login
from orchestration.ingest.sources import SOURCES
from tests.integration.without_context import WITHOUT_CONTEXT, attempt, reaches, unconditional

VERBS = ("select", "insert", "update", "delete")
# Who may sign in where, and which clinics there are: needed before a clinic is known; no patient data.
IDENTITY = {"clinic", "clinic_role", "principal_role", "api_key", "verification"}
# A queue, emptied by the worker; counters of attempts; digests, made anew under another key. None is a record.
EMPTIED = {"outbox", "sign_in_bucket", "blind_index"}
# What is reached before it is known for whom: accounts that sign in and act as others, codes that prove a contact,
# keys, which are wrapped, and keyed digests by which a contact is looked up. Who is new is nobody's yet: their rows can
# be put there, and over nobody else's.
NEW = {("person", "person_id"), ("profile", "person_id")}
ACCOUNTS = {("principal", "person_id"), ("impersonation", "person_id"), ("verification", "person_id")}
KEYS, DIGESTS = {("data_key", "person_id")}, {("blind_index", "person_id")}
OPEN: dict[Login | Group, dict[str, set[tuple[str, str]]]] = {
    Login.SERVICE: {
        "select": ACCOUNTS | KEYS | DIGESTS, "update": ACCOUNTS | DIGESTS,
        "insert": ACCOUNTS | KEYS | DIGESTS | NEW,
    },
    Group.FAMILY: {"select": KEYS}, Group.VIEWER: {"select": KEYS},
}  # fmt: skip
DEFINERS = {
    "note_clinical", "note_person", "note_consent", "apply_consent", "note_impersonation",
    "note_propagation", "note_lapse", "note_deletion", "limit_by_consent", "limit_by_deletion",
    "set_majority", "settle_consents", "settle_by_text", "settle_by_birth", "settle_by_clinic", "lower_majority",
    "move_clinic", "hold_registrations",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _proposed(world: World) -> None:
    """A guardian by law is proposed at each clinic."""
    for clinic, name in (("north", access_world.WREN), ("south", access_world.HERON)):
        world.change(
            "insert into operational.guardian_invitation"
            " (invitation_id, dependent_id, clinic_id, expires_at, basis, ends_on, recorded_by)"
            " select gen_random_uuid(), %s, %s, now() + interval '7 days', 'statute', current_date + 9, principal_id"
            " from operational.principal where login = 'admin'", world.people[name], world.clinic_ids[clinic],
        )  # fmt: skip


@pytest.fixture(scope="module")
def everything(world: World) -> None:
    """A row of Finch and of Heron in every table of people."""
    north, soon = world.clinic_ids["north"], datetime.now(UTC) + timedelta(minutes=5)
    finch, heron = world.people[access_world.FINCH], world.people[access_world.HERON]
    guards = {"relationship": "parent", "starts_on": "2020-01-01", "agreed": True}
    with connect_admin(world.server) as admin:
        put_in = partial(access_world.insert, admin)
        for one, other in ((finch, heron), (heron, finch)):
            account = "select principal_id from operational.principal where person_id = %s"
            ((subject,),) = admin.execute(account, [one]).fetchall()
            put_in("account_contact", {"person_id": one, "email": b"x"})
            put_in("blind_index", {"person_id": one, "field": "phone", "key_version": 1, "digest": one.bytes})
            put_in("person_source", {"person_id": one, "source": "s", "source_id": str(one)})
            fact = {"source": "s", "kind": "allergy", "record_id": "1", "value": "Canary seed"}
            put_in("profile_fact", {"person_id": one, **fact})
            edit = {"history_id": uuid4(), "changed_by": one, "fields": ["name"], "previous": b"x"}
            put_in("profile_history", {"person_id": one, **edit})
            put_in("guardianship", {"guardian_id": one, "dependent_id": other, "guardianship_id": uuid4(), **guards})
            put_in("impersonation", {
                "impersonation_id": uuid4(), "actor_id": world.account, "subject_id": subject, "person_id": one,
                "reason": "patient_asked", "ticket": "T-1", "starts_at": soon, "ends_at": soon + timedelta(minutes=5),
            })  # fmt: skip
            code = {
                "contact": b"x",
                "contact_digest": b"x",
                "code_digest": b"x",
                "channel": "email",
                "expires_at": soon,
            }
            put_in("verification", {"person_id": one, "verification_id": uuid4(), "clinic_id": north, **code})
            put_in("guardian_invitation", {
                "invitation_id": uuid4(), "dependent_id": one, "made_by": one, "code_hash": one.bytes * 2,
                "expires_at": soon, "redeemed_by": one, "redeemed_at": soon,
            })  # fmt: skip


@pytest.fixture
def clinical(world: World) -> list[str]:
    """Every table of the operational zone with a clinic, from the catalogue."""
    rows = world.look(
        "select c.relname from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid"
        " where c.relnamespace = 'operational'::regnamespace and c.relkind = 'r' and a.attname = 'clinic_id' order by 1"
    )
    return [row[0] for row in rows if row[0] not in IDENTITY]


@pytest.fixture(params=["service", "importer", "builder", "reader", "viewer"])
def north(request: pytest.FixtureRequest, world: World) -> Iterator[psycopg.Connection]:
    """A transaction of clinic north, as each role that works for a clinic."""
    clinic_role = request.param in ("builder", "reader")
    login = {"builder": Login.PIPELINE, "reader": Login.SERVICE, "viewer": Login.SERVICE}.get(request.param)
    login = login or Login(request.param)
    with connect(login, at=world.server) as connection:
        set_context(connection, clinic_id=world.clinic_ids["north"])
        set_clinics(connection, [world.clinic_ids["north"]])
        if clinic_role or request.param == "viewer":
            names = world.server.roles
            role = names.clinic("north", ClinicKind(request.param)) if clinic_role else names.of(Group.VIEWER)
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        yield connection
        connection.rollback()


def statement(verb: str, table: str) -> sql.Composed:
    text = {
        "select": "select 1 from operational.{0} where clinic_id = %s",
        "update": "update operational.{0} set clinic_id = clinic_id where clinic_id = %s",
        "delete": "delete from operational.{0} where clinic_id = %s",
        "insert": "insert into operational.{0} overriding system value"
        " select * from jsonb_populate_record(null::operational.{0}, %s)",
    }[verb]
    return sql.SQL(text).format(sql.Identifier(table))


@pytest.mark.check(1)
@pytest.mark.parametrize("verb", VERBS)
def test_no_role_of_one_clinic_reaches_a_row_of_another(
    world: World, clinical: list[str], north: psycopg.Connection, verb: str
) -> None:
    south = world.clinic_ids["south"]
    for table in clinical:
        rows = world.look(f"select to_jsonb(t) from operational.{table} as t where clinic_id = %s", south)
        assert rows, f"{table} has no row of south: the test would prove nothing"
        value = json.dumps(rows[0][0]) if verb == "insert" else south
        assert attempt(north, statement(verb, table), value) == 0, table


@pytest.mark.check(1)
def test_each_role_does_reach_its_own_clinic(world: World, north: psycopg.Connection) -> None:
    reached = attempt(north, statement("select", "registration"), world.clinic_ids["north"])
    reads_operational = "reader" not in north.execute("select current_user").fetchone()[0]  # type: ignore[index]
    assert reached == (2 if reads_operational else 0)


@pytest.mark.check(1)
@pytest.mark.parametrize("verb", VERBS)
def test_no_role_of_one_clinic_reaches_the_mart_of_another(world: World, north: psycopg.Connection, verb: str) -> None:
    tables = world.look(
        "select c.relname, (select a.attname from pg_attribute as a where a.attrelid = c.oid and a.attnum = 1)"
        " from pg_class as c where c.relnamespace = 'clinic_south'::regnamespace and c.relkind in ('r', 'v')"
    )
    assert len(tables) > 10
    texts = {
        "select": "select 1 from clinic_south.{0}",
        "insert": "insert into clinic_south.{0} ({1}) values (null)",
        "update": "update clinic_south.{0} set {1} = {1}",
        "delete": "delete from clinic_south.{0}",
    }
    for table, column in tables:
        query = sql.SQL(texts[verb]).format(sql.Identifier(table), sql.Identifier(column))
        with pytest.raises(psycopg.errors.InsufficientPrivilege), north.transaction():
            north.execute(query)


@pytest.mark.check(1)
def test_a_profile_is_seen_only_where_it_is_shared(world: World) -> None:
    heron, finch = world.people[access_world.HERON], world.people[access_world.FINCH]
    with connect(Login.SERVICE, at=world.server) as connection:
        set_context(connection, clinic_id=world.clinic_ids["north"])
        for table, seen in (("person", 2), ("profile", 1)):
            query = sql.SQL("select person_id from operational.{}").format(sql.Identifier(table))
            found = {row[0] for row in connection.execute(query)}
            assert len(found) == seen
            assert finch in found and heron not in found


@pytest.mark.check(34)
@pytest.mark.parametrize("group", [None, Group.VIEWER])
def test_with_the_registration_the_wall_closes_on_the_profile(world: World, group: Group | None) -> None:
    finch, north = world.people[access_world.FINCH], world.clinic_ids["north"]
    of_finch = "where person_id = %s and clinic_id = %s"
    for change, seen in ((access_world.DELETED, []), ("deleted_at = null", [(finch,)])):
        world.change(f"update operational.registration set {change} {of_finch}", finch, north)
        with connect(Login.SERVICE, at=world.server) as connection:
            set_context(connection, clinic_id=north)
            if group is not None:
                connection.execute(sql.SQL("set local role {}").format(sql.Identifier(world.server.roles.of(group))))
            assert connection.execute("select person_id from operational.profile").fetchall() == seen


# What feeds a mart without a trigger of the outbox on it, and what notes its changes instead.
NOTED_ELSEWHERE = {
    "consent": "the events that add up to it",
    "profile_tombstone": "the event that raises or clears it",
    "clinic": "nothing: of another time zone the whole clinic is loaded again",
    "person": "of a new one the registration; edits note themselves",
}


def test_whatever_feeds_a_mart_notes_its_changes_in_the_outbox(world: World) -> None:
    rows = world.look(
        "select c.relname::text, array_agg(distinct t.tgname::text order by t.tgname::text) from pg_trigger as t"
        " inner join pg_class as c on c.oid = t.tgrelid where starts_with(t.tgname, 'outbox_') and t.tgenabled = 'O'"
        " group by 1"
    )
    noting = {table for table, triggers in rows if {"outbox_insert", "outbox_update"} <= set(triggers)}
    assert ("consent_event", ["outbox_insert"]) in rows, "events are only ever added"
    read = {
        table for sources in SOURCES.values() for source in sources
        for table in re.findall(r"\boperational\.(\w+)", source.rows)
    }  # fmt: skip
    assert noting <= read and read - noting == NOTED_ELSEWHERE.keys()


@pytest.mark.check(35)
def test_no_deletion_goes_without_whom_and_why(world: World) -> None:
    rows = world.look(
        "select distinct c.table_name::text from information_schema.columns as c where c.table_schema = 'operational'"
        " and c.column_name = 'deleted_at'"
    )
    assert len(rows) >= 8
    for (table,) in rows:
        assert world.look(f"select 1 from operational.{table}"), f"{table} is empty: the test would prove nothing"
        for rest in ("deleted_by = null", "deleted_by = gen_random_uuid(), delete_reason = null"):
            if table == "webhook_endpoint" and "reason" in rest:
                continue  # what ends is a clinic's own address: by whom is enough
            with pytest.raises(psycopg.errors.CheckViolation):
                world.change(f"update operational.{table} set deleted_at = now(), {rest}")


@pytest.mark.check(2)
@pytest.mark.parametrize("verb", VERBS)
def test_without_a_context_the_service_reaches_what_is_named_alone(world: World, verb: str) -> None:
    """Every table of the operational zone, from the catalogue, with or without a clinic or a person."""
    tables = [row[0] for row in world.look("select tablename::text from pg_tables where schemaname = 'operational'")]
    assert len(tables) > 40
    with connect(Login.SERVICE, at=world.server) as connection:
        reached = {table for table in tables if reaches(world, connection, verb, table)} | unconditional(world, verb)
    assert reached == {table for table, (verbs, _) in WITHOUT_CONTEXT.items() if verb in verbs}


def personal(world: World, *, of_no_clinic: bool) -> list[tuple[str, str]]:
    """Every table of the operational zone with each column that says of whom a row is, from the catalogue."""
    found = world.look(
        "select distinct c.relname::text, a.attname::text from pg_class as c"
        " inner join pg_attribute as a on a.attrelid = c.oid"
        " left join pg_constraint as k on k.conrelid = c.oid and k.contype = 'f' and k.conkey = array[a.attnum]"
        " and k.confrelid = 'operational.person'::regclass"
        " where c.relnamespace = 'operational'::regnamespace and c.relkind = 'r' and not a.attisdropped"
        " and (a.attname = 'person_id' or k.oid is not null) and (not %s or not exists (select from pg_attribute as b"
        " where b.attrelid = c.oid and b.attname = 'clinic_id')) order by 1, 2", of_no_clinic,
    )  # fmt: skip
    return [(table, column) for table, column in found]


def reached(
    world: World, connection: psycopg.Connection, verb: str, of: UUID, *, of_no_clinic: bool
) -> list[tuple[str, str]]:
    """Where a role reaches a row of somebody; of each table there is one, or it would prove nothing."""
    found = []
    for table, column in personal(world, of_no_clinic=of_no_clinic):
        rows = world.look(f"select to_jsonb(t) from operational.{table} as t where {column} = %s", of)
        assert rows, f"{table}.{column} has no row of theirs: the test would prove nothing"
        if reaches_row(connection, verb, table, column, of, rows[0][0]):
            found.append((table, column))
    return found


def reaches_row(
    connection: psycopg.Connection, verb: str, table: str, column: str, of: UUID, row: dict[str, object]
) -> bool:
    """Whether a role gets at somebody's row, in the columns that it may write; that it is there saves none."""
    columns = connection.execute(
        "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped"
        " and attgenerated = '' and has_column_privilege(attrelid, attnum, %s)",
        [f"operational.{table}", verb if verb in ("insert", "update") else "select"],
    ).fetchall()  # fmt: skip
    names = [sql.Identifier(name) for (name,) in columns]
    if not names:
        return False
    text = {
        "select": "select 1 from {0} where {1} = %s", "delete": "delete from {0} where {1} = %s",
        "update": "update {0} set {2} = {2} where {1} = %s",
        "insert": "insert into {0} ({3}) select {3} from jsonb_populate_record(null::{0}, %s)",
    }[verb]  # fmt: skip
    query = sql.SQL(text).format(
        sql.Identifier("operational", table), sql.Identifier(column), names[0], sql.SQL(", ").join(names)
    )
    try:
        return attempt(connection, query, json.dumps(row) if verb == "insert" else of) > 0
    except psycopg.errors.UniqueViolation:
        return True


@pytest.mark.check(1)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", [Login.SERVICE, Group.FAMILY])
def test_who_works_for_one_person_reaches_no_row_of_another(
    world: World, everything: None, role: Login | Group, verb: str
) -> None:
    with connect(Login.SERVICE, at=world.server) as connection:
        set_context(connection, person_id=world.people[access_world.WREN])
        become(world, connection, role)
        of = world.people[access_world.FINCH]
        assert set(reached(world, connection, verb, of, of_no_clinic=False)) == OPEN[role].get(verb, set())


@pytest.mark.check(1)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("role", [Login.SERVICE, Group.VIEWER])
def test_who_works_for_one_clinic_reaches_nobody_of_another(
    world: World, everything: None, role: Login | Group, verb: str
) -> None:
    with connect(Login.SERVICE, at=world.server) as connection:
        set_context(connection, clinic_id=world.clinic_ids["north"])
        become(world, connection, role)
        of = world.people[access_world.HERON]
        known = OPEN[role].get(verb, set()) - {("verification", "person_id")}  # which names its clinic
        assert set(reached(world, connection, verb, of, of_no_clinic=True)) == known


def become(world: World, connection: psycopg.Connection, role: Login | Group) -> None:
    if isinstance(role, Group):
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(world.server.roles.of(role))))


@pytest.mark.check(2)
@pytest.mark.parametrize("context", [None, ""], ids=["never set", "empty"])
@pytest.mark.parametrize("role", [Login.SERVICE, Login.IMPORTER, Group.VIEWER, Group.FAMILY])
def test_without_a_clinic_there_are_no_rows_and_no_error(
    world: World, clinical: list[str], role: Login | Group, context: str | None
) -> None:
    login = role if isinstance(role, Login) else Login.SERVICE
    with connect(login, at=world.server) as connection:
        if isinstance(role, Group):
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(world.server.roles.of(role))))
        if context is not None:
            for setting in ("clinic_id", "clinic_ids", "person_id"):
                connection.execute("select set_config(%s, %s, true)", [f"cloister.{setting}", context])
        for table in clinical:
            query = sql.SQL("select 1 from operational.{} where clinic_id is not null").format(sql.Identifier(table))
            assert attempt(connection, query) == 0, table
        for table in ("person", "profile", "guardianship") if role is not Login.IMPORTER else ():
            assert attempt(connection, sql.SQL("select 1 from operational.{}").format(sql.Identifier(table))) == 0


@pytest.mark.check(2)
def test_no_route_fails_for_a_caller_without_a_clinic(api: Api) -> None:
    headers = access_world.sign_in(api, "admin")
    paths = {context.path or "" for context in iter_route_contexts(api.app.routes) if "GET" in (context.methods or ())}
    assert len(paths) > 10
    for path in sorted(paths):
        made_up = path.replace("{clinic}", "nowhere").replace("{segment}", "nothing")
        assert api.get(made_up, headers=headers).status_code < 500, path


@pytest.mark.check(4)
def test_runtime_roles_own_nothing_and_bypass_nothing(world: World) -> None:
    owner = world.server.roles.of(Group.OWNER)
    rows = world.look(
        "select rolname, rolsuper or rolbypassrls, rolname <> %s and exists ("
        "  select from pg_class where relowner = r.oid union all select from pg_namespace where nspowner = r.oid"
        "  union all select from pg_proc where proowner = r.oid)"
        " from pg_roles as r where starts_with(rolname, %s)",
        owner,
        f"{world.server.roles.prefix}_",
    )
    assert len(rows) >= len(Login) + len(Group) + 4
    assert [row for row in rows if row[1] or row[2]] == []


@pytest.mark.check(4)
def test_every_operational_and_audit_table_forces_row_security(world: World) -> None:
    rows = world.look(
        "select relname, relrowsecurity and relforcerowsecurity from pg_class"
        " where relnamespace in ('operational'::regnamespace, 'audit'::regnamespace) and relkind in ('r', 'p')"
    )
    assert len(rows) > 20
    assert [name for name, forced in rows if not forced] == []


@pytest.mark.check(5)
def test_views_ask_as_the_caller_and_definers_are_known(world: World) -> None:
    views = world.look(
        "select c.relname, coalesce(c.reloptions, '{}') from pg_class as c inner join pg_namespace as n"
        " on n.oid = c.relnamespace where c.relkind in ('v', 'm')"
        " and n.nspname not in ('pg_catalog', 'information_schema')"
    )
    assert len(views) >= 8
    assert [name for name, options in views if "security_invoker=true" not in options] == []
    definers = world.look(
        "select p.proname from pg_proc as p inner join pg_namespace as n on n.oid = p.pronamespace"
        " where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')"
    )
    assert {row[0] for row in definers} <= DEFINERS


def audit_relations(world: World) -> dict[str, str]:
    """Tables of the audit zone, partitions too, each with a column of its own."""
    return dict(
        world.look(
            "select c.relname::text, a.attname::text from pg_class as c inner join pg_attribute as a"
            " on a.attrelid = c.oid and a.attnum = 1"
            " where c.relnamespace = 'audit'::regnamespace and c.relkind in ('r', 'p') order by 1"
        )
    )


@pytest.mark.check(26)
@pytest.mark.parametrize(
    "who",
    ["service", "importer", "pipeline", "rotator", "messenger", "sealer", "courier", "auditor", "builder", "reader",
     "teller", "viewer", "family"],
)  # fmt: skip
def test_no_runtime_role_changes_the_log(world: World, who: str) -> None:
    roles = world.server.roles
    names = {**{group.value: roles.of(group) for group in (Group.AUDITOR, Group.VIEWER, Group.FAMILY)},
             "builder": roles.clinic("north", ClinicKind.BUILDER),
             "reader": roles.clinic("north", ClinicKind.READER),
             "teller": roles.clinic("north", ClinicKind.TELLER)}  # fmt: skip
    login = {"builder": Login.PIPELINE, "teller": Login.COURIER}.get(who)
    login = login or (Login.SERVICE if who in names else Login(who))
    relations = audit_relations(world)
    assert sum("_20" in name for name in relations) >= 6
    with connect(login, at=world.server) as connection:
        if who in names:
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(names[who])))
        for relation, column in relations.items():
            for text in (
                "update audit.{0} set {1} = {1}",
                "delete from audit.{0}",
                "truncate audit.{0}",
                "alter table audit.{0} disable trigger all",
                "alter table audit.{0} disable row level security",
                "drop table audit.{0}",
                "alter table audit.access_event detach partition audit.{0}",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    connection.execute(sql.SQL(text).format(sql.Identifier(relation), sql.Identifier(column)))


@pytest.mark.check(26)
def test_even_the_owner_meets_the_triggers(world: World) -> None:
    """Of every table and partition: it is not emptied, and each row has a trigger, whether or not there are any."""
    relations = audit_relations(world)
    assert {"impersonation_event", "batch_patient", "consent_receipt", "withdrawn_stay"} <= set(relations)
    with connect_admin(world.server) as admin:
        admin.execute(sql.SQL("set role {}").format(sql.Identifier(world.server.roles.of(Group.OWNER))))
        for relation in relations:
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                admin.execute(sql.SQL("truncate audit.{} cascade").format(sql.Identifier(relation)))
        for text in ("update audit.access_event set role = 'x'", "delete from audit.access_event"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                admin.execute(text)
    # Before each row, at update and delete (`pg_trigger.h`).
    guarded = world.look(
        "select c.relname::text from pg_trigger as t inner join pg_class as c on c.oid = t.tgrelid"
        " where t.tgfoid = 'audit.refuse_change'::regproc and t.tgtype & 27 = 27 and t.tgenabled in ('O', 'A')"
        " and t.tgqual is null and t.tgattr = ''::int2vector"
    )
    assert {name for (name,) in guarded} == set(relations)


@pytest.mark.check(35)
def test_not_even_the_superuser_deletes_or_empties_a_table_of_the_operational_zone(world: World) -> None:
    rows = world.look("select tablename from pg_tables where schemaname = 'operational' order by 1")
    with connect_admin(world.server) as admin:
        for table in [row[0] for row in rows if row[0] not in EMPTIED]:
            for text in ("delete from operational.{}", "truncate operational.{} cascade"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="never deleted"):
                    admin.execute(sql.SQL(text).format(sql.Identifier(table)))


@pytest.mark.check(1)
@pytest.mark.parametrize("group", [Group.VIEWER, Group.FAMILY])
def test_who_reads_one_person_writes_nothing_but_the_log(world: World, group: Group) -> None:
    rows = world.look(
        "select table_schema::text, privilege_type::text from information_schema.role_table_grants where grantee = %s",
        world.server.roles.of(group),
    )
    assert {verb for schema, verb in rows if schema == "operational"} == {"SELECT"}
    assert {verb for schema, verb in rows if schema == "audit"} == {"INSERT"}
    assert {schema for schema, _ in rows} == {"operational", "audit"}


@pytest.mark.check(1)
def test_who_reads_a_clinic_writes_the_log_and_its_segments_alone(world: World) -> None:
    rows = world.look(
        "select distinct c.relnamespace::regnamespace::text, c.relname::text, a.privilege_type::text"
        " from pg_class as c left join pg_attribute as t on t.attrelid = c.oid"
        " cross join lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(t.attacl)) as a"
        " where a.grantee in (%s::regrole, %s::regrole) and a.privilege_type <> 'SELECT'",
        world.server.roles.clinic("north", ClinicKind.READER), world.server.roles.of(Group.READERS),
    )  # fmt: skip
    assert {verb for schema, _, verb in rows if schema == "audit"} == {"INSERT"}
    assert {(schema, table) for schema, table, _ in rows if schema != "audit"} == {
        ("clinic_north", "segment"), ("clinic_north", "segment_version"),
    }  # fmt: skip
    assert {verb for schema, _, verb in rows if schema != "audit"} == {"INSERT", "UPDATE"}


@pytest.mark.check(1)
def test_the_viewer_of_one_clinic_sees_people_and_profiles_of_it_alone(world: World) -> None:
    finch, heron = world.people[access_world.FINCH], world.people[access_world.HERON]
    for clinic, named, shared in (("north", 2, {finch}), ("south", 2, set())):
        with connect(Login.SERVICE, at=world.server) as connection:
            set_context(connection, clinic_id=world.clinic_ids[clinic], person_id=heron)
            role = sql.Identifier(world.server.roles.of(Group.VIEWER))
            connection.execute(sql.SQL("set local role {}").format(role))
            assert len(connection.execute("select 1 from operational.person").fetchall()) == named
            assert {row[0] for row in connection.execute("select person_id from operational.profile")} == shared


@pytest.mark.parametrize("group", [Group.VIEWER, Group.FAMILY])
def test_keys_of_no_person_are_not_for_who_reads_one(world: World, group: Group) -> None:
    # But the forms', whose sealed answers are guarded themselves, and for who treats, those of what was brought.
    theirs = ["forms", "brought"] if group is Group.VIEWER else ["forms"]
    others = f"select 1 from operational.data_key where purpose <> all('{{{','.join(theirs)}}}')"
    assert world.look(others)
    with connect(Login.SERVICE, at=world.server) as connection:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(world.server.roles.of(group))))
        assert connection.execute(others).fetchall() == []


def test_an_event_forged_for_another_clinic_is_refused(world: World) -> None:
    with connect(Login.SERVICE, at=world.server) as connection:
        role = world.server.roles.clinic("north", ClinicKind.READER)
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(
                "insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)"
                " values (gen_random_uuid(), now(), %s, gen_random_uuid())",
                [world.clinic_ids["south"]],
            )


@pytest.mark.check(50)
def test_a_clinics_auditor_finds_nothing_of_another_clinic(world: World) -> None:
    with connect(Login.SERVICE, at=world.server) as connection:
        for clinic_id in world.clinic_ids.values():
            connection.execute(
                "insert into audit.access_event (event_id, occurred_at, principal_kind, role, action, resource_type,"
                " clinic_id, decision, policies)"
                " values (gen_random_uuid(), now(), 'x', 'x', 'x', 'x', %s, 'deny', '{}')",
                [clinic_id],
            )
        set_context(connection, clinic_id=world.clinic_ids["north"])
        role = sql.Identifier(world.server.roles.of(Group.AUDITOR))
        connection.execute(sql.SQL("set local role {}").format(role))
        seen = connection.execute("select distinct clinic_id from audit.access_event").fetchall()
        assert seen == [(world.clinic_ids["north"],)]
