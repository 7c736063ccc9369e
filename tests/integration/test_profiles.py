"""A clinic sees a name; the rest of a profile only while the patient shares it, and only who treats them."""

import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import BIRTH, CONTACTS, DELETED, FINCH, HERON, WREN, Api, World

from api import accounts
from infra.errors import InvalidInput
from policies.classification import ProfileField, needs_consent
from tests.integration.live_twins import evaluate, load

PROFILE = "/v1/clinics/{}/patients/{}/profile"
NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
NEWEST = (
    "select decision, resource_type, resource_id, clinic_id, patients, categories, policies, role, purpose,"
    " consent_event_id, acting_for, event_id from audit.access_event where action = 'profile.read'"
    " order by occurred_at desc limit 1"
)
WITHHELD = {field.value for field in ProfileField if needs_consent(field)}


def key(world: World, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.keys[name]}"}


def read(api: Api, headers: dict[str, str], clinic: str, patient: object) -> Any:
    return api.get(PROFILE.format(clinic, patient), headers=headers)


def shown(api: Api, headers: dict[str, str], clinic: str, patient: object) -> dict[str, Any]:
    answer = read(api, headers, clinic, patient)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def standing(world: World, clinic: str, name: str) -> UUID:
    ((event,),) = world.look(
        "select event_id from operational.consent where clinic_id = %s and person_id = %s"
        " and purpose = 'profile_sharing' and state = 'signed'",
        world.clinic_ids[clinic], world.people[name],
    )  # fmt: skip
    return UUID(str(event))


@pytest.mark.check(21)
def test_a_specialist_reads_the_shared_profile_of_an_own_patient(world: World, api: Api) -> None:
    headers, patient = access_world.sign_in(api, "specialist.north"), world.patients["north", FINCH]
    assert shown(api, headers, "north", patient) == {
        "patient_id": str(patient), "name": FINCH, "birth_date": BIRTH, "sex": "female", "blood_type": None,
        "allergies": None, "chronic_conditions": None, "insurance_type": "x", "insurance_payer": None, **CONTACTS,
    }  # fmt: skip
    *event, event_id = world.look(NEWEST)[0]
    assert event == [
        "permit", "patient", None, world.clinic_ids["north"], 1, ["contact", "identifier", "name", "profile"],
        ["specialist-reads-own-patients"], "specialist", "care", standing(world, "north", FINCH), None,
    ]  # fmt: skip
    disclosed = world.look("select patient_id, clinic_id from audit.disclosure where event_id = %s", event_id)
    assert disclosed == [(patient, world.clinic_ids["north"])]


@pytest.mark.check(11)
@pytest.mark.parametrize("caller", ["specialist.north", "north.contact"])
def test_unsigned_a_patient_is_a_name(world: World, api: Api, caller: str) -> None:
    headers = key(world, caller) if caller in world.keys else access_world.sign_in(api, caller)
    assert shown(api, headers, "north", world.patients["north", WREN]) == {
        "patient_id": str(world.patients["north", WREN]), "name": WREN,
    }  # fmt: skip
    event = world.look(NEWEST)[0]
    assert (event[0], event[4], event[5], event[9]) == ("permit", 1, ["identifier", "name"], None)


@pytest.mark.check(13)
@pytest.mark.parametrize("caller", ["specialist.south", "south.contact"])
def test_signed_for_one_clinic_the_other_sees_the_name_alone(world: World, api: Api, caller: str) -> None:
    headers = key(world, caller) if caller in world.keys else access_world.sign_in(api, caller)
    patient = world.patients["south", FINCH]
    assert shown(api, headers, "south", patient) == {"patient_id": str(patient), "name": FINCH}


AHEAD = datetime.max.replace(tzinfo=UTC)


