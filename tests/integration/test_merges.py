"""Doubtful registrations: staff of the clinic decides, and what is merged moves whole."""

from uuid import uuid4

import access_world
import pytest
from access_world import CHICK, DELETED, FINCH, HERON, WREN, Api, World

from api.merges.repository import MOVED
from api.messages.post import revive
from api.verifications import people_repository as people
from tests.integration.booking import ask, post
from tests.integration.posting import give_email, mail_server, send
from tests.integration.provisional import in_work

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
MERGES = "/v1/clinics/{}/merges"


def decide(api: Api, world: World, decision: str, login: str = "staff.north", clinic: str = "north") -> int:
    path = f"{MERGES.format(clinic)}/{world.cases[clinic]}"
    return api.post(path, json={"decision": decision}, headers=access_world.sign_in(api, login)).status_code


def patients(world: World) -> dict[str, list[tuple[object, int]]]:
    """Whose rows there are in each table, with how many."""
    return {
        table: world.look(f"select patient_id, count(*) from operational.{table} group by 1 order by 1")
        for table in MOVED
    }  # fmt: skip


def test_staff_sees_the_pair_by_name_and_each_patient_is_recorded(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        found = api.get(MERGES.format("north"), headers=access_world.sign_in(api, "staff.north")).json()["cases"]
        assert [(c["id"], c["kept"]["name"], c["other"]["name"]) for c in found] == [
            (str(fresh.cases["north"]), FINCH, WREN)
        ]
        disclosed = fresh.look(
            "select d.patient_id from audit.disclosure as d inner join audit.access_event as e"
            " on e.event_id = d.event_id where e.action = 'merge.list'"
        )
        assert {row[0] for row in disclosed} == {fresh.patients["north", FINCH], fresh.patients["north", WREN]}
        assert "birth" not in str(found)


@pytest.mark.check(34)
def test_a_merge_moves_all_records_and_keeps_the_other_clinic_as_it_was(fresh: World) -> None:
    kept, other = fresh.patients["north", FINCH], fresh.patients["north", WREN]
    south = (fresh.patients["south", FINCH], fresh.patients["south", HERON])
    for table in MOVED:  # each has a row of the one that goes
        fresh.change(f"update operational.{table} set patient_id = %s where patient_id = %s", other, kept)
    before = patients(fresh)
    with access_world.client(fresh.server) as api:
        assert decide(api, fresh, "merge") == 200
        after = patients(fresh)
        for table in MOVED:
            assert [row for row in before[table] if row[0] == other] and not [r for r in after[table] if r[0] == other]
            assert sum(row[1] for row in before[table]) == sum(row[1] for row in after[table])
            assert [row for row in before[table] if row[0] in south] == [r for r in after[table] if r[0] in south]
        gone = fresh.look(
            "select delete_reason, deleted_by = (select principal_id from operational.principal where login = %s)"
            " from operational.registration where patient_id = %s", "staff.north", other,
        )  # fmt: skip
        assert gone == [("merged with another registration", True)]
        # The audit names both patients.
        named = fresh.look(
            "select d.patient_id from audit.disclosure as d inner join audit.access_event as e"
            " on e.event_id = d.event_id where e.action = 'merge.decide' and e.decision = 'permit'"
        )
        assert {row[0] for row in named} == {kept, other}
        headers = access_world.sign_in(api, "staff.north")
        assert api.get(MERGES.format("north"), headers=headers).json() == {"cases": []}
        assert decide(api, fresh, "distinct") == 404, "it is decided"


@pytest.mark.parametrize("has", ["nothing", "an account", "a guardian"])
def test_who_is_left_without_a_registration_goes_unless_somebody_knows_them(fresh: World, has: str) -> None:
    """An account, or a child, is not taken away by what a clinic's staff decides about its own register."""
    if has != "an account":
        fresh.change("update operational.principal set person_id = null where login = 'wren'")
    if has == "a guardian":
        fresh.change(
            "update operational.guardianship set dependent_id = %s where dependent_id = %s",
            fresh.people[WREN], fresh.people[CHICK],
        )  # fmt: skip
    with access_world.client(fresh.server) as api:
        assert decide(api, fresh, "merge") == 200
    deleted = fresh.look("select deleted_at is not null from operational.person where name = %s", WREN)
    assert deleted == [(has == "nothing",)]


def test_distinct_leaves_both_as_they_were(fresh: World) -> None:
    before = patients(fresh)
    with access_world.client(fresh.server) as api:
        assert decide(api, fresh, "distinct") == 200
        assert patients(fresh) == before
        assert fresh.look("select count(*) from operational.registration where deleted_at is not null") == [(0,)]
        assert decide(api, fresh, "merge") == 404


def test_a_registration_that_was_deleted_comes_back_with_the_merge(fresh: World) -> None:
    kept = fresh.patients["north", FINCH]
    fresh.change(f"update operational.registration set {DELETED} where patient_id = %s", kept)
    with access_world.client(fresh.server) as api:
        found = api.get(MERGES.format("north"), headers=access_world.sign_in(api, "staff.north")).json()["cases"]
        assert (found[0]["kept"]["name"], found[0]["other"]["name"]) == (None, WREN)
        assert decide(api, fresh, "merge") == 200
    alive = fresh.look("select deleted_at is null from operational.registration where patient_id = %s", kept)
    assert alive == [(True,)]


def test_what_waits_to_be_told_goes_to_the_patient_who_is_kept(fresh: World) -> None:
    kept, other = fresh.patients["north", FINCH], fresh.patients["north", WREN]
    give_email(fresh, FINCH, "finch@example.org")
    campaign = (
        "insert into operational.message (message_id, kind, clinic_id, patient_id, person_id, about_id, state)"
        " select gen_random_uuid(), 'campaign', clinic_id, patient_id, person_id, %s, 'dead'"
        " from operational.registration where patient_id = any(%s)"
    )
    with access_world.client(fresh.server) as api, mail_server() as (mailman, smtp):
        staff = access_world.sign_in(api, "staff.north")
        assert post(api, staff, ask(patient={"id": str(other)})).status_code == 201
        asking = "/v1/clinics/north/patients/{}/consents/request"
        assert api.post(asking.format(other), headers=staff).status_code == 202
        fresh.change("update operational.message set state = 'dead' where kind = 'consent_request'")
        one, both = uuid4(), uuid4()
        fresh.change(campaign, one, [other])
        fresh.change(campaign, both, [kept, other])
        assert decide(api, fresh, "merge") == 200
        again = api.post(asking.format(kept), headers=staff)
        assert again.json()["errors"][0]["rule"] == "asked_already"
        kinds = "('booking_confirmed', 'consent_request')"
        whose = "select patient_id, person_id = %s from operational.message where"
        found = fresh.look(f"{whose} kind in {kinds}", fresh.people[FINCH])
        assert found == [(kept, True)] * 2
        assert fresh.look(f"{whose} about_id = %s", fresh.people[FINCH], one) == [(kept, True)]
        twice = fresh.look(f"{whose} about_id = %s", fresh.people[FINCH], both)
        assert sorted(twice) == sorted([(kept, True), (other, False)]), "nobody gets one twice"
        fresh.change("update operational.message set state = 'stopped' where about_id = any(%s)", [one, both])
        assert revive(fresh.server) == 1
        send(fresh, smtp, times=2)
        assert [to for to, _ in mailman.came] == ["finch@example.org"] * 2


@pytest.mark.check(34)
def test_a_deleted_registration_goes_to_nobody_by_a_code(fresh: World) -> None:
    provisional, clinic = fresh.newcomer("north"), fresh.clinic_ids["north"]
    registered = "select person_id from operational.registration where person_id = %s"
    deletion = f"update operational.registration set {DELETED} where person_id = %s"
    fresh.change(deletion, provisional)
    relinked = in_work(fresh, "north", lambda work, _: people.relink(work, clinic, provisional, fresh.people[HERON]))
    assert relinked and fresh.look(registered, provisional) == [(provisional,)]


@pytest.mark.check(34)
def test_nothing_is_merged_into_a_person_who_is_deleted(fresh: World) -> None:
    """As a child is who went with the last guardian: the clinic would see neither of the two any more."""
    kept, other = fresh.patients["north", FINCH], fresh.patients["north", WREN]
    fresh.change(f"update operational.registration set {DELETED} where patient_id = %s", kept)
    fresh.change(f"update operational.person set {DELETED} where name = %s", FINCH)
    before = patients(fresh)
    with access_world.client(fresh.server) as api:
        assert decide(api, fresh, "merge") == 409
        assert patients(fresh) == before
        alive = "select patient_id from operational.registration where clinic_id = %s and deleted_at is null"
        assert fresh.look(alive, fresh.clinic_ids["north"]) == [(other,)]
        assert decide(api, fresh, "distinct") == 200, "which is left to be decided"


@pytest.mark.check(1)
def test_a_case_is_its_own_clinics(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers = access_world.sign_in(api, "staff.north")
        for clinic, case in (("south", fresh.cases["south"]), ("north", fresh.cases["south"]), ("north", "x")):
            found = api.post(f"{MERGES.format(clinic)}/{case}", json={"decision": "merge"}, headers=headers)
            assert (found.status_code, found.json()) == (404, NOT_THERE)
        assert decide(api, fresh, "perhaps") == 422
        assert decide(api, fresh, "merge", login="specialist.north") == 404
    assert fresh.look("select count(*) from operational.merge_case where decision is not null") == [(0,)]


def test_every_table_of_a_patient_is_moved(fresh: World) -> None:
    """Or is named here, with a reason."""
    stays = {
        "registration",  # what is merged
        "consent_propagation",  # so is its receipt
        "profile_tombstone",  # a revocation is of the registration that it was of
        "sharing_limit",  # so is any other end of sharing
        "webhook_delivery",  # says whom it told of at the time
        "message",  # says to whom it was sent at the time; what waits is moved
        "outbox",  # a queue, filled by triggers
    }
    rows = fresh.look(
        "select c.relname from pg_class as c inner join pg_attribute as a on a.attrelid = c.oid"
        " where c.relnamespace = 'operational'::regnamespace and c.relkind = 'r' and a.attname = 'patient_id'"
    )
    assert {row[0] for row in rows} == set(MOVED) | stays
