"""What a source says again, says less exactly, or says no more: nothing flips, nothing is taken for what it is not."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from test_fhir_import import _condition, _ndjson, _patient, take

from infra.database import Server
from tests.conftest import ROOT
from tests.integration.importing import quarantined, versions

Body = dict[str, Any]
VERSIONS = ROOT / "infra" / "migrations" / "platform" / "versions"
MAPPING: Body = {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
PLAN: Body = {
    "resourceType": "CarePlan", "id": "plan", "status": "active", "title": "Stretching",
    "subject": {"reference": "Patient/p1"}, "period": {"start": "2024-03-01"},
}  # fmt: skip


def request(own: str, status: str, day: str = "2024-03-03") -> Body:
    return {
        "resourceType": "ServiceRequest", "id": own, "status": status, "subject": {"reference": "Patient/p1"},
        "basedOn": [{"reference": "CarePlan/plan"}], "occurrenceDateTime": day,
    }  # fmt: skip


def procedure(status: str, day: str = "2024-03-03") -> Body:
    return {
        "resourceType": "Procedure", "id": "pr", "status": status, "subject": {"reference": "Patient/p1"},
        "basedOn": [{"reference": "CarePlan/plan"}], "performedDateTime": day,
    }  # fmt: skip


def answered(*items: tuple[str, Body]) -> Body:
    return {
        "resourceType": "QuestionnaireResponse", "id": "q1", "status": "completed", "authored": "2024-03-02T08:00:00Z",
        "questionnaire": "https://example.org/Questionnaire/body", "subject": {"reference": "Patient/p1"},
        "item": [{"linkId": link, "answer": [value]} for link, value in items],
    }  # fmt: skip


def mother(**more: Any) -> Body:
    return {
        "resourceType": "RelatedPerson", "id": "r1", "patient": {"reference": "Patient/p1"},
        "relationship": [{"coding": [{"code": "MTH"}]}], "name": [{"text": "Canary Mother"}],
        "telecom": [{"system": "email", "value": "canary@example.org"}], **more,
    }  # fmt: skip


def done(admin: psycopg.Connection) -> list[tuple[Any, ...]]:
    return admin.execute("select day, done from operational.adherence order by day").fetchall()


@pytest.mark.check(42)
@pytest.mark.parametrize("status", ["active", "completed"])
def test_what_was_done_stays_whatever_its_request_says_and_in_whatever_order(
    server: Server, admin: psycopg.Connection, tmp_path: Path, status: str
) -> None:
    said = "not-done" if status == "completed" else "completed"
    expected = [(date(2024, 3, 3), int(said == "completed"))]
    files = [
        _ndjson(tmp_path / f"{number}.ndjson", resources)
        for number, resources in enumerate([[_patient("p1"), PLAN], [request("sr", status)], [procedure(said)]])
    ]
    for path in (files[0], files[2], files[1]):
        take(server, MAPPING, path)
    assert done(admin) == expected
    before = versions(admin)
    take(server, MAPPING, *files)
    assert done(admin) == expected and versions(admin) == before


def test_where_no_record_says_what_was_done_the_requests_status_counts(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    first, later = tmp_path / "first.ndjson", tmp_path / "later.ndjson"
    take(
        server,
        MAPPING,
        _ndjson(first, [_patient("p1"), PLAN, request("a", "active"), request("b", "active", "2024-03-04")]),
    )
    assert [count for _, count in done(admin)] == [0, 0]
    take(server, MAPPING, _ndjson(later, [request("a", "completed")]))
    assert [count for _, count in done(admin)] == [1, 0]


@pytest.mark.check(42)
def test_an_answer_is_known_by_its_question_when_others_come_before_it(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "all.ndjson"
    take(server, MAPPING, _ndjson(path, [_patient("p1"), answered(("hours", {"valueInteger": 7}))]))
    query = "select answer_id, question, number from operational.form_answer order by question"
    ((kept, _, _),) = admin.execute(query).fetchall()
    again = answered(("dreams", {"valueInteger": 2}), ("hours", {"valueInteger": 7}))
    take(server, MAPPING, _ndjson(path, [_patient("p1"), again]))
    assert [row[1:] for row in admin.execute(query).fetchall()] == [("dreams", 2), ("hours", 7)]
    assert kept in {row[0] for row in admin.execute(query).fetchall()}


def test_answers_from_when_their_place_named_them_are_known_by_their_question(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    """As the revision p0031 leaves them."""
    twice = {"linkId": "hours", "answer": [{"valueInteger": 7}, {"valueInteger": 8}]}
    response = answered(("dreams", {"valueInteger": 2}))
    response["item"].insert(0, twice)
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1"), response])
    take(server, MAPPING, path)
    query = "select answer_id, source_id, number from operational.form_answer order by number"
    before = admin.execute(query).fetchall()
    for place, number in ((0, 7), (1, 8), (2, 2)):
        changed = "update operational.form_answer set source_id = 'QuestionnaireResponse/q1#' || %s where number = %s"
        admin.execute(changed, [place, number])
    statements = (VERSIONS / "p0031_retrying.sql").read_text().split(";\n")
    (mending,) = (each for each in statements if "update operational.form_answer" in each)
    admin.execute(mending)
    assert admin.execute(query).fetchall() == before
    take(server, MAPPING, path)
    assert admin.execute(query).fetchall() == before


@pytest.mark.check(43)
def test_a_quantity_in_another_unit_or_with_a_comparator_is_no_number(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "all.ndjson"
    weight = {"value": 154, "unit": "lb", "system": "http://unitsofmeasure.org", "code": "[lb_av]"}
    items = (
        ("weight", {"valueQuantity": weight}),
        ("height", {"valueQuantity": {"value": 1.8, "unit": "m"}}),
        ("score", {"valueQuantity": {"value": 3, "code": "{score}"}}),
        ("bare", {"valueQuantity": {"value": 4}}),
        ("bound", {"valueQuantity": {"value": 5, "comparator": "<"}}),
    )
    mapping = {**MAPPING, "units": {"body/weight": "kg", "body/height": "m"}}
    (report,) = take(server, mapping, _ndjson(path, [_patient("p1"), answered(*items)]))
    assert sorted(reason for _, reason in report.told) == [
        "answer value: is a bound and no number", "answer value: is in a unit that the mapping does not name",
    ]  # fmt: skip
    query = "select question, number from operational.form_answer order by 1"
    assert admin.execute(query).fetchall() == [("bare", 4), ("height", 1.8), ("score", 3)]
    # The whole response is kept, once; it closes when one comes that is right.
    assert len(quarantined(admin, server)) == 1
    right = {"value": 70, "unit": "kg"}
    take(server, mapping, _ndjson(path, [answered(("weight", {"valueQuantity": right}), *items[1:4])]))
    assert admin.execute(query).fetchall()[-1] == ("weight", 70) and quarantined(admin, server) == []


@pytest.mark.check(33)
def test_a_guardian_who_is_one_no_more_ends(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    path, child = tmp_path / "all.ndjson", _patient("p1", birth="2020-06-01")
    take(server, MAPPING, _ndjson(path, [child, mother()]))
    query = "select starts_on, ends_on from operational.guardianship"
    assert admin.execute(query).fetchall() == [(date(2020, 6, 1), None)]
    take(server, MAPPING, _ndjson(path, [mother(period={"end": "2024-05-06"})]))
    assert admin.execute(query).fetchall() == [(date(2020, 6, 1), date(2024, 5, 6))]
    # A later end, or none, puts none off; and being inactive since nobody knows when is since today at the latest.
    for again in (mother(active=False), mother(), mother(period={"end": "2030-01-01"})):
        take(server, MAPPING, _ndjson(path, [again]))
        assert admin.execute(query).fetchall() == [(date(2020, 6, 1), date(2024, 5, 6))]


def test_a_guardian_who_comes_inactive_ends_today_and_nobody_writes_to_them(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    today = datetime.now(UTC).date()
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1", birth="2020-06-01"), mother(active=False)])
    take(server, MAPPING, path)
    ((ended,),) = admin.execute("select ends_on from operational.guardianship").fetchall()
    assert today - timedelta(days=1) <= ended <= today + timedelta(days=1)
    assert admin.execute("select count(*) from operational.profile where email is not null").fetchone() == (0,)


@pytest.mark.parametrize(("born", "day"), [("1950", date(1950, 1, 1)), ("1950-07", date(1950, 7, 1))])
def test_a_year_or_month_of_birth_is_an_estimate_until_the_day_is_known(
    server: Server, admin: psycopg.Connection, tmp_path: Path, born: str, day: date
) -> None:
    path = tmp_path / "all.ndjson"
    (report,) = take(server, MAPPING, _ndjson(path, [_patient("p1", birth=born)]))
    query = "select birth_date, birth_date_estimated from operational.profile"
    assert admin.execute(query).fetchall() == [(day, True)] and report.refused == 0
    take(server, MAPPING, _ndjson(path, [_patient("p1", birth="1950-07-09")]))
    assert admin.execute(query).fetchall() == [(date(1950, 7, 9), False)]


@pytest.mark.parametrize(
    "over", [{"abatementDateTime": "2019"}, {"abatementString": "in her youth"}, {"abatementAge": {"value": 9}}]
)
def test_a_problem_that_ended_in_a_year_or_at_an_age_has_ended(
    server: Server, admin: psycopg.Connection, tmp_path: Path, over: Body
) -> None:
    path = _ndjson(
        tmp_path / "all.ndjson", [_patient("p1"), {**_condition("c", "gout"), "onsetDateTime": "2018", **over}]
    )
    take(server, MAPPING, path)
    assert admin.execute("select since, until <= current_date from operational.profile_fact").fetchall() == [
        (date(2018, 1, 1), True)
    ]
    assert admin.execute("select chronic_conditions from operational.profile").fetchall() == [([],)]


CLINICAL, VERIFIED = ({"coding": [{"code": code}]} for code in ("resolved", "refuted"))


@pytest.mark.parametrize(
    ("said", "until"),
    [
        ({"clinicalStatus": CLINICAL, "abatementDateTime": "2019-04-05"}, date(2019, 4, 5)),
        ({"clinicalStatus": CLINICAL}, date(2018, 2, 3)),
        ({"clinicalStatus": CLINICAL, "abatementDateTime": "2150-01-01"}, date(2018, 2, 3)),
        ({"verificationStatus": VERIFIED, "abatementDateTime": "2019-04-05"}, date(2018, 2, 3)),
        ({"abatementDateTime": "2150-01-01"}, date(2150, 1, 1)),
    ],
)
def test_a_problem_that_is_resolved_ended_when_it_says(
    server: Server, admin: psycopg.Connection, tmp_path: Path, said: Body, until: date
) -> None:
    problem = {**_condition("c", "gout"), "onsetDateTime": "2018-02-03", **said}
    take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), problem]))
    assert admin.execute("select since, until from operational.profile_fact").fetchall() == [(date(2018, 2, 3), until)]


@pytest.mark.check(43)
@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (mother(name=[]), mother()),
        (procedure("completed", "no day"), procedure("completed")),
        (request("sr", "active", "no day with ten letters"), request("sr", "active")),
    ],
    ids=["RelatedPerson", "Procedure", "ServiceRequest"],
)
def test_an_entry_closes_by_its_own_resource_and_no_other_of_the_patient(
    server: Server, admin: psycopg.Connection, tmp_path: Path, wrong: Body, right: Body
) -> None:
    path, child = tmp_path / "all.ndjson", _patient("p1", birth="2020-06-01")
    take(server, MAPPING, _ndjson(path, [child, PLAN, wrong]))
    assert len(quarantined(admin, server)) == 1
    take(server, MAPPING, _ndjson(path, [child, PLAN, {**right, "id": "another"}]))
    assert len(quarantined(admin, server)) == 1
    take(server, MAPPING, _ndjson(path, [child, PLAN, right]))
    assert quarantined(admin, server) == []


SHARING: Body = {
    "consents": {"s|share": "profile_sharing"}, "consent_texts": {"profile_sharing": {"v7": "We share."}},
    "time_zone": "Europe/Berlin",
}  # fmt: skip
AHEAD = (datetime.now(UTC) + timedelta(days=9)).isoformat()
SOONER = (datetime.now(UTC) + timedelta(days=4)).isoformat()
Told = tuple[str, str | None]


def _signed(end: str | None, status: str = "active") -> Body:
    return {
        "resourceType": "Consent", "id": "c", "status": status, "patient": {"reference": "Patient/p1"},
        "category": [{"coding": [{"system": "s", "code": "share"}]}], "dateTime": "2024-03-01T10:00:00Z",
        "policy": [{"uri": "v7"}], "performer": [{"reference": "Patient/p1"}],
        "provision": {"period": {"end": end}} if end else {"type": "permit"},
    }  # fmt: skip


@pytest.mark.check(17)
@pytest.mark.check(53)
@pytest.mark.parametrize(
    ("first", "then", "stands"),
    [
        (("active", AHEAD), ("active", AHEAD), ("signed", AHEAD)),
        (("active", "2024-03-31"), ("active", None), ("signed", "2024-03-31T22:00:00+00:00")),
        (("inactive", "2024-05-01T08:00:00Z"), ("inactive", "2024-05-01T08:00:00Z"),
         ("signed", "2024-05-01T08:00:00+00:00")),
        (("active", None), ("inactive", None), ("revoked", None)),
        (("active", AHEAD), ("inactive", AHEAD), ("revoked", None)),
        # Ended sooner than was known: what was signed stays as it was recorded.
        (("active", None), ("inactive", "2024-05-01T08:00:00Z"), ("revoked", None)),
        (("active", AHEAD), ("active", "2024-05-01T08:00:00Z"), ("revoked", None)),
        # An end that was moved nearer, and is still to come.
        (("active", None), ("active", AHEAD), ("signed", AHEAD)),
        (("active", AHEAD), ("active", SOONER), ("signed", SOONER)),
        # Nothing prolongs it.
        (("active", SOONER), ("active", AHEAD), ("signed", SOONER)),
        (("active", "2024-05-01T08:00:00Z"), ("active", AHEAD), ("signed", "2024-05-01T08:00:00+00:00")),
    ],
)  # fmt: skip
def test_a_consent_has_the_end_that_its_source_says_and_never_a_later_one(
    server: Server, admin: psycopg.Connection, tmp_path: Path, first: Told, then: Told, stands: Told
) -> None:
    for status, end in (first, then, then):
        (report,) = take(
            server, {**MAPPING, **SHARING}, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), _signed(end, status)])
        )
        assert report.refused == 0, report.told
    ((state, ends),) = admin.execute("select state, expires_at from operational.consent").fetchall()
    assert (state, ends and ends.astimezone(UTC).isoformat()) == stands


@pytest.mark.check(17)
@pytest.mark.check(42)
@pytest.mark.parametrize("first", [0, 1])
def test_an_end_that_was_moved_nearer_ends_that_signature_in_any_order_and_no_later_one(
    server: Server, admin: psycopg.Connection, tmp_path: Path, first: int
) -> None:
    told = [_signed(None), _signed(AHEAD)]
    for body in (told[first], told[1 - first]):
        (report,) = take(server, {**MAPPING, **SHARING}, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), body]))
        assert report.refused == 0, report.told
    state = "select state, expires_at from operational.consent"
    assert admin.execute(state).fetchall() == [("signed", datetime.fromisoformat(AHEAD))]
    ends = "select expires_at from operational.consent_event order by expires_at nulls first"
    recorded = [None, datetime.fromisoformat(AHEAD)][first:]
    assert [row[0] for row in admin.execute(ends)] == recorded, "what was recorded stays as it was"
    again = _signed(None) | {"id": "d", "dateTime": "2024-04-01T10:00:00Z"}
    take(server, {**MAPPING, **SHARING}, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), *told, again]))
    assert admin.execute(state).fetchall() == [("signed", None)]
    assert [row[0] for row in admin.execute(ends)] == [None, *recorded]


LABELS = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
HIDDEN: dict[str, Body] = {
    "treatment_plan": PLAN,
    "form": answered(("weight", {"valueDecimal": 70})),
    "appointment": {"resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"},
                    "subject": {"reference": "Patient/p1"}, "period": {"start": "2024-03-02T08:00:00Z"}},
}  # fmt: skip


@pytest.mark.check(52)
@pytest.mark.parametrize("table", HIDDEN)
@pytest.mark.parametrize("code", ["R", "V", "N"])
def test_what_is_labelled_as_restricted_is_hidden_and_no_later_row_shows_it(
    server: Server, admin: psycopg.Connection, tmp_path: Path, table: str, code: str
) -> None:
    def confidential(*labels: Any) -> bool:
        body = {**HIDDEN[table], "meta": {"security": labels}}
        (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", [_patient("p1"), body]))
        assert report.refused == 0
        (found,) = admin.execute(f"select confidential from operational.{table}").fetchall()  # type: ignore[call-overload]
        return bool(found[0])

    assert confidential() is False
    assert confidential({"system": "urn:other", "code": "R"}, {"code": "R"}, "R", None) is False
    restricted = code in ("R", "V")
    assert confidential({"system": LABELS, "code": code}) is restricted
    assert confidential() is restricted


@pytest.mark.check(52)
@pytest.mark.parametrize("code", ["R", "N"])
def test_what_is_restricted_is_no_part_of_a_profile_that_guardians_see(
    server: Server, admin: psycopg.Connection, tmp_path: Path, code: str
) -> None:
    problem = {**_condition("c", "canary"), "meta": {"security": [{"system": LABELS, "code": code}]}}
    allergy = {**problem, "resourceType": "AllergyIntolerance", "patient": problem["subject"]}
    path = _ndjson(tmp_path / "all.ndjson", [_patient("p1"), problem, allergy])
    (report,) = take(server, MAPPING, path)
    told = admin.execute("select chronic_conditions, allergies from operational.profile").fetchall()
    why = "meta.security: is restricted, which nothing of a profile can be"
    if code == "R":
        assert told == [(None, None)] and report.told == [(2, why), (3, why)]
        assert [(line, reason) for _, line, reason, _ in quarantined(admin, server)] == report.told
    else:
        assert told == [(["canary"], ["canary"])] and report.told == []