@pytest.mark.check(17)
@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("revoked", {}),
        ("signed", {"expires_at": datetime(2026, 2, 1, tzinfo=UTC), "occurred_at": datetime(2026, 1, 2, tzinfo=UTC)}),
        ("signed", {"occurred_at": AHEAD}),
    ],
    ids=["revoked", "expired", "ahead of time"],
)
def test_a_consent_that_does_not_stand_shows_nothing(fresh: World, kind: str, other: dict[str, Any]) -> None:
    with access_world.client(fresh.server) as api:
        headers, patient = access_world.sign_in(api, "specialist.north"), fresh.patients["north", FINCH]
        assert set(shown(api, headers, "north", patient)) > WITHHELD
        # From when it is signed: tests are collected long before some run.
        times = {
            name: at if at is not AHEAD else datetime.now(UTC) + timedelta(minutes=4) for name, at in other.items()
        }
        fresh.consent("north", FINCH, kind, **times)
        assert set(shown(api, headers, "north", patient)) == {"patient_id", "name"}


def test_a_tombstone_alone_hides_a_profile(fresh: World) -> None:
    """Even where the consent's state says otherwise, as it may for a moment in another transaction's eyes."""
    with access_world.client(fresh.server) as api:
        headers, patient = access_world.sign_in(api, "specialist.north"), fresh.patients["north", FINCH]
        assert "phone" in shown(api, headers, "north", patient)
        fresh.change("update operational.profile_tombstone set cleared_at = null where patient_id = %s", patient)
        assert set(shown(api, headers, "north", patient)) == {"patient_id", "name"}
        fresh.consent("north", FINCH)
        assert "phone" in shown(api, headers, "north", patient)


@pytest.mark.check(6)
@pytest.mark.check(7)
def test_not_yours_not_there_and_no_id_at_all_are_one_answer(world: World, api: Api) -> None:
    headers = access_world.sign_in(api, "specialist.north")
    ids = [world.patients["south", HERON], world.patients["south", FINCH], uuid4(), "no-id", "%00", "1", "a'b",
           str(world.people[FINCH])]  # fmt: skip
    answers = [read(api, headers, "north", patient) for patient in ids]
    answers += [read(api, headers, clinic, world.patients["south", HERON]) for clinic in ("south", "nowhere", "%00")]
    answers += [read(api, access_world.sign_in(api, "other.north"), "north", world.patients["north", FINCH])]
    answers += [api.get("/v1/no/such/route", headers=headers)]
    assert {(a.status_code, a.content) for a in answers} == {(404, answers[0].content)}
    assert answers[0].json() == NOT_THERE
    assert {frozenset(a.headers) for a in answers} == {frozenset(answers[0].headers)}


@pytest.mark.check(21)
@pytest.mark.parametrize("patient", ["heron", "nobody", "no-id"])
def test_a_read_of_nobody_is_a_denied_event_of_no_patient(world: World, api: Api, patient: str) -> None:
    ids = {"heron": world.patients["south", HERON], "nobody": uuid4()}
    before = world.look("select count(*) from audit.disclosure")
    read(api, access_world.sign_in(api, "specialist.north"), "north", ids.get(patient, patient))
    event = world.look(NEWEST)[0]
    assert event[:5] == ("deny", "patient", None, world.clinic_ids["north"], 0)
    assert event[5:7] == ([], [])
    assert world.look("select count(*) from audit.disclosure") == before


