"""Forms, from the template to the typed answers: who assigns, who answers, who reads, and what is kept where."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from access_world import CHICK, DELETED, FINCH, HERON, WREN, Api, World

from infra.clinic_forms import FIRST_TEXT
from infra.database import connect, set_context
from infra.encryption.rotation.book import Kind
from infra.roles import Login
from policies.forms.standard import templates
from tests.integration.records import NOT_THERE, Family, add_chick, days, today
from tests.integration.sealed_people import turn

SECRET = "Canary words that nobody else reads"
QUESTION = {"id": "q", "type": "text", "text": "What?"}
SCALE = {"id": "s", "type": "scale", "text": "How much?", "maximum": 3}


@pytest.fixture(scope="module")
def family(world: World, api: Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


def rows(family: Family, form: str) -> list[tuple[Any, ...]]:
    return family.world.look(
        "select question, number, choice, body, day from operational.form_answer where form_id = %s"
        " order by question, choice", form,
    )  # fmt: skip


def test_every_clinic_starts_with_the_standard_templates(family: Family) -> None:
    for clinic in ("north", "south"):
        found = family.done(f"manager.{clinic}", "GET", f"/clinics/{clinic}/templates")["templates"]
        assert {entry["template"] for entry in found} >= set(templates())
    pain = family.done("staff.north", "GET", "/clinics/north/templates/pain")
    assert (pain["version"], pain["due_days"], pain["questions"][0]["maximum"]) == (1, 3, 10)
    assert family.ask("staff.north", "GET", "/clinics/north/templates/%00").json() == NOT_THERE
    assert family.ask("staff.north", "GET", "/clinics/north/templates/pain?version=9").json() == NOT_THERE


def test_a_manager_saves_versions_and_forms_keep_theirs(family: Family) -> None:
    path = "/clinics/north/templates/spine/versions"
    first = {"title": "Spine", "questions": [SCALE]}
    assert family.done("manager.north", "POST", path, first) == {"template": "spine", "version": 1}
    form = family.assign(WREN, "spine")
    assert family.done("manager.north", "POST", path, {**first, "questions": [QUESTION]})["version"] == 2
    assert family.done("wren", "GET", f"/me/forms/{form}")["questions"][0]["id"] == "s"
    old = family.done("specialist.north", "GET", "/clinics/north/templates/spine?version=1")
    assert old["questions"][0]["type"] == "scale"
    assert family.ask("manager.south", "GET", "/clinics/south/templates/spine").json() == NOT_THERE


def test_no_service_changes_a_version(family: Family) -> None:
    with connect(Login.SERVICE, at=family.world.server) as connection:
        set_context(connection, clinic_id=family.world.clinic_ids["north"])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update operational.form_template set questions = '[]'")


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"questions": []}, "body.questions"),
        ({"questions": [QUESTION, QUESTION]}, "body"),
        ({"questions": [{**SCALE, "minimum": 3}]}, "body.questions.0.scale"),
        ({"questions": [{**QUESTION, "id": "Q!"}]}, "body.questions.0.text.id"),
        ({"questions": [{**QUESTION, "type": "guess"}]}, "body.questions.0"),
        ({"questions": [{**QUESTION, "Canary field": 1}]}, "body.questions.0.text"),
        ({"questions": [{**QUESTION, "shown_when": {"question": "q", "op": "is", "value": 1}}]}, "body"),
        ({"questions": [SCALE, {**QUESTION, "shown_when": {"question": "s", "op": "is", "value": True}}]},
         "body.questions.1.text.shown_when.value.constrained-float"),
        ({"questions": [SCALE, {**QUESTION, "shown_when": {"question": "s", "op": "includes", "value": 1}}]}, "body"),
        ({"questions": [QUESTION], "scores": [{"id": "sum", "text": "Sum", "sum_of": ["q"]}]}, "body"),
        ({"kind": "consent", "questions": [QUESTION]}, "body"),
        ({"kind": "consent", "purpose": "communications", "questions": [QUESTION]}, "body"),
        ({"purpose": "communications", "questions": [QUESTION]}, "body"),
        ({"title": "a\u0000b", "questions": [QUESTION]}, "body.title"),
        ({"due_days": 1e300, "questions": [QUESTION]}, "body.due_days"),
    ],
)  # fmt: skip
def test_a_template_that_means_nothing_is_refused_by_its_place(
    family: Family, change: dict[str, Any], place: str
) -> None:
    body = {"title": "T", **change}
    answer = family.ask("manager.north", "POST", "/clinics/north/templates/wrong/versions", body)
    assert answer.status_code == 422 and answer.json()["errors"][0]["place"] == place, answer.text
    assert "Canary" not in answer.text
    assert family.ask("manager.north", "GET", "/clinics/north/templates/wrong").status_code == 404


def test_a_name_that_is_none_is_refused_only_to_who_may_save(family: Family) -> None:
    body = {"title": "T", "questions": [QUESTION]}
    path = "/clinics/north/templates/No%20name/versions"
    assert family.refused("manager.north", "POST", path, body) == (422, "path.template", "no_name")
    assert family.ask("staff.north", "POST", path, body).json() == NOT_THERE


@pytest.mark.check(39)
def test_staff_assigns_none_twice_on_a_day_however_many_ask_at_once(family: Family) -> None:
    path = f"/clinics/north/patients/{family.world.patients['north', WREN]}/forms"
    family.done("staff.north", "GET", path)
    body = {"templates": ["pain", "mood", "pain"]}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: family.done("staff.north", "POST", path, body)["forms"], range(8)))
    assert sorted(len(forms) for forms in answers) == [0] * 7 + [2]
    found = [f for f in family.done("staff.north", "GET", path)["forms"] if f["template"] in ("pain", "mood")]
    assert {(f["status"], f["assigned_on"]) for f in found} == {("pending", str(today()))}
    assert {f["template"]: f["due_on"] for f in found} == {
        "pain": str(today() + days(3)),
        "mood": str(today() + days(7)),
    }
    assert {f["template"]: f["expires_on"] for f in found} == {"pain": None, "mood": str(today() + days(21))}
    asked = "select count(*) from operational.message where kind = 'form_request' and patient_id = %s"
    assert family.world.look(asked, family.world.patients["north", WREN]) == [(1,)], "asked once, as they were assigned"


@pytest.mark.check(7)
def test_forms_are_assigned_to_ones_own_patients_and_of_ones_own_templates_alone(family: Family) -> None:
    body = {"templates": ["pain"]}
    strangers = [family.world.patients["south", HERON], uuid4(), "no-id"]
    for stranger in strangers:
        for method, sent in (("POST", body), ("GET", None)):
            answer = family.ask("staff.north", method, f"/clinics/north/patients/{stranger}/forms", sent)
            assert (answer.status_code, answer.json()) == (404, NOT_THERE)
    path = f"/clinics/north/patients/{family.world.patients['north', FINCH]}/forms"
    for sent in ({"templates": ["pain", "none of ours"]}, {"templates": ["\ud800"]}, None):
        status, place, _ = family.refused("staff.north", "POST", path, sent)
        assert status == 422 and place.startswith(("templates", "body"))


def test_a_form_is_answered_bit_by_bit_and_completed_for_good(family: Family) -> None:
    form = family.assign(WREN, "intake")
    listed = {f["id"]: f for f in family.done("wren", "GET", "/me/forms")["forms"]}[form]
    assert (listed["status"], listed["clinic"], listed["title"]) == ("pending", "north", "Before your first visit")
    given = {"reason": "other", "reason_text": SECRET}
    assert family.done("wren", "PUT", f"/me/forms/{form}/answers", {"answers": given})["status"] == "in_progress"
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"] == given
    assert rows(family, form) == [], "a draft is no answer"
    given |= {"since": "2024-02-29", "treated_before": "yes", "earlier_treatments": ["surgery", "medication"]}
    done = family.done("wren", "POST", f"/me/forms/{form}/complete", {"answers": given})
    assert (done["status"], done["answers"]) == ("completed", given)
    found = rows(family, form)
    assert [row[:3] for row in found] == [
        ("earlier_treatments", None, "medication"), ("earlier_treatments", None, "surgery"), ("reason", None, "other"),
        ("since", None, None), ("treated_before", None, "yes"),
    ]  # fmt: skip
    assert [str(row[4]) for row in found if row[4]] == ["2024-02-29"]
    for method, path, body in (("PUT", "answers", {"answers": {}}), ("POST", "complete", None)):
        assert family.refused("wren", method, f"/me/forms/{form}/{path}", body) == (409, "path.form", "completed")
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"] == given


@pytest.mark.check(51)
def test_free_text_and_signatures_lie_nowhere_in_clear(family: Family) -> None:
    form = family.assign(WREN, "satisfaction")
    family.done("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {"score": 1, "missing": SECRET}})
    family.done("wren", "POST", f"/me/forms/{form}/complete")
    tables = family.world.look("select tablename from pg_tables where schemaname in ('operational', 'audit')")
    for (table,) in tables:
        schema = "audit" if family.world.look("select to_regclass(%s)", f"audit.{table}")[0][0] else "operational"
        assert not family.world.look(f"select 1 from {schema}.{table} as t where t::text like %s", f"%{SECRET}%"), table
    assert family.done("specialist.north", "GET", f"/clinics/north/forms/{form}")["answers"]["missing"] == SECRET


def test_scores_are_summed_by_the_server_and_read_as_answers(family: Family) -> None:
    form = family.assign(WREN, "mood")
    items = [question.id for question in templates()["mood"].questions if question.type == "scale"]
    given = dict(zip(items, [0, 1, 2, 3, 0, 1, 2, 3, 3], strict=True))
    assert family.done("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {items[0]: 2}})["results"] == {}
    assert family.done("wren", "POST", f"/me/forms/{form}/complete", {"answers": given})["results"] == {"total": 15}
    assert ("total", 15.0) in [row[:2] for row in rows(family, form)]


def test_a_completed_form_reaches_the_outbox(family: Family) -> None:
    form = family.assign(WREN, "pain")
    newest = family.world.look("select max(outbox_id) from operational.outbox")[0][0]
    family.done("wren", "POST", f"/me/forms/{form}/complete", {"answers": {"score": 4}})
    found = family.world.look("select distinct entity, patient_id from operational.outbox where outbox_id > %s", newest)
    assert found == [("form", family.world.patients["north", WREN])]


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("answers", "place", "rule"),
    [
        ({}, "body.answers.score", "missing"),
        ({"score": None}, "body.answers.score", "missing"),
        ({"score": "5"}, "body.answers.score", "no_whole_number"),
        ({"score": 5.5}, "body.answers.score", "no_whole_number"),
        ({"score": True}, "body.answers.score", "no_whole_number"),
        ({"score": float("nan")}, "body.answers.score", "no_whole_number"),
        ({"score": -1}, "body.answers.score", "too_small"),
        ({"score": 10**400}, "body.answers.score", "not_finite"),
        ({"score": 11}, "body.answers.score", "too_large"),
        ({"score": {"deep": [[[[]]]]}}, "body.answers.score", "no_whole_number"),
        ({"score": 5, "Canary question": 1}, "body.answers", "no_such_question"),
    ],
)
def test_a_wrong_answer_is_named_and_never_said_back(
    family: Family, answers: dict[str, Any], place: str, rule: str
) -> None:
    form = family.assign(WREN, "pain")
    path = f"/me/forms/{form}/complete"
    assert family.refused("wren", "POST", path, {"answers": answers}) == (422, place, rule)
    assert "Canary" not in family.ask("wren", "POST", path, {"answers": answers}).text
    assert family.done("wren", "GET", f"/me/forms/{form}")["status"] == "pending"


@pytest.mark.check(41)
def test_what_is_no_form_of_answers_is_refused(family: Family) -> None:
    form = family.assign(WREN, "intake")
    for since in ("2023-02-29", "20240229", "2024-02-29T00:00", "1899-12-31", 5, "٢٠٢٤-٠٢-٢٩"):
        path = f"/me/forms/{form}/answers"
        status, place, _ = family.refused("wren", "PUT", path, {"answers": {"since": since}})
        assert (status, place) == (422, "body.answers.since"), since
    for body in ({"answers": {"goal": "a\u0000b"}}, {"answers": {"goal": "x" * 1001}}, {"answers": []}, {"x": 1}, None):
        assert family.refused("wren", "PUT", f"/me/forms/{form}/answers", body)[0] == 422
    assert family.refused("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {"goal": "x" * 70_000}})[0] == 413


def test_answers_to_questions_that_do_not_show_are_dropped(family: Family) -> None:
    form = family.assign(WREN, "satisfaction")
    done = family.done("wren", "POST", f"/me/forms/{form}/complete", {"answers": {"score": 5, "missing": SECRET}})
    assert done["answers"] == {"score": 5}


def test_of_two_who_complete_a_form_at_once_one_does(family: Family) -> None:
    form = family.assign(WREN, "pain")
    family.done("wren", "GET", f"/me/forms/{form}")
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda score: family.ask("wren", "POST", f"/me/forms/{form}/complete", {"answers": {"score": score}}),
                range(6),
            )
        )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    (won,) = [answer.json()["answers"]["score"] for answer in answers if answer.status_code == 200]
    assert rows(family, form) == [("score", float(won), None, None, None)]
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"] == {"score": won}


def test_a_form_past_its_last_day_is_expired_and_takes_no_answer(family: Family) -> None:
    form = family.assign(WREN, "pain")
    path = f"/me/forms/{form}"
    for last, status in ((today(), "pending"), (today() - days(1), "expired")):
        family.world.change("update operational.form set expires_on = %s where form_id = %s", last, form)
        assert family.done("wren", "GET", path)["status"] == status
    assert family.refused("wren", "PUT", f"{path}/answers", {"answers": {}}) == (409, "path.form", "expired")
    assert family.refused("wren", "POST", f"{path}/complete") == (409, "path.form", "expired")


def test_who_treats_reads_answers_and_nobody_else_at_the_clinic(family: Family) -> None:
    form = family.assign(WREN, "pain")
    path = f"/clinics/north/forms/{form}"
    family.done("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {"score": 7}})
    assert family.done("specialist.north", "GET", path)["answers"] == {}, "a draft is the patient's"
    family.done("wren", "POST", f"/me/forms/{form}/complete")
    assert family.done("specialist.north", "GET", path)["answers"] == {"score": 7}
    event = family.world.look(
        "select action, role, purpose, categories, patients from audit.access_event where decision = 'permit'"
        " order by occurred_at desc limit 1"
    )
    assert event == [("record.read", "specialist", "care", ["clinical", "free_text", "identifier"], 1)]
    for login in ("other.north", "staff.north", "manager.north", "specialist.south", "finch"):
        assert family.ask(login, "GET", path).json() == NOT_THERE, login
    statuses = family.ask("staff.north", "GET", f"/clinics/north/patients/{family.world.patients['north', WREN]}/forms")
    assert form in statuses.text and "answers" not in statuses.text


@pytest.mark.check(9)
def test_forms_of_the_other_clinic_are_not_there(family: Family) -> None:
    form = family.assign(FINCH, "pain", clinic="south")
    assert family.ask("specialist.north", "GET", f"/clinics/north/forms/{form}").json() == NOT_THERE
    assert family.done("specialist.south", "GET", f"/clinics/south/forms/{form}")["status"] == "pending"
    north = family.ask("staff.north", "GET", f"/clinics/north/patients/{family.world.patients['north', FINCH]}/forms")
    assert form not in north.text
    assert form in family.ask("finch", "GET", "/me/forms").text, "one's own are of all clinics"


@pytest.mark.check(33)
def test_nobody_answers_for_somebody_else(family: Family) -> None:
    form = family.assign(WREN, "pain")
    body = {"answers": {"score": 1}}
    for login, path in (("finch", "/me"), ("heron", "/me"), ("finch", family.of_chick)):
        for method, suffix, sent in (("GET", "", None), ("PUT", "/answers", body), ("POST", "/complete", body)):
            assert family.ask(login, method, f"{path}/forms/{form}{suffix}", sent).json() == NOT_THERE


def test_an_imported_form_shows_what_it_brought_and_takes_no_answer(family: Family) -> None:
    form = family.world.items["north", "form"]
    family.world.change("update operational.form_sealed set content = content where form_id = %s", form)
    bare = family.assign(FINCH, "pain")
    family.world.change("update operational.form set template = 'of old' where form_id = %s", bare)
    family.world.change(
        "insert into operational.form_answer (clinic_id, patient_id, form_id, template, question, answered_at, number)"
        " select clinic_id, patient_id, form_id, template, 'score', now(), 3 from operational.form where form_id = %s",
        bare,
    )
    found = family.done("finch", "GET", f"/me/forms/{bare}")
    assert (found["questions"], found["answers"], found["kind"]) == ([], {"score": 3}, None)
    refusal = (409, "path.form", "no_questions")
    assert family.refused("finch", "PUT", f"/me/forms/{bare}/answers", {"answers": {}}) == refusal


@pytest.mark.check(34)
def test_a_deleted_form_is_gone_for_everybody(family: Family) -> None:
    form = family.assign(WREN, "pain")
    family.world.change(f"update operational.form set {DELETED} where form_id = %s", form)
    assert family.ask("wren", "GET", f"/me/forms/{form}").status_code == 404
    assert family.ask("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {}}).status_code == 404
    assert family.ask("specialist.north", "GET", f"/clinics/north/forms/{form}").status_code == 404
    assert form not in family.ask("wren", "GET", "/me/forms").text
    path = f"/clinics/north/patients/{family.world.patients['north', WREN]}/forms"
    assert form not in family.ask("staff.north", "GET", path).text


def consent_of(family: Family, form: str, who: str = "wren", path: str = "/me") -> dict[str, Any]:
    found: dict[str, Any] = family.done(who, "GET", f"{path}/forms/{form}")["consent"]
    return {"text_version": found["text_version"], "sha256": found["sha256"]}


@pytest.mark.check(17)
def test_completing_a_consent_form_signs_what_was_shown(family: Family) -> None:
    form = family.assign(WREN, "communications_consent")
    path, answers = f"/me/forms/{form}/complete", {"signature": "Canary Wren"}
    shown = consent_of(family, form)
    for sent, refusal in (
        (None, (422, "body.consent", "missing")),
        ({**shown, "sha256": "1" * 64}, (409, "body.consent.text_version", "not_the_newest")),
        ({**shown, "text_version": FIRST_TEXT}, (409, "body.consent.text_version", "not_the_newest")),
    ):
        assert family.refused("wren", "POST", path, {"answers": answers, "consent": sent}) == refusal
    assert family.refused("wren", "POST", path, {"consent": shown}) == (422, "body.answers.signature", "missing")
    person = family.world.people[WREN]
    assert not family.world.look("select 1 from operational.consent_event where person_id = %s", person)
    family.done("wren", "POST", path, {"answers": answers, "consent": shown})
    found = family.world.look(
        "select e.purpose, e.kind, e.text_version, e.signer_id, e.channel, e.clinic_id, f.form_id"
        " from operational.consent_event as e inner join operational.form as f on f.consent_event_id = e.event_id"
        " where e.person_id = %s", person,
    )  # fmt: skip
    north = family.world.clinic_ids["north"]
    assert found == [("communications", "signed", "v1", person, "app", north, UUID(form))]
    assert rows(family, form) == []


def test_a_new_text_asks_again(family: Family) -> None:
    form = family.assign(HERON, "profile_sharing_consent", clinic="south")
    shown = consent_of(family, form, "heron")
    family.world.change(
        "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256)"
        " values (%s, 'profile_sharing', 'v2', 'other words', sha256('other words'))",
        family.world.clinic_ids["south"],
    )
    body = {"answers": {"signature": "Heron"}, "consent": shown}
    refusal = (409, "body.consent.text_version", "not_the_newest")
    assert family.refused("heron", "POST", f"/me/forms/{form}/complete", body) == refusal
    body["consent"] = consent_of(family, form, "heron")
    assert family.done("heron", "POST", f"/me/forms/{form}/complete", body)["status"] == "completed"


def test_a_guardian_signs_on_behalf_of_a_dependent(family: Family) -> None:
    form = family.assign(CHICK, "profile_sharing_consent")
    shown = consent_of(family, form, "finch", family.of_chick)
    body = {"answers": {"signature": "Canary Finch"}, "consent": shown}
    family.done("finch", "POST", f"{family.of_chick}/forms/{form}/complete", body)
    found = family.world.look(
        "select signer_id, person_id from operational.consent_event where person_id = %s", family.world.people[CHICK]
    )
    assert found == [(family.world.people[FINCH], family.world.people[CHICK])]


@pytest.mark.check(37)
def test_answers_are_read_under_a_new_key_as_under_the_old(family: Family) -> None:
    form = family.assign(WREN, "satisfaction")
    family.done("wren", "PUT", f"/me/forms/{form}/answers", {"answers": {"comment": SECRET}})
    before = family.world.look("select content from operational.form_sealed where form_id = %s", form)
    turn(family.world.server, Kind.DATA)
    assert family.world.look("select content from operational.form_sealed where form_id = %s", form) != before
    assert family.done("wren", "GET", f"/me/forms/{form}")["answers"] == {"comment": SECRET}


def test_answers_are_saved_over_those_that_were_read_alone(family: Family) -> None:
    form = family.assign(CHICK, "pain")
    own, theirs = f"/me/forms/{form}", f"{family.of_chick}/forms/{form}"
    read = family.ask("chick", "GET", own)
    assert read.headers["etag"] == read.json()["version"]
    seen = {**family.headers["chick"], "If-Match": read.headers["etag"]}
    saved = family.ask("finch", "PUT", f"{theirs}/answers", {"answers": {"score": 2}})
    assert saved.headers["etag"] == saved.json()["version"] != read.headers["etag"]
    for method, path in (("PUT", "answers"), ("POST", "complete")):
        late = family.api.request(method, f"/v1{own}/{path}", headers=seen, json={"answers": {"score": 7}})
        fault = [{"place": "header.if-match", "rule": "changed_meanwhile"}]
        assert (late.status_code, late.json()["errors"]) == (409, fault)
    assert family.done("chick", "GET", own)["answers"] == {"score": 2}, "nothing is lost"
    again = {**seen, "If-Match": saved.headers["etag"]}
    kept = family.api.put(f"/v1{own}/answers", headers=again, json={"answers": {"score": 7}})
    assert kept.status_code == 200 and kept.headers["etag"] == family.ask("finch", "GET", theirs).headers["etag"]
    assert family.done("finch", "PUT", f"{theirs}/answers", {"answers": {"score": 1}}), "without a version as before"
    whatever = family.api.put(f"/v1{own}/answers", headers={**seen, "If-Match": "*"}, json={"answers": {"score": 3}})
    assert whatever.status_code == 200 and family.done("chick", "GET", own)["answers"] == {"score": 3}
