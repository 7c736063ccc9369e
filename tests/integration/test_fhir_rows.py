"""What visits and answers of FHIR become, literally: a resource in, a row out, of each status."""

from datetime import UTC, date, datetime
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from test_crash import kill_at_gate
from test_fhir_import import _ndjson, _patient, take, told_of

from infra.database import Server, connect_admin
from infra.errors import Refused
from infra.settings import Mode
from tests.integration.gate import hanging
from tests.integration.importing import facts, quarantined, versions

Body = dict[str, Any]
P1 = {"reference": "Patient/p1"}
MAPPING: Body = {"clinics": {"default": "north"}, "registered_on": "2024-01-01", "time_zone": "Europe/Berlin"}
APPOINTMENT: Body = {
    "resourceType": "Appointment", "start": "2024-03-10T23:30:00Z", "end": "2024-03-11T00:00:00Z",
    "created": "2024-03-01T23:30:00Z", "serviceType": [{"coding": [{"code": "57", "display": "Physiotherapy"}]}],
    "participant": [{"actor": P1}, {"actor": {"reference": "Practitioner/d1", "display": "Dr. North"}}],
}  # fmt: skip
ENCOUNTER: Body = {
    "resourceType": "Encounter", "class": {"code": "AMB"}, "type": [{"text": "Check-up"}], "subject": P1,
    "period": {"start": "2024-03-10T08:00:00+01:00", "end": "2024-03-10T08:30:00+01:00"},
    "participant": [{"individual": {"display": "Dr. South"}}],
}  # fmt: skip
VISIT = {
    "Appointment": (APPOINTMENT, ("Physiotherapy", "in_person", "Dr. North", date(2024, 3, 2), date(2024, 3, 11),
                                  datetime(2024, 3, 10, 23, 30, tzinfo=UTC))),
    "Encounter": (ENCOUNTER, ("Check-up", "in_person", "Dr. South", date(2024, 3, 10), date(2024, 3, 10),
                              datetime(2024, 3, 10, 7, 0, tzinfo=UTC))),
}  # fmt: skip
# None: left out, and counted as what it is.
STATUSES: dict[str, dict[str, str | None]] = {
    "Appointment": {"proposed": "booked", "pending": "booked", "booked": "booked", "waitlist": "booked",
                    "arrived": "arrived", "checked-in": "arrived", "fulfilled": "fulfilled", "cancelled": "cancelled",
                    "noshow": "noshow", "entered-in-error": None},
    "Encounter": {"planned": "booked", "arrived": "arrived", "triaged": "arrived", "in-progress": "arrived",
                  "onleave": "arrived", "unknown": "arrived", "finished": "fulfilled", "cancelled": "cancelled",
                  "entered-in-error": None},
}  # fmt: skip


@pytest.mark.parametrize("kind", STATUSES)
def test_a_visit_of_each_status(server: Server, admin: psycopg.Connection, tmp_path: Path, kind: str) -> None:
    body, told = VISIT[kind]
    visits = [{**body, "id": status, "status": status} for status in STATUSES[kind]]
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1"), *visits, {**body, "id": "none", "status": "dreaming"}])
    (report,) = take(server, MAPPING, path)
    rows = admin.execute(
        "select split_part(source_id, '/', 2), status, service, modality, specialist, booked_on, starts_on, starts_at"
        " from operational.appointment"
    ).fetchall()
    expected = [(status, ours, *told) for status, ours in STATUSES[kind].items() if ours]
    assert sorted(rows) == sorted(expected)
    assert dict(report.left) == {f"{kind} that is entered-in-error": 1}
    assert report.told == [(len(visits) + 2, "status: is none of R4")]


def test_visits_of_a_day_by_video_or_without_what_may_be_absent(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    bare = {"resourceType": "Appointment", "status": "booked", "participant": [{"actor": P1}]}
    visits = [
        {**bare, "id": "day", "start": "2024-03-10", "created": "2024-03-01"},
        {**bare, "id": "video", "start": "2024-03-10T08:00:00Z", "serviceType": [{"coding": [{"code": "VR"}]}]},
        {**ENCOUNTER, "id": "call", "status": "finished", "class": {"code": "VR"}},
        {**ENCOUNTER, "id": "of", "status": "finished", "appointment": [{"reference": "Appointment/day"}]},
        {**bare, "id": "never"},
        {**ENCOUNTER, "id": "nobody", "status": "finished", "subject": {"reference": "Group/g1"}},
    ]
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), *visits]))
    rows = admin.execute(
        "select source_id, service, modality, specialist, booked_on, starts_on, starts_at is null"
        " from operational.appointment order by 1"
    ).fetchall()
    tenth = date(2024, 3, 10)
    assert rows == [
        ("Appointment/day", "consultation", "in_person", None, date(2024, 3, 1), tenth, True),
        ("Appointment/video", "VR", "video", None, tenth, tenth, False),
        ("Encounter/call", "Check-up", "video", "Dr. South", tenth, tenth, False),
    ]
    assert dict(report.left) == {"Encounter of an Appointment": 1}
    assert report.told == [(6, "start: is missing"), (7, "subject: names no patient")]


