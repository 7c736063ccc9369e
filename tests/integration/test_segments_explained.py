"""Why a patient is in a segment, and for whom it is undecided: as SQL has it, without what is withheld, recorded."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import access_world
import pytest
from access_world import DELETED, FINCH, HERON, RULES, WREN, Api, World
from psycopg import RawCursor
from psycopg.types.json import Jsonb

from api.segments import explaining_repository, explaining_service
from infra.database import connect_admin
from infra.settings import settings
from orchestration.ingest.load import ingest
from orchestration.ingest.sources import Asset
from policies.segments.catalogue import CATALOGUE
from policies.segments.compiler import ActiveSegment, compile_verdicts
from policies.segments.missing import Missing, missing_by
from policies.segments.rule import Rule, to_json
from policies.segments.text import read
from tests.integration.test_segments_tried import newest_event, withdrawn

NORTH = "/v1/clinics/north/segments"
NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
PAIN = 'form="pain", question="score"'
PAINFUL = f"answers.latest({PAIN}) > 3"
Headers = dict[str, str]
TOO_LONG = {"place": "path.segment", "rule": "takes_too_long"}
CONSENT = {"lacking": "consent", "measure": None, "form": None, "question": None}
ANSWER = {"lacking": "answer", "measure": None, "form": "pain", "question": "score"}


@pytest.fixture(scope="module", autouse=True)
def _records(world: World) -> None:
    """Finch's at both clinics: the mart as of 4 March 2026."""
    for clinic in ("north", "south"):
        put = Mart(world, clinic)
        for day, status in (("2026-01-10", "noshow"), ("2026-02-20", "fulfilled"), ("2026-03-10", "booked")):
            put("raw_appointments", appointment_id=uuid4(), service="physio", modality="video", status=status,
                booked_on="2026-01-01", starts_on=day, starts_at=f"{day}T10:00+00")  # fmt: skip
        for status, due in (("pending", "2026-03-01"), ("completed", None)):
            put("raw_forms", form_id=uuid4(), template="pain", status=status, assigned_on="2026-02-01", due_on=due,
                completed_on="2026-02-03" if status == "completed" else None)  # fmt: skip
        for value in ({"number": 7.5}, {"choice": "mild"}, {"body": "Canary secret"}, {"day": "2025-12-24"}):
            put("raw_answers", answer_id=uuid4(), form_id=uuid4(), template="pain", question="score",
                answered_at="2026-02-03T10:00:00.123456+00", answered_on="2026-02-03", **value)  # fmt: skip
        for day, done in (("2026-03-01", 1), ("2026-03-02", 0), ("2026-04-01", 0)):
            put("raw_adherence", plan_id=UUID(int=1), day=day, prescribed=2, done=done)


class Mart:
    """Puts rows of Finch's into a clinic's mart."""

    def __init__(self, world: World, clinic: str) -> None:
        self._world, self._clinic = world, clinic

    def __call__(self, table: str, **columns: Any) -> None:
        row = {"patient_id": self._world.patients[self._clinic, FINCH], "version": 1, **columns}
        self._world.change(
            f"insert into clinic_{self._clinic}.{table} select * from jsonb_populate_record("
            f"null::clinic_{self._clinic}.{table}, %s)",
            json.dumps(row, default=str),
        )


@pytest.fixture
def ruled(world: World) -> Iterator[Any]:
    """Gives the segment `everybody` of a clinic another rule meanwhile."""

    def put(rule: Rule | str, clinic: str = "north") -> None:
        given = to_json(read(rule) if isinstance(rule, str) else rule)
        segment = world.segments[clinic, "everybody"]
        world.change(
            f"update clinic_{clinic}.segment_version set rule = %s where segment_id = %s", Jsonb(given), segment
        )

    yield put
    world.change(
        "update clinic_north.segment_version set rule = %s where segment_id = %s",
        Jsonb(RULES["everybody"]), world.segments["north", "everybody"],
    )  # fmt: skip


