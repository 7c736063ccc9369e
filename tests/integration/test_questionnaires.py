"""Questionnaires come in as templates of forms, in versions; what no template can ask goes to quarantine."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from test_fhir_import import _ndjson, _patient, take

from infra.database import Server
from orchestration.importing.mapping import Mapping
from policies.forms.template import Template
from tests.integration.importing import bring, quarantined

MAPPING: dict[str, Any] = {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
HL7 = "http://hl7.org/fhir/StructureDefinition/"


def bounds(low: Any, high: Any, kind: str) -> list[dict[str, Any]]:
    return [{"url": f"{HL7}minValue", f"value{kind}": low}, {"url": f"{HL7}maxValue", f"value{kind}": high}]


ITEMS: list[dict[str, Any]] = [
    {"linkId": "intro", "type": "display", "text": "Please answer."},
    {"linkId": "sleep", "type": "group", "text": "Sleep", "item": [
        {"linkId": "hours", "type": "decimal", "text": "How many hours?", "required": True,
         "extension": bounds(0, 24, "Decimal")},
        {"linkId": "naps", "type": "boolean", "text": "Do you nap?"},
    ]},
    {"linkId": "pain", "type": "integer", "text": "How much pain?", "extension": bounds(0, 10, "Integer")},
    {"linkId": "steps", "type": "integer", "text": "How many steps?"},
    {"linkId": "where", "type": "choice", "repeats": True, "text": "Where?", "answerOption": [
        {"valueCoding": {"code": "knee", "display": "Knee"}}, {"valueCoding": {"code": "hip"}}],
     "enableWhen": [{"question": "pain", "operator": ">=", "answerInteger": 1}]},
    {"linkId": "since", "type": "date", "text": "Since?", "extension": bounds("2000-01-01", "2100-01-01", "Date"),
     "enableWhen": [{"question": "where", "operator": "=", "answerCoding": {"code": "knee"}}]},
    {"linkId": "story", "type": "text", "text": "What else?", "maxLength": 300,
     "enableWhen": [{"question": "naps", "operator": "!=", "answerBoolean": True}]},
]  # fmt: skip
ASKED: dict[str, Any] = {
    "resourceType": "Questionnaire", "id": "q", "status": "active", "url": "https://example.org/Questionnaire/Rest|3",
    "title": "Rest", "item": ITEMS,
}  # fmt: skip


def versions(admin: psycopg.Connection, template: str = "rest") -> list[tuple[Any, ...]]:
    return admin.execute(
        "select c.slug, t.template_version, t.title, t.confidential, t.questions from operational.form_template as t"
        " inner join operational.clinic as c using (clinic_id) where template = %s order by 1, 2",
        [template],
    ).fetchall()


@pytest.mark.check(42)
def test_a_questionnaire_is_a_template_and_a_changed_one_its_next_version(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    def brought(**changed: Any) -> int:
        (report,) = take(server, MAPPING, _ndjson(tmp_path / "Questionnaire.ndjson", [{**ASKED, **changed}]))
        assert report.refused == 0, report.told
        return report.entities["template"]

    assert brought() == 1
    ((clinic, version, title, hidden, questions),) = versions(admin)
    assert (clinic, version, title, hidden) == ("north", 1, "Rest", False)
    template = Template.model_validate({"title": title, "questions": questions})
    assert [(each.id, each.type) for each in template.questions] == [
        ("hours", "number"), ("naps", "choice"), ("pain", "scale"), ("steps", "number"), ("where", "multi_choice"),
        ("since", "date"), ("story", "text"),
    ]  # fmt: skip
    shown = {each.id: each.shown_when and (each.shown_when.op, each.shown_when.value) for each in template.questions}
    assert shown == {"hours": None, "naps": None, "pain": None, "steps": None, "where": ("at_least", 1),
                     "since": ("includes", "knee"), "story": ("is_not", "yes")}  # fmt: skip
    # What the clinic makes of it stays, until the source says something that it never said.
    admin.execute(
        "insert into operational.form_template (clinic_id, template, template_version, title, questions)"
        " select clinic_id, template, 2, 'Ours', questions from operational.form_template where template = 'rest'"
    )
    brought()
    assert [row[2] for row in versions(admin)] == ["Rest", "Ours"]
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}
    brought(title="More rest", meta={"security": [label]})
    assert [(row[1], row[2], row[3]) for row in versions(admin)] == [
        (1, "Rest", False), (2, "Ours", False), (3, "More rest", True),
    ]  # fmt: skip
    events = "select role, patients from audit.access_event where action = 'import.fhir'"
    assert set(admin.execute(events).fetchall()) == {("importer", 0)}


@pytest.mark.check(43)
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"url": None}, "url: is missing"),
        ({"title": None}, "title: Input should be a valid string"),
        ({"item": []}, "questions: Tuple should have at least 1 item"),
        ({"item": [{**ITEMS[3], "linkId": "1-1"}]}, "questions.0.number.id: String should match pattern"),
        ({"item": [{**ITEMS[3], "type": "attachment"}]}, "item: is of a type that no question here has"),
        ({"item": [{**ITEMS[3], "item": [ITEMS[2]]}]}, "item: a question within a question"),
        ({"item": [{**ITEMS[3], "repeats": True}]}, "item: is answered more than once"),
        ({"item": [{**ITEMS[4], "answerOption": [], "answerValueSet": "v"}]}, "item: its options are elsewhere"),
        ({"item": [{**ITEMS[4], "answerOption": [{"valueString": "knee"}]}]}, "item: an option without a code"),
        ({"item": [{**ITEMS[1], "enableWhen": ITEMS[4]["enableWhen"]}]}, "item: a group that shows on a condition"),
        ({"item": [{**ITEMS[3], "enableWhen": 2 * ITEMS[4]["enableWhen"]}]}, "item: shows on more than one condition"),
        ({"item": [{**ITEMS[3], "enableWhen": [{"question": "pain", "operator": ">", "answerInteger": 1}]}]},
         "item: shows on a condition that no question here has"),
        ({"item": [ITEMS[4]]}, "item: shown_when asks nothing that an earlier question answers"),
        ({"item": [ITEMS[2], ITEMS[2]]}, "item: an id is there twice"),
        ({"item": "all"}, "questions: Tuple should have at least 1 item"),
        ({"item": [{**ITEMS[6], "maxLength": "long"}]}, "resource: is not of FHIR R4's shape"),
    ],
)  # fmt: skip
def test_what_no_template_can_ask_is_kept_with_the_reason(
    server: Server, admin: psycopg.Connection, tmp_path: Path, changed: dict[str, Any], reason: str
) -> None:
    path = _ndjson(tmp_path / "Questionnaire.ndjson", [{**ASKED, **changed}])
    (report,) = take(server, MAPPING, path)
    assert [told[: len(reason)] for _, told in report.told] == [reason] and versions(admin) == []
    assert [row[2][: len(reason)] for row in quarantined(admin, server)] == [reason]
    take(server, MAPPING, _ndjson(path, [ASKED]))
    assert quarantined(admin, server) == [] and len(versions(admin)) == 1


def test_drafts_are_left_out_and_files_have_templates_as_well(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "Questionnaire.ndjson", [{**ASKED, "status": "draft"}]))
    assert report.left == {"Questionnaire that is draft": 1} and versions(admin) == []
    plain = {"title": "Plain", "questions": [{"id": "q", "type": "text", "text": "What?"}]}
    signed = {"title": "Sign", "kind": "consent", "purpose": "profile_sharing",
              "questions": [{"id": "s", "type": "signature", "text": "Name", "required": True}]}  # fmt: skip
    quoted = ['"' + json.dumps(each).replace('"', '""') + '"' for each in (plain, signed, {})]
    rows = "".join(f"north,t{number},own,{each}\n" for number, each in enumerate(quoted))
    (tmp_path / "templates.csv").write_text(f"clinic,id,name,body\n{rows}")
    fields = {"record_id": "id", "template": "name", "definition": "body"}
    file = {"match": "templates.csv", "clinic": {"column": "clinic"},
            "entities": [{"entity": "template", "fields": fields}]}  # fmt: skip
    mapping = Mapping.model_validate({"source": "own", "people": "source", "files": [file]})
    (done,) = bring(server, mapping, tmp_path / "templates.csv")
    assert done.told == [(3, "definition: is a consent form"), (4, "definition: is no template")]
    assert [(row[1], row[2]) for row in versions(admin, "own")] == [(1, "Plain")]


def test_numbers_name_questions_and_answers_alike(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    shown = {"enableWhen": [{"question": "1.1", "operator": ">=", "answerInteger": 1}]}
    items = [{**ITEMS[2], "linkId": "1.1"}, {**ITEMS[3], "linkId": "1.2", **shown}]
    answered = {
        "resourceType": "QuestionnaireResponse", "id": "r", "status": "completed", "authored": "2024-03-02T08:00:00Z",
        "questionnaire": ASKED["url"], "subject": {"reference": "Patient/p1"},
        "item": [{"linkId": "1.1", "answer": [{"valueInteger": 7}]},
                 {"linkId": "a.b", "answer": [{"valueInteger": 1}]}],
    }  # fmt: skip
    resources = [{**ASKED, "item": items}, _patient("p1"), answered]
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "all.ndjson", resources))
    assert report.refused == 0, report.told
    ((*_, questions),) = versions(admin)
    assert [question["id"] for question in questions] == ["q1_1", "q1_2"]
    assert questions[1]["shown_when"]["question"] == "q1_1"
    answers = admin.execute("select question, number from operational.form_answer order by 1").fetchall()
    assert answers == [("a.b", 1), ("q1_1", 7)]


@pytest.mark.parametrize(("high", "kind"), [(20, "scale"), (21, "number")])
def test_whole_numbers_are_a_scale_in_twenty_steps_and_no_more(
    server: Server, admin: psycopg.Connection, tmp_path: Path, high: int, kind: str
) -> None:
    item = {**ITEMS[2], "extension": bounds(0, high, "Integer")}
    (report,) = take(server, MAPPING, _ndjson(tmp_path / "Questionnaire.ndjson", [{**ASKED, "item": [item]}]))
    assert report.told == []
    assert [question["type"] for question in versions(admin)[0][4]] == [kind]