ANSWERS: list[tuple[Body, tuple[Any, ...]]] = [
    ({"valueInteger": 7}, (7, None, None, None)),
    ({"valueQuantity": {"value": 2.5, "code": "{score}"}}, (2.5, None, None, None)),
    ({"valueBoolean": False}, (None, "no", None, None)),
    ({"valueCodeableConcept": {"coding": [{"code": "LA13038-7", "display": "Low"}]}}, (None, "LA13038-7", None, None)),
    ({"valueString": "canary words"}, (None, None, "canary words", None)),
    ({"valueDateTime": "2024-03-01"}, (None, None, "2024-03-01", None)),
]
SURVEY: Body = {
    "resourceType": "Observation", "subject": P1, "effectiveDateTime": "2024-03-05T23:30:00Z",
    "category": [{"coding": [{"code": "survey"}]}],
    "code": {"coding": [{"system": "http://loinc.org", "code": "55758-7"}]},
}  # fmt: skip
FORM = (
    "select split_part(f.source_id, '/', 2), f.template, f.status, f.assigned_on, f.completed_at, a.question,"
    " a.answered_at, a.number, a.choice, a.body, a.day"
    " from operational.form as f left join operational.form_answer as a using (clinic_id, form_id) order by f.source_id"
)


def test_a_survey_observation_is_a_form_with_one_answer(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    said = [{**SURVEY, "id": str(n), "status": "final", **value} for n, (value, _) in enumerate(ANSWERS)]
    never = ("registered", "cancelled", "entered-in-error")
    left = [{**SURVEY, "id": status, "status": status, "valueInteger": 1} for status in never]
    left.append({**SURVEY, "id": "parts", "status": "final", "component": [{"valueInteger": 1}]})
    left.append({**SURVEY, "id": "lab", "status": "final", "category": [], "valueInteger": 1})
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), *said, *left]))
    at = datetime(2024, 3, 5, 23, 30, tzinfo=UTC)
    assert admin.execute(FORM).fetchall() == [
        (str(n), "loinc-55758-7", "completed", date(2024, 3, 6), at, "score", at, *answer)
        for n, (_, answer) in enumerate(ANSWERS)
    ]
    assert report.refused == 0
    assert dict(report.left) == {
        **{f"Observation that is {status}": 1 for status in never},
        "Observation without a value of its own": 1, "Observation that answers no question": 1,
    }  # fmt: skip


RESPONSE: Body = {
    "resourceType": "QuestionnaireResponse", "subject": P1, "authored": "2024-03-05T23:30:00Z",
    "questionnaire": "https://example.org/Questionnaire/Sleep Diary|2",
    "item": [{"linkId": "hours", "answer": [{"valueDecimal": 7.5}]}],
}  # fmt: skip
FILLED = {"completed": "completed", "amended": "completed", "in-progress": "in_progress", "entered-in-error": None,
          "stopped": None}  # fmt: skip


def test_a_questionnaire_response_of_each_status_is_a_form(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    responses = [{**RESPONSE, "id": status, "status": status} for status in FILLED]
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), *responses]))
    at = datetime(2024, 3, 5, 23, 30, tzinfo=UTC)
    assert admin.execute(FORM).fetchall() == [
        (status, "sleep-diary", ours, date(2024, 3, 6), at if ours == "completed" else None, "hours", at, 7.5,
         None, None, None)
        for status, ours in sorted(FILLED.items()) if ours
    ]  # fmt: skip
    assert dict(report.left) == {"QuestionnaireResponse that is neither filled in nor begun": 2}


@pytest.mark.check(53)
@pytest.mark.parametrize("mode", [Mode.PRODUCTION, Mode.DEMO])
def test_consents_are_assumed_in_demo_mode_alone(
    server: Server, admin: psycopg.Connection, tmp_path: Path, mode: Mode
) -> None:
    path, mapping = _ndjson(tmp_path / "all.ndjson", [_patient("p1")]), {**MAPPING, "consent": "assumed"}
    if mode is Mode.PRODUCTION:
        with pytest.raises(Refused, match="works in demo mode only"):
            take(server, mapping, path, mode=mode)
        assert admin.execute("select count(*) from operational.person").fetchone() == (0,)
    else:
        take(server, mapping, path, mode=mode)
    states = admin.execute("select distinct state from operational.consent").fetchall()
    assert states == ([("signed",)] if mode is Mode.DEMO else [])


