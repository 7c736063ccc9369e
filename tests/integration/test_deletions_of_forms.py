"""Forms and plans are marked as deleted with a reason and by whom, gone from every read and load, and come back."""

from typing import Any
from uuid import UUID

import access_world
import pytest
from access_world import FINCH, Api, World
from psycopg import sql
from test_deletions import NOT_THERE, call, sources

# Table and id of each, what people and guardians ask for them by, and the raw tables that they are loaded to.
KINDS = {
    "form": ("form", "form_id", "forms", {"raw_forms", "raw_answers"}),
    "plan": ("treatment_plan", "plan_id", "plans", {"raw_adherence"}),
}


def lasting(world: World, kind: str) -> UUID:
    """The record that Finch has of a kind at north."""
    return world.items["north", kind]


def listed(api: Api, path: str, kind: str) -> list[Any]:
    found = api.get(path, headers=access_world.sign_in(api, "finch")).json()[path.rsplit("/", 1)[1]]
    return [each["id"] for each in found if each["clinic"] == "north"]


@pytest.mark.check(34)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_gone_from_reads_and_loads_and_comes_back_by_an_admin(fresh: World, kind: str) -> None:
    table, key, asked_for, loaded = KINDS[kind]
    patient, record = fresh.patients["north", FINCH], lasting(fresh, kind)
    path, own = f"north/deletions/{kind}/{record}", f"/v1/me/{asked_for}"
    with access_world.client(fresh.server) as api:
        before = listed(api, own, kind)
        assert str(record) in before and loaded <= set(sources(fresh, "north", patient))
        assert call(api, "staff.north", path, {"reason": "mistake"}).json() == {
            "kind": kind, "id": str(record), "deleted": True,
        }  # fmt: skip
        assert str(record) not in listed(api, own, kind)
        assert not loaded & set(sources(fresh, "north", patient))
        assert call(api, "staff.north", path, {"reason": "mistake"}).json() == NOT_THERE
        for login in ("staff.north", "manager.north", "specialist.north", "finch"):
            assert call(api, login, f"{path}/undo").json() == NOT_THERE
        marked = sql.SQL(
            "select p.login, t.delete_reason from operational.{} as t inner join operational.principal as p"
            " on p.principal_id = t.deleted_by where t.{} = %s"
        ).format(sql.Identifier(table), sql.Identifier(key))
        assert fresh.look(marked.as_string(), record) == [("staff.north", "mistake")]
        assert call(api, "admin", f"{path}/undo").json()["deleted"] is False
        assert listed(api, own, kind) == before and loaded <= set(sources(fresh, "north", patient))
    events = fresh.look("select action, patients from audit.access_event where action like 'record.%%'"
                        " and decision = 'permit' order by occurred_at")  # fmt: skip
    assert events == [("record.delete", 1), ("record.restore", 1)]


def deleted(world: World, kind: str, reason: str) -> str:
    table, key, *_ = KINDS[kind]
    world.change(
        f"update operational.{table} set deleted_at = now(), deleted_by = gen_random_uuid(),"
        f" delete_reason = %s where {key} = %s",
        reason, lasting(world, kind),
    )  # fmt: skip
    return f"north/deletions/{kind}/{lasting(world, kind)}/undo"


@pytest.mark.check(34)
def test_a_plan_that_its_specialist_ended_before_it_began_does_not_come_back(fresh: World) -> None:
    path = deleted(fresh, "plan", "ended before it began")
    with access_world.client(fresh.server) as api:
        assert call(api, "admin", path).json() == NOT_THERE


@pytest.mark.check(39)
def test_a_form_that_was_assigned_again_meanwhile_does_not_come_back_beside_it(fresh: World) -> None:
    fresh.change("update operational.form set occasion = 'registration' where form_id = %s", lasting(fresh, "form"))
    path = deleted(fresh, "form", "mistake")
    fresh.change(
        "insert into operational.form"
        " (clinic_id, patient_id, template, template_version, status, assigned_on, occasion)"
        " select clinic_id, patient_id, template, template_version, 'pending', assigned_on, occasion"
        " from operational.form where form_id = %s",
        lasting(fresh, "form"),
    )
    with access_world.client(fresh.server) as api:
        answer = call(api, "admin", path)
    assert answer.status_code == 409
    assert [(each["place"], each["rule"]) for each in answer.json()["errors"]] == [("path.record", "assigned_again")]


@pytest.mark.check(52)
@pytest.mark.parametrize("kind", KINDS)
def test_the_event_of_what_is_hidden_is_hidden_from_guardians(fresh: World, kind: str) -> None:
    table, key, *_ = KINDS[kind]
    fresh.change(f"update operational.{table} set confidential = true where {key} = %s", lasting(fresh, kind))
    with access_world.client(fresh.server) as api:
        assert call(
            api, "staff.north", f"north/deletions/{kind}/{lasting(fresh, kind)}", {"reason": "mistake"}
        ).is_success
    categories = fresh.look(
        "select 'confidential' = any(categories) from audit.access_event where action = 'record.delete'"
    )
    assert categories == [(True,)]
