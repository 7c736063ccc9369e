"""What marts are made of tells the outbox of each change, in the transaction of the change; the rest is named."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import access_world
from access_world import FINCH, Api, World
from booking import as_key, ask, at, newcomer, post
from psycopg import sql

from infra.database import connect_admin
from tests.conftest import ROOT
from tests.integration.furnishing import seen_today
from tests.integration.records import Family, days, today
from tests.unit.test_docs import named, rows

# What was done, and the tables of marts in which that changed rows.
Done = tuple[str, set[str]]
SHARING = {"clinic": "north", "purpose": "profile_sharing"}
SIGNED = {**SHARING, "text_version": "v1", "sha256": "00" * 32}
OF_SOMEBODY = "(patient|person|dependent|appointment|form|plan)_id$"


def telling(world: World) -> set[str]:
    """The tables that tell the outbox of their changes, from the catalogue."""
    found = world.look(
        "select distinct c.relname::text from pg_trigger as t inner join pg_class as c on c.oid = t.tgrelid"
        " where starts_with(t.tgname, 'outbox_') and t.tgenabled = 'O'"
    )
    return {table for (table,) in found}


def columns(world: World, table: str) -> set[str]:
    found = world.look(
        "select column_name::text from information_schema.columns"
        " where table_schema = 'operational' and table_name = %s", table,
    )  # fmt: skip
    return {column for (column,) in found}


def next_transaction(world: World) -> int:
    return int(world.look("select pg_snapshot_xmax(pg_current_snapshot())::text")[0][0])


def told(world: World, since: int) -> dict[str, bool]:
    """Of each table with rows of transactions since then: whether these told the outbox of every one.

    Of a person they do at each clinic of theirs.
    """
    query = sql.SQL(
        "select bool_and(exists (select from operational.outbox as o where o.xmin = t.xmin"
        " and (o.clinic_id, o.patient_id) = (r.clinic_id, r.patient_id)))"
        " from operational.{} as t inner join operational.registration as r using ({})"
        " where t.xmin::text::bigint >= %s having count(*) > 0"
    )
    found = {}
    with connect_admin(world.server) as admin:
        for table in telling(world):
            has = columns(world, table)
            whose = ["patient_id" if "patient_id" in has else "person_id", *({"clinic_id"} & has)]
            names = sql.SQL(", ").join(map(sql.Identifier, whose))
            for (every_one,) in admin.execute(query.format(sql.Identifier(table), names), [since]):
                found[table] = every_one
    return found


def of_visits(family: Family) -> Iterator[Done]:
    visit = family.world.appointments["north"]
    at_north, seen = "/clinics/north/appointments", seen_today(family.world)
    yield "booking of somebody new", _booked(family, as_key(family.world), patient=newcomer())
    yield "own booking", _booked(family, access_world.sign_in(family.api, "finch"), starts_at=at(10))
    for login, path, body in (
        ("staff.north", f"{at_north}/{visit}/reschedule", {"starts_at": at(12)}),
        ("finch", f"/me/appointments/{visit}/cancel", None),
        ("staff.north", f"{at_north}/{seen}/arrive", {}),
        ("specialist.north", f"{at_north}/{seen}/complete", {}),
    ):
        family.done(login, "POST", path, body)
        yield path, {"appointment"}


def _booked(family: Family, who: dict[str, str], **asked: Any) -> set[str]:
    assert post(family.api, who, ask(**asked)).status_code == 201
    return {"appointment", "form"} | ({"person", "profile", "registration"} if "patient" in asked else set())


def of_forms(family: Family) -> Iterator[Done]:
    family.done("staff.north", "POST", f"{_finch(family)}/forms", {"templates": ["mood"]})
    yield "assigned", {"form"}
    form = family.assign(FINCH, "pain")
    family.done("finch", "PUT", f"/me/forms/{form}/answers", {"answers": {"score": 2}})
    yield "saved", {"form"}
    family.done("finch", "POST", f"/me/forms/{form}/complete", {"answers": {"score": 2}})
    yield "completed", {"form", "form_answer"}


def of_plans(family: Family) -> Iterator[Done]:
    plan = {"title": "Back", "starts_on": str(today()), "ends_on": str(today() + days(3))}
    exercises = [{"name": "Canary bridge"}]
    made = family.done("specialist.north", "POST", f"{_finch(family)}/plans", {**plan, "exercises": exercises})["id"]
    yield "prescribed", {"treatment_plan", "adherence"}
    ((exercise,),) = family.world.look("select exercise_id from operational.exercise where plan_id = %s", made)
    family.done("finch", "PUT", f"/me/plans/{made}/exercises/{exercise}/days/{today()}", {"times": 1})
    yield "ticked off", {"adherence"}


def of_people(family: Family) -> Iterator[Done]:
    family.done("finch", "POST", "/me/consents/revoke", SHARING)
    yield "revoked", {"consent_event"}
    family.done("finch", "POST", "/me/consents", SIGNED)
    yield "signed", {"consent_event"}
    said, headers = {"name": "Canary Lark", "blood_type": "A+"}, {**family.headers["finch"], "If-Match": "*"}
    assert family.api.patch("/v1/me/profile", json=said, headers=headers).status_code == 200
    yield "edited", {"person", "profile"}


def of_deletions(family: Family) -> Iterator[Done]:
    """The registration's takes what is booked to a time to come along, with its forms."""
    world = family.world
    more = {"registration": {"appointment", "form"}}
    for kind, table in (("plan", "treatment_plan"), ("form", "form"), ("registration", "registration")):
        which = world.items.get(("north", kind), world.patients["north", FINCH])
        path = f"/clinics/north/deletions/{kind}/{which}"
        family.done("staff.north", "POST", path, {"reason": "mistake"})
        yield f"deleted {kind}", {table} | more.get(kind, set())
        family.done("admin", "POST", f"{path}/undo")
        yield f"undone {kind}", {table}
    world.change("update operational.principal set person_id = null where login = 'wren'")  # who has an account stays
    family.done("staff.north", "POST", f"/clinics/north/merges/{world.cases['north']}", {"decision": "merge"})
    yield "merged", {"registration", "person", "appointment"}


def _finch(family: Family) -> str:
    return f"/clinics/north/patients/{family.world.patients['north', FINCH]}"


def test_every_change_tells_the_outbox_in_its_own_transaction(fresh: World, running: Api) -> None:
    family, seen, since = Family(fresh, running, {}), set[str](), next_transaction(fresh)
    for what, changed in chain.from_iterable(
        done(family) for done in (of_visits, of_forms, of_plans, of_people, of_deletions)
    ):
        assert told(fresh, since) == dict.fromkeys(changed, True), what
        seen, since = seen | changed, next_transaction(fresh)
    assert seen == telling(fresh)


def test_what_tells_the_outbox_and_what_does_not_is_documented(world: World) -> None:
    theirs = {table for (table,) in world.look(
        "select distinct table_name::text from information_schema.columns inner join pg_tables"
        " on (schemaname, tablename) = (table_schema, table_name)"
        " where table_schema = 'operational' and column_name ~ %s", OF_SOMEBODY,
    )}  # fmt: skip
    documented = rows((ROOT / "docs" / "patients.md").read_text(), "Outbox")
    first, *others = (set(named(row[0])) for row in documented)
    assert first == telling(world) and set.union(*others) == theirs - first