def _set() -> list[Body]:
    """Two patients with something of every kind."""
    found: list[Body] = []
    for own in ("p1", "p2"):
        subject = {"subject": {"reference": f"Patient/{own}"}}
        plan = {"basedOn": [{"reference": f"CarePlan/c{own}"}]}
        actor = {"participant": [{"actor": subject["subject"]}]}
        found += [
            _patient(own, birth="2020-01-02"),
            {"resourceType": "RelatedPerson", "id": f"r{own}", "patient": subject["subject"],
             "relationship": [{"coding": [{"code": "MTH"}]}], "name": [{"text": f"Canary Mother of {own}"}]},
            {"resourceType": "Condition", "id": f"k{own}", **subject, "code": {"text": f"asthma {own}"}},
            {**APPOINTMENT, **actor, "id": f"a{own}", "status": "noshow"},
            *({**ENCOUNTER, **subject, "id": f"e{own}{n}", "status": "finished"} for n in range(5)),
            {**SURVEY, **subject, "id": f"s{own}", "status": "final", "valueInteger": 3},
            {**RESPONSE, **subject, "id": f"q{own}", "status": "completed"},
            {"resourceType": "CarePlan", "id": f"c{own}", "status": "active", "title": "Stretching", **subject,
             "period": {"start": "2024-03-01"}},
            {"resourceType": "ServiceRequest", "id": f"w{own}", "status": "active", **subject, **plan,
             "occurrenceDateTime": "2024-03-03"},
            {"resourceType": "Procedure", "id": f"x{own}", "status": "completed", **subject,
             "basedOn": [{"reference": f"ServiceRequest/w{own}"}], "performedDateTime": "2024-03-03"},
        ]  # fmt: skip
    return found


def landed(at: Server) -> list[Any]:
    """All that came in, without the ids of this instance, and what did not."""
    with connect_admin(at) as admin:
        days = admin.execute("select day, prescribed, done from operational.adherence order by 1, 2, 3").fetchall()
        pairs = admin.execute("select relationship, starts_on from operational.guardianship").fetchall()
        rows = [count for count, _ in versions(admin)]
        return [told_of(admin, "fhir"), facts(admin), days, pairs, rows, quarantined(admin, at)]


@pytest.fixture(scope="module")
def undisturbed(module_server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What comes of the set in one file, in order."""
    path = _ndjson(tmp_path_factory.mktemp("set") / "all.ndjson", _set())
    assert [report.refused for report in take(module_server, MAPPING, path)] == [0]
    found = landed(module_server)
    assert all(found[0][name] for name in ("people", "problems", "visits", "forms", "answers", "plans"))
    assert len(found[1]["appointment"]) == 12 and len(found[2]) == 2 and len(found[3]) == 2
    return found


@pytest.mark.check(42)
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("split", [False, True])
def test_shuffled_and_split_files_give_the_same(
    server: Server, tmp_path: Path, undisturbed: list[Any], seed: int, split: bool
) -> None:
    order, resources = Random(seed), _set()
    order.shuffle(resources)
    files: dict[str, list[Body]] = {}
    for each in resources:
        files.setdefault(f"{each['resourceType']}.{order.randrange(2)}" if split else "all", []).append(each)
    paths = [_ndjson(tmp_path / f"{name}.ndjson", inside) for name, inside in files.items()]
    assert sum(report.refused for report in take(server, MAPPING, *paths)) == 0
    assert landed(server) == undisturbed


@pytest.mark.check(42)
def test_an_import_killed_in_the_middle_and_repeated_gives_the_same(
    server: Server, admin: psycopg.Connection, tmp_path: Path, undisturbed: list[Any]
) -> None:
    path = _ndjson(tmp_path / "all.ndjson", _set())
    with hanging(admin, "operational", "appointment", "new.source_id = 'Encounter/ep21'"):
        # A piece is written over two connections: the other one writes its half.
        kill_at_gate(admin, take_set, server, path, after=lambda: bool(facts(admin)["appointment"]))
    assert len(facts(admin)["profile"]) == 4 and len(facts(admin)["appointment"]) < 12
    take_set(server, path)
    assert landed(server) == undisturbed


def take_set(server: Server, path: Path) -> None:
    take(server, MAPPING, path)