def test_an_own_patient_is_one_of_an_appointment_or_a_plan(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers, patient = access_world.sign_in(api, "specialist.north"), fresh.patients["north", WREN]
        assert read(api, headers, "north", patient).status_code == 200
        fresh.change("update operational.appointment set status = 'cancelled' where patient_id = %s", patient)
        assert read(api, headers, "north", patient).status_code == 404
        fresh.change(
            "insert into operational.treatment_plan (clinic_id, patient_id, title, prescribed_by, starts_on)"
            " values (%s, %s, 'P', 'Dr. North', '2026-01-01')",
            fresh.clinic_ids["north"], patient,
        )  # fmt: skip
        assert read(api, headers, "north", patient).status_code == 200
        fresh.change("update operational.specialist_name set unlinked_at = now() where name = 'Dr. North'")
        assert read(api, headers, "north", patient).status_code == 404


def test_deleted_at_the_clinic_is_not_there(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers, patient = access_world.sign_in(api, "specialist.north"), fresh.patients["north", FINCH]
        fresh.change(f"update operational.registration set {DELETED} where patient_id = %s", patient)
        assert read(api, headers, "north", patient).json() == NOT_THERE


def test_a_key_reads_the_fields_of_its_scope(world: World, api: Api) -> None:
    finch = world.patients["north", FINCH]
    found = shown(api, key(world, "north.profile"), "north", finch)
    assert found == {"patient_id": str(finch), "name": FINCH, "birth_date": BIRTH, "sex": "female",
                     "insurance_type": "x"}  # fmt: skip
    assert shown(api, key(world, "north"), "north", finch) == {"patient_id": str(finch)}
    assert read(api, key(world, "north.elders"), "north", finch).json() == NOT_THERE
    assert read(api, key(world, "south.contact"), "north", finch).json() == NOT_THERE


def test_a_key_for_messages_sees_who_agreed_to_both(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers, patient = key(fresh, "north.messages"), fresh.patients["north", FINCH]
        assert read(api, headers, "north", patient).json() == NOT_THERE
        fresh.consent("north", FINCH, purpose="communications")
        assert set(shown(api, headers, "north", patient)) == {"patient_id", "name", "phone"}
        fresh.consent("north", FINCH, "revoked")
        assert read(api, headers, "north", patient).json() == NOT_THERE


def test_the_purpose_asked_for_decides_and_is_recorded(world: World, api: Api) -> None:
    headers, patient = access_world.sign_in(api, "specialist.north"), world.patients["north", FINCH]
    assert shown(api, {**headers, "Purpose-Of-Use": "care"}, "north", patient)["name"] == FINCH
    for purpose in ("operations", "audit", "communications", "patient_request"):
        answer = read(api, {**headers, "Purpose-Of-Use": purpose}, "north", patient)
        assert (answer.status_code, answer.json()) == (404, NOT_THERE)
        assert world.look(NEWEST)[0][8] == purpose
    unknown = read(api, {**headers, "Purpose-Of-Use": "Canary"}, "north", patient)
    assert (unknown.status_code, "Canary" in unknown.text) == (422, False)
    assert read(api, {**key(world, "north.contact"), "Purpose-Of-Use": "audit"}, "north", patient).status_code == 404


@pytest.mark.check(12)
def test_unconsented_attributes_move_no_count(fresh: World, running: Api) -> None:
    """Nor do they make anybody a member, as the same ones do once they are shared."""
    manager = access_world.sign_in(running, "manager.south")
    fresh.change("delete from clinic_south.segment_member")  # whom no run has put there

    def counted(born: str, sex: str) -> list[Any]:
        fresh.change("update operational.profile set birth_date = %s, sex = %s, allergies = '{nuts}'"
                     " where person_id = %s", born, sex, fresh.people[HERON])  # fmt: skip
        load(fresh.server, "south")
        evaluate(fresh.server, "south", date(2026, 3, 4))
        asked = ("segments", "segments/elders", "segments/elders/members")
        return [running.get(f"/v1/clinics/south/{path}", headers=manager).json() for path in asked]

    assert counted("1999-09-09", "male") == counted(BIRTH, "female")
    fresh.consent("south", HERON)
    assert counted("1999-09-09", "male") != counted(BIRTH, "female")


@pytest.mark.check(12)
def test_unconsented_attributes_are_no_filter(world: World, api: Api) -> None:
    """What a clinic cannot see cannot be asked for: nothing sorts, filters or searches by it."""
    manager = access_world.sign_in(api, "manager.south")
    members = "/v1/clinics/south/segments/everybody/members"
    for query in ("sort=birth_date", "order=-phone", "birth_date=1931-05-17", "q=Canary", "fields=birth_date",
                  "filter=sex eq female", "search=%2B49"):  # fmt: skip
        answer = api.get(f"{members}?{query}", headers=manager)
        assert (answer.status_code, answer.json()["errors"][0]["rule"]) == (422, "unknown_parameter")
    parameters = {
        name for path in api.get("/v1/openapi.json").json()["paths"].values() for verb in path.values()
        for name in [parameter["name"] for parameter in verb.get("parameters", [])]
    }  # fmt: skip
    assert not parameters & WITHHELD


@pytest.mark.check(22)
@pytest.mark.parametrize("table", ["access_event", "disclosure"])
def test_a_profile_that_cannot_be_recorded_is_not_shown(fresh: World, table: str) -> None:
    with access_world.client(fresh.server) as api:
        headers, patient = access_world.sign_in(api, "specialist.north"), fresh.patients["north", FINCH]
        fresh.change(f"revoke insert on audit.{table} from {fresh.server.roles.prefix}_viewer")
        answer = read(api, headers, "north", patient)
        assert (answer.status_code, FINCH in answer.text) == (503, False)
        assert fresh.look("select count(*) from audit.disclosure") == [(0,)]
        assert fresh.look("select 1 from audit.access_event where action = 'profile.read'") == []


@pytest.mark.check(36)
def test_somebody_elses_ciphertext_fails_instead_of_showing(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        headers, patient = access_world.sign_in(api, "specialist.north"), fresh.patients["north", FINCH]
        fresh.change("update operational.profile set phone = email where person_id = %s", fresh.people[FINCH])
        answer = read(api, headers, "north", patient)
        assert (answer.status_code, "canary" in answer.text) == (500, False)


@pytest.mark.check(14)
def test_no_read_begun_after_a_revocation_committed_shows_the_profile(fresh: World) -> None:
    """1,000 reads by eight clients, while the consent is revoked in the midst of them."""
    began: list[tuple[datetime, bool]] = []
    with access_world.client(fresh.server) as api:
        headers, path = (
            access_world.sign_in(api, "specialist.north"),
            PROFILE.format("north", fresh.patients["north", FINCH]),
        )

        def reading() -> None:
            with access_world.Api(base_url=api.base_url, timeout=60) as own:
                for _ in range(125):
                    at = datetime.now(UTC)
                    began.append((at, "birth_date" in own.get(path, headers=headers).json()))

        threads = [threading.Thread(target=reading) for _ in range(8)]
        for thread in threads:
            thread.start()
        while len(began) < 300:
            time.sleep(0.001)
        fresh.consent("north", FINCH, "revoked")
        committed = datetime.now(UTC)
        for thread in threads:
            thread.join()
    assert len(began) == 1000
    assert [seen for at, seen in began if at > committed and seen] == []
    # Both sides of the moment were seen, or nothing was tried.
    assert sum(at > committed for at, _ in began) > 50
    assert sum(seen for _, seen in began) > 50


def test_a_specialists_name_is_one_accounts_and_moves_with_an_event(fresh: World) -> None:
    for login, clinic in (("staff.north", "north"), ("specialist.south", "north"), ("nobody", "north"),
                          ("specialist.north", "nowhere")):  # fmt: skip
        with pytest.raises(InvalidInput):
            accounts.link_specialist(fresh.server, login, clinic, "Dr. North")
    with access_world.client(fresh.server) as api:
        patient = fresh.patients["north", FINCH]
        before, after = (access_world.sign_in(api, f"{name}.north") for name in ("specialist", "other"))
        assert [read(api, who, "north", patient).status_code for who in (before, after)] == [200, 404]
        accounts.link_specialist(fresh.server, "other.north", "north", "Dr. North")
        assert [read(api, who, "north", patient).status_code for who in (before, after)] == [404, 200]
    ((events,),) = fresh.look("select count(*) from audit.access_event where action = 'specialist.link'")
    assert events == 3