def explained(
    world: World, api: Api, headers: Headers, name: str = FINCH, segment: str = "everybody"
) -> dict[str, Any]:
    answer = api.get(f"{NORTH}/{segment}/patients/{world.patients['north', name]}/explanation", headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def undecided(api: Api, headers: Headers, segment: str = "everybody", **query: Any) -> dict[str, Any]:
    answer = api.get(f"{NORTH}/{segment}/undecided", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def lacked(found: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {patient["name"]: patient["missing"] for patient in found["patients"]}


def test_an_explanation_has_values_records_and_the_day_of_change(
    world: World, api: Api, manager: Headers, ruled: Any
) -> None:
    ruled(f'in_segment("elders") and (appointments.count(30d, status="fulfilled") > 0 or {PAINFUL})')
    found = explained(world, api, manager)
    assert (found["holds"], found["as_of"], found["name"]) == (True, "2026-03-04", FINCH)
    assert found["member"]["entered_by"] == "data" and found["missing"] == [] and found["changes"] is None
    elders, either = found["explanation"]["parts"]
    assert (elders["kind"], elders["segment"], elders["holds"]) == ("in_segment", "elders", True)
    assert found["named"]["elders"]["condition"]["value"] == 94
    seen, painful = either["parts"]
    assert seen["changes"] == {"on": "2026-03-22", "to": False}
    assert [(s["kind"], s["starts_on"], s["status"]) for s in seen["condition"]["sources"]] == [
        ("appointment", "2026-02-20", "fulfilled")
    ]
    assert (painful["condition"]["value"], painful["condition"]["text"]) == (7.5, PAINFUL)
    assert [source["number"] for source in painful["condition"]["sources"]] == [7.5]
    assert explained(world, api, manager, WREN)["missing"] == [ANSWER, CONSENT]
    assert found["stale"] is False
    world.change(
        "insert into clinic_north.dead_change (patient_id, entity, sqlstate, failed_at)"
        " values (%s, 'form', '22003', now())",
        world.patients["north", FINCH],
    )
    assert explained(world, api, manager)["stale"] is True
    world.change("delete from clinic_north.dead_change")


def test_an_explanation_says_of_every_measure_what_sql_says(
    world: World, api: Api, manager: Headers, ruled: Any
) -> None:
    conditions = [read(text) for text in _a_condition_each()]
    ruled(read(" or ".join(_a_condition_each())))
    segments = [ActiveSegment(UUID(int=n), n, rule, f"s{n}") for n, rule in enumerate(conditions)]
    compiled = compile_verdicts(segments)
    with connect_admin(world.server) as admin:
        admin.execute("set search_path = clinic_north")
        found = RawCursor(admin).execute(
            f"with {compiled.passes}known as (select raw_patients.patient_id, verdict.version, verdict.holds"
            f" from {compiled.source}) select * from known where $2::date is null order by version",
            ["2026-03-04", None, Jsonb(compiled.parameters)],
        )
        verdicts = found.fetchall()
    for name in (FINCH, WREN):
        of_sql = [holds for patient, _, holds in verdicts if patient == world.patients["north", name]]
        parts = explained(world, api, manager, name)["explanation"]["parts"]
        assert dict(zip(_a_condition_each(), [part["holds"] for part in parts], strict=True)) == dict(
            zip(_a_condition_each(), of_sql, strict=True)
        )
    # Of both there are enough to tell.
    assert len({*of_sql}) == 3


def _a_condition_each() -> list[str]:
    found = []
    for name, measure in CATALOGUE.items():
        arguments = ["1y"] if measure.needs_window else []
        arguments += [f'{key}="{value}"' for key, value in (("form", "pain"), ("question", "score"))
                      if key in measure.arguments and measure.arguments[key].required]  # fmt: skip
        compared = {"number": ">= 1", "text": '!= "mild"', "date": "> 2026-01-15", "text_set": 'contains any ["mild"]'}
        asked = name + (f"({', '.join(arguments)})" if arguments else "")
        found += [f"{asked} {compared[measure.type]}", f"{asked} is known"]
    return found


def test_what_a_patient_wrote_is_not_shown(world: World, api: Api, manager: Headers, ruled: Any) -> None:
    ruled(f'answers.latest_text({PAIN}) starts with "Canary s"')
    found = explained(world, api, manager)
    condition = found["explanation"]["condition"]
    assert (found["holds"], condition["value"], condition["shown"], condition["missing"]) == (True, None, False, None)
    assert [source["kind"] for source in condition["sources"]] == ["answer"]
    assert "Canary secret" not in json.dumps(found)


def test_of_an_open_form_it_is_known_when_it_expires(world: World, api: Api, manager: Headers, ruled: Any) -> None:
    form, finch = world.items["north", "form"], world.patients["north", FINCH]
    Mart(world, "north")("raw_forms", form_id=form, template="i", status="pending", assigned_on="2026-01-01")
    expires = "update operational.form set expires_on = %s where form_id = %s"
    for rule, holds in (('forms.pending(form="i") = 1', True), ('forms.expired(form="i") = 1', False)):
        ruled(rule)
        for until, changes in (
            (None, None),
            ("2026-03-04", {"on": "2026-03-05", "to": not holds}),
            ("2026-06-30", {"on": "2026-07-01", "to": not holds}),
            ("2046-06-30", None),
            # It has expired, and is still to be brought: until then members stand for what the mart holds.
            ("2026-03-03", None),
        ):
            world.change(expires, until, form)
            found = explained(world, api, manager)
            assert (found["holds"], found["changes"]) == (holds, changes), (rule, until)
    world.change(expires, None, form)
    world.change("delete from clinic_north.raw_forms where form_id = %s and patient_id = %s", form, finch)


@pytest.mark.check(12)
@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_no_explanation_consults_a_profile_that_is_withheld(
    world: World, api: Api, manager: Headers, ruled: Any, how: str
) -> None:
    ruled('age > 65 and sex = "female"')
    assert explained(world, api, manager)["holds"] is True
    with withdrawn(world, how):
        assert world.look("select birth_date from clinic_north.raw_patients where profile_shared") != []
        for segment in ("everybody", "elders"):
            found = explained(world, api, manager, segment=segment)
            assert (found["holds"], found["missing"], found["member"]) == (None, [CONSENT], None)
            assert not {"94", "female", access_world.BIRTH} & set(json.dumps(found["explanation"]).split('"'))
            assert categories(world) == ["clinical", "identifier", "membership", "name"]
            listed = undecided(api, manager, segment)
            assert lacked(listed) == {FINCH: [CONSENT], WREN: [CONSENT]} and listed["total"] == 2
            assert categories(world) == ["clinical", "identifier", "membership", "name"]
    assert lacked(undecided(api, manager)) == {WREN: [CONSENT]}


def categories(world: World) -> list[str]:
    (found,), *_ = world.look("select categories from audit.access_event order by occurred_at desc limit 1")
    return list(found)


@pytest.mark.check(12)
def test_an_attribute_that_is_not_shared_moves_nothing(world: World, api: Api, manager: Headers) -> None:
    def seen() -> list[Any]:
        return [explained(world, api, manager, WREN, "elders"), undecided(api, manager, "elders")]

    before = seen()
    world.change("update operational.profile set birth_date = '2010-01-01' where person_id = %s", world.people[WREN])
    ingest(world.server, "north", Asset.PATIENTS, uuid4())
    assert seen() == before


def test_the_undecided_are_counted_by_what_they_lack(world: World, api: Api, manager: Headers, ruled: Any) -> None:
    ruled(f'(age > 65 and blood_type != "A+") or ({PAINFUL} and answers.max({PAIN}) < 2)')
    found = undecided(api, manager)
    blood = {"lacking": "profile", "measure": "blood_type", "form": None, "question": None}
    assert lacked(found) == {FINCH: [blood], WREN: [ANSWER, CONSENT]} and found["total"] == 2
    assert [(each["lacking"], each["patients"]) for each in found["missing"]] == [
        ("answer", 1), ("consent", 1), ("profile", 1),
    ]  # fmt: skip
    ruled("registration.days > 0")
    assert undecided(api, manager) | {"as_of": None} == {
        "segment": "everybody", "version": 1, "as_of": None, "total": 0, "missing": [], "patients": [], "next": None,
    }  # fmt: skip


def test_pages_of_the_undecided_are_whole_and_in_order(world: World, api: Api, manager: Headers, ruled: Any) -> None:
    ruled('blood_type = "A+"')
    first = undecided(api, manager, limit=1)
    second = undecided(api, manager, limit=1, cursor=first["next"])
    ids = [patient["patient_id"] for page in (first, second) for patient in page["patients"]]
    assert ids == sorted(str(world.patients["north", name]) for name in (FINCH, WREN))
    assert (first["total"], second["total"], second["next"]) == (2, 2, None)
    cursors = [first["next"], "made-up", api.get(f"{NORTH}/elders/members?limit=1", headers=manager).json()["next"]]
    answers = [
        api.get(f"{NORTH}/elders/undecided", headers=manager, params={"cursor": cursor}) for cursor in cursors if cursor
    ]
    assert len(answers) == 3 and {answer.content for answer in answers} == {answers[0].content}
    assert (answers[0].status_code, answers[0].json()) == (404, NOT_THERE)


def test_what_judges_by_the_members_day_judges_by_that_of_the_moment(world: World, api: Api, manager: Headers) -> None:
    south = access_world.sign_in(api, "manager.south")

    def days() -> list[str]:
        tried = [
            api.post(f"/v1/clinics/{path}", headers=headers, json={"rule": "age > 65"}).json()["as_of"]
            for path, headers in (
                ("north/segments/preview", manager), ("north/segments/elders/diff", manager),
                ("south/segments/preview", south),
            )
        ]  # fmt: skip
        return [explained(world, api, manager)["as_of"], undecided(api, manager)["as_of"], *tried]

    assert days() == ["2026-03-04"] * 5
    world.change("update pipeline.mart_state set as_of = '2026-03-05' where clinic = 'north'")
    moved = days()
    world.change("update pipeline.mart_state set as_of = '2026-03-04' where clinic = 'north'")
    assert moved == ["2026-03-05"] * 4 + ["2026-03-04"]


def test_what_is_missing_is_looked_for_beside_the_thread_that_serves(
    api: Api, manager: Headers, ruled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []

    def looks(*asked: Any, shared: bool) -> list[Missing]:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        looked.append(shared)
        return missing_by(*asked, shared=shared)

    monkeypatch.setattr(explaining_service, "missing_by", looks)
    ruled('blood_type = "A+"')
    assert len(undecided(api, manager, limit=1)["patients"]) == 1
    assert sorted(looked) == [False, True]


@pytest.mark.check(41)
def test_more_of_the_undecided_than_can_be_looked_at_are_refused_and_disclose_nobody(
    world: World, api: Api, manager: Headers, ruled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled('blood_type = "A+"')
    monkeypatch.setattr(explaining_repository, "MOST_VERDICTS", 1)
    answer = api.get(f"{NORTH}/everybody/undecided", headers=manager)
    assert (answer.status_code, answer.json()["errors"]) == (422, [TOO_LONG])
    assert newest_event(world) == ("segment.undecided", "everybody", [])
    assert undecided(api, manager, "elders")["total"] == 1
    monkeypatch.setattr(explaining_repository, "MOST_VERDICTS", 2)
    assert undecided(api, manager)["total"] == 2


@pytest.mark.check(41)
def test_undecided_that_take_the_database_too_long_are_refused_and_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOISTER_STATEMENT_TIMEOUT_MS", "200")
    settings.cache_clear()
    with access_world.client(world.server) as api, connect_admin(world.server) as admin:
        headers = access_world.sign_in(api, "manager.north")
        with admin.transaction():
            admin.execute("lock table clinic_north.raw_patients in access exclusive mode")
            answer = api.get(f"{NORTH}/elders/undecided", headers=headers)
        assert (answer.status_code, answer.json()["errors"]) == (422, [TOO_LONG])
        assert undecided(api, headers, "elders")["total"] == 1


@pytest.mark.check(21)
def test_each_patient_who_is_explained_or_undecided_is_in_the_log(
    world: World, api: Api, manager: Headers, ruled: Any
) -> None:
    finch, wren = (world.patients["north", name] for name in (FINCH, WREN))
    explained(world, api, manager, WREN, "elders")
    assert newest_event(world) == ("segment.explain", "elders", [wren])
    assert categories(world) == ["clinical", "identifier", "membership", "name"]
    explained(world, api, manager, FINCH, "elders")
    assert newest_event(world) == ("segment.explain", "elders", [finch])
    assert categories(world) == ["clinical", "identifier", "membership", "name", "profile"]
    explained(world, api, manager, FINCH)
    assert categories(world) == ["clinical", "identifier", "membership", "name"]
    undecided(api, manager, "elders")
    assert newest_event(world) == ("segment.undecided", "elders", [wren])
    ruled('blood_type = "A+"')
    undecided(api, manager, limit=1)
    assert newest_event(world) == ("segment.undecided", "everybody", [min(finch, wren)])
    assert undecided(api, manager, "empty")["patients"] == []
    assert newest_event(world) == ("segment.undecided", "empty", [])
    assert api.get(f"{NORTH}/elders/patients/{uuid4()}/explanation", headers=manager).status_code == 404
    assert newest_event(world) == ("segment.explain", "elders", [])
    decision = world.look("select decision from audit.access_event order by occurred_at desc limit 1")
    assert decision == [("deny",)]


@pytest.mark.check(9)
def test_nothing_of_the_other_clinic_is_explained(world: World, api: Api, manager: Headers) -> None:
    north, south = world.patients["north", FINCH], world.patients["south", FINCH]
    nobody = api.get(f"{NORTH}/everybody/patients/{uuid4()}/explanation", headers=manager)
    assert (nobody.status_code, nobody.json()) == (404, NOT_THERE)
    for path in (
        f"north/segments/everybody/patients/{south}", f"north/segments/everybody/patients/{world.people[FINCH]}",
        f"south/segments/everybody/patients/{south}", f"south/segments/everybody/patients/{north}",
        f"north/segments/nothing/patients/{north}", "north/segments/everybody/patients/nobody",
    ):  # fmt: skip
        answer = api.get(f"/v1/clinics/{path}/explanation", headers=manager)
        assert (answer.status_code, answer.content) == (404, nobody.content), path
    assert api.get("/v1/clinics/south/segments/elders/undecided", headers=manager).content == nobody.content
    theirs = [str(patient) for (clinic, _), patient in world.patients.items() if clinic == "south"] + [HERON]
    answers = [undecided(api, manager, "elders"), explained(world, api, manager)]
    assert not [item for item in theirs for answer in answers if item in json.dumps(answer)]


@pytest.mark.check(34)
def test_what_is_deleted_explains_nothing(fresh: World) -> None:
    for asset in Asset:
        ingest(fresh.server, "north", asset, uuid4())
    with access_world.client(fresh.server) as api:
        manager = access_world.sign_in(api, "manager.north")
        rule = Jsonb({"measure": "appointments.count", "op": ">", "value": 0})
        fresh.change("update clinic_north.segment_version set rule = %s", rule)
        before = explained(fresh, api, manager)["explanation"]["condition"]
        assert before["value"] == len(before["sources"]) > 0
        gone = before["sources"][0]["appointment_id"]
        fresh.change(f"update operational.appointment set {DELETED} where appointment_id = %s", gone)
        ingest(fresh.server, "north", Asset.APPOINTMENTS, uuid4())
        found = explained(fresh, api, manager)["explanation"]["condition"]
        assert found["value"] == before["value"] - 1 and gone not in json.dumps(found)
        finch = fresh.patients["north", FINCH]
        fresh.change(f"update operational.registration set {DELETED} where patient_id = %s", finch)
        ingest(fresh.server, "north", Asset.PATIENTS, uuid4())
        answer = api.get(f"{NORTH}/everybody/patients/{finch}/explanation", headers=manager)
        assert (answer.status_code, answer.json()) == (404, NOT_THERE)
        fresh.change("update clinic_north.segment_version set rule = %s", Jsonb(to_json(read('blood_type = "A+"'))))
        assert list(lacked(undecided(api, manager))) == [WREN]
