"""Names in a rule that the clinic does not have: told wherever the rule comes in, and no hindrance to saving it."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import FINCH, Api, World
from pages_of import browser_sign_in
from psycopg import sql

from infra.database import connect_admin
from infra.roles import Group

NORTH = "/v1/clinics/north/segments"
SOUTH = "/v1/clinics/south/segments"
OPTIONS = [{"value": "mild", "text": "Mild"}, {"value": "severe", "text": "Severe"}]
OLDER = [{"id": "score", "type": "scale"}, {"id": "sleep", "type": "choice", "options": [{"value": "badly"}]}]
NEWER = [{"id": "score", "type": "scale"}, {"id": "kind", "type": "choice", "options": OPTIONS}]
PAINFUL = 'answers.latest(form="back", question="score") > 3'
Headers = dict[str, str]
Failing = Callable[[World], AbstractContextManager[None]]


@pytest.fixture(scope="module", autouse=True)
def _words(world: World) -> None:
    """North asks about backs in two versions, and has records of a form and a service that no catalogue has."""
    clinic, finch = world.clinic_ids["north"], world.patients["north", FINCH]
    with connect_admin(world.server) as admin:
        for version, questions in enumerate((OLDER, NEWER), 1):
            row = {"clinic_id": clinic, "template": "back", "template_version": version, "title": "Back"}
            access_world.insert(admin, "form_template", {**row, "questions": json.dumps(questions)})
    form = {"patient_id": finch, "version": 1, "form_id": uuid4(), "template": "imported"}
    visit = {"patient_id": finch, "version": 1, "appointment_id": uuid4(), "service": "hydro", "modality": "video"}
    chosen = {"template": "back", "question": "kind", "choice": "dull"}
    day = {"answered_at": "2026-02-03T10:00+00", "answered_on": "2026-02-03"}
    for table, row in (
        ("raw_forms", {**form, "status": "completed", "assigned_on": "2026-02-01"}),
        ("raw_answers", {**form, **day, "answer_id": uuid4(), "question": "hours", "number": 4}),
        ("raw_answers", {**form, **day, **chosen, "answer_id": uuid4()}),
        ("raw_appointments", {**visit, "status": "fulfilled", "booked_on": "2026-02-01", "starts_on": "2026-02-01"}),
    ):
        world.change(
            f"insert into clinic_north.{table} select * from jsonb_populate_record(null::clinic_north.{table}, %s)",
            json.dumps(row, default=str),
        )


def told(api: Api, headers: Headers, rule: Any, at: str = NORTH) -> list[tuple[str, str, list[str]]]:
    """Place, message and near names of what a preview warns of."""
    answer = api.post(f"{at}/preview", headers=headers, json={"rule": rule})
    assert answer.status_code == 200, answer.text
    return [(each["place"], each["message"], each["near"]) for each in answer.json()["warnings"]]


@pytest.mark.parametrize(
    "rule",
    [
        "age > 65",
        PAINFUL,
        'answers.latest_choice(form="back", question="sleep") = "badly"',
        'answers.latest_choice(form="back", question="kind") in ["mild", "severe", "dull"]',
        'answers.latest_choice(form="back", question="kind") starts with "x"',
        'answers.choices(form="imported", question="hours") contains any ["whatever an import brings"]',
        'answers.mean(form="imported", question="hours") > 1 and forms.completed(form="imported") = 1',
        'appointments.count(service=["visit", "hydro"]) > 1',
    ],
)
def test_nothing_is_said_of_what_the_catalogue_or_the_records_have(api: Api, manager: Headers, rule: str) -> None:
    assert told(api, manager, rule) == []


@pytest.mark.parametrize(
    ("rule", "place", "said", "near"),
    [
        ({"measure": "forms.completed", "form": "bcak", "op": "=", "value": 0}, "body.rule.form",
         "no form template 'bcak' at this clinic: did you mean 'back'?", ["back"]),
        ('age > 1 and forms.completed(form="bcak") = 0', "body.rule, line 1, column 29",
         "no form template 'bcak' at this clinic: did you mean 'back'?", ["back"]),
        ('forms.pending(form="importd") = 0', "body.rule, line 1, column 15",
         "no form template 'importd' at this clinic: did you mean 'imported'?", ["imported"]),
        ('answers.latest(form="back", question="scroe") > 1', "body.rule, line 1, column 29",
         "no question 'scroe' of the form 'back' at this clinic: did you mean 'score'?", ["score"]),
        ('answers.mean(form="imported", question="huors") > 1', "body.rule, line 1, column 31",
         "no question 'huors' of the form 'imported' at this clinic: did you mean 'hours'?", ["hours"]),
        # Of a form that is not there its question goes without saying.
        ('answers.latest(form="zzz", question="zzz") > 1', "body.rule, line 1, column 16",
         "no form template 'zzz' at this clinic", []),
        ({"not": {"measure": "appointments.count", "service": ["visit", "visti"], "op": "=", "value": 0}},
         "body.rule.not.service.1", "no service 'visti' at this clinic: did you mean 'visit'?", ["visit"]),
        ('appointments.count(service="hydor") = 0', "body.rule, line 1, column 28",
         "no service 'hydor' at this clinic: did you mean 'hydro'?", ["hydro"]),
        ('answers.latest_choice(form="back", question="kind") in ["mild", "sevree"]', "body.rule, line 1, column 65",
         "no option 'sevree' of 'kind' of the form 'back': did you mean 'severe'?", ["severe"]),
        # What a patient chose is no suggestion.
        ('answers.latest_choice(form="back", question="kind") = "dulll"', "body.rule, line 1, column 55",
         "no option 'dulll' of 'kind' of the form 'back'", []),
    ],
)  # fmt: skip
def test_what_neither_has_is_told_with_its_place_and_what_is_near(
    api: Api, manager: Headers, rule: Any, place: str, said: str, near: list[str]
) -> None:
    assert told(api, manager, rule) == [(place, said, near)]


@pytest.mark.check(9)
def test_another_clinics_names_are_not_there_and_not_near(api: Api, manager: Headers) -> None:
    south = access_world.sign_in(api, "manager.south")
    assert told(api, south, PAINFUL, SOUTH) == [
        ("body.rule, line 1, column 16", "no form template 'back' at this clinic", [])
    ]
    assert told(api, south, 'appointments.count(service="hydro") > 0', SOUTH)[0][2] == []
    assert told(api, manager, PAINFUL) == []


@pytest.mark.check(21)
def test_it_is_saved_all_the_same_and_each_answer_tells_it(world: World, api: Api, manager: Headers) -> None:
    rule = 'answers.latest(form="bcak", question="score") > 3'

    def names(answer: Any, status: int = 200) -> list[tuple[str, str]]:
        assert answer.status_code == status, answer.text
        return [(each["place"], each["name"]) for each in answer.json()["warnings"]]

    in_text = [("body.rule, line 1, column 16", "bcak")]
    added = api.post(NORTH, headers=manager, json={"slug": "warned", "name": "Warned", "rule": rule})
    assert names(added, 201) == in_text
    match = manager | {"If-Match": added.headers["etag"]}
    renamed = api.patch(f"{NORTH}/warned", headers=match, json={"name": "Warned of"})
    assert names(renamed) == []
    match["If-Match"] = renamed.headers["etag"]
    assert names(api.patch(f"{NORTH}/warned", headers=match, json={"rule": rule})) == in_text
    changed = api.patch(f"{NORTH}/warned", headers=match, json={"rule": f"not {rule}"})
    assert names(changed) == [("body.rule, line 1, column 20", "bcak")] and changed.json()["version"] == 2
    assert names(api.post(f"{NORTH}/warned/diff", headers=manager, json={"rule": rule})) == in_text
    assert api.post(f"{NORTH}/warned/archive", headers=manager, json={"reason": "mistake"}).status_code == 200
    assert names(api.post(f"{NORTH}/warned/revive", headers=manager)) == [("body.rule.not.form", "bcak")]
    ((saved,),) = world.look(
        "select v.rule from clinic_north.segment as s inner join clinic_north.segment_version as v"
        " using (segment_id, version) where s.slug = 'warned'"
    )
    assert saved["not"]["form"] == "bcak"


def test_of_many_names_the_first_twenty_are_told_each_once(api: Api, manager: Headers) -> None:
    texts = [f"visit {number}" for number in range(1000)]
    many = {"measure": "appointments.count", "service": texts, "op": "=", "value": 0}
    again = {**many, "service": ["visit", *texts[:2], *(f"hydro {number}" for number in range(900))]}
    said = told(api, manager, {"any": [many, again, many, again]})
    assert [place for place, _, _ in said] == [f"body.rule.any.0.service.{index}" for index in range(20)]
    assert all(near == ["visit"] for _, _, near in said)
    few = {"any": [{**many, "service": ["new", "visit", "new"]}, {**many, "service": ["newer", "new"]}]}
    assert [place for place, _, _ in told(api, manager, few)] == [
        "body.rule.any.0.service.0", "body.rule.any.1.service.0",
    ]  # fmt: skip


@contextmanager
def _revoked(world: World) -> Iterator[None]:
    """Nobody may see the catalogue."""
    viewer = sql.Identifier(world.server.roles.of(Group.VIEWER))
    with connect_admin(world.server) as admin:
        admin.execute(sql.SQL("revoke select on operational.form_template from {}").format(viewer))
        try:
            yield
        finally:
            admin.execute(sql.SQL("grant select on operational.form_template to {}").format(viewer))


@contextmanager
def _locked(world: World) -> Iterator[None]:
    """Somebody holds the mart's forms, for as long as it takes."""
    with connect_admin(world.server) as admin, admin.transaction():
        admin.execute("lock table clinic_north.raw_forms in access exclusive mode")
        yield


@pytest.mark.parametrize("failing", [_revoked, _locked])
def test_a_rule_is_saved_though_its_names_cannot_be_looked_up(
    world: World, api: Api, manager: Headers, failing: Failing
) -> None:
    slug, rule = f"unseen{failing.__name__}".replace("_", "-"), 'forms.completed(form="bcak") = 0'
    with failing(world):
        added = api.post(NORTH, headers=manager, json={"slug": slug, "name": "Unseen", "rule": rule})
        assert (added.status_code, added.json()["warnings"]) == (201, [])
        match = manager | {"If-Match": added.headers["etag"]}
        changed = api.patch(f"{NORTH}/{slug}", headers=match, json={"rule": f"not {rule}"})
        assert (changed.status_code, changed.json()["warnings"], changed.json()["version"]) == (200, [], 2)
    ((version,),) = world.look("select version from clinic_north.segment where slug = %s", slug)
    events = world.look(
        "select decision from audit.access_event where action = 'segment.edit' and resource_id = %s", slug
    )
    assert (version, events) == (2, [("permit",)] * 2)
    match["If-Match"] = changed.headers["etag"]
    assert len(api.patch(f"{NORTH}/{slug}", headers=match, json={"rule": rule}).json()["warnings"]) == 1


def test_of_a_template_the_parameter_is_named(api: Api, manager: Headers) -> None:
    values = {"form": "bcak", "question": "score"}
    asked = {"slug": "high-bcak", "values": values}
    for _ in range(2):  # the second time it changes nothing
        answer = api.post(f"{NORTH}/templates/high-pain-not-seen", headers=manager, json=asked)
        assert [(each["place"], each["name"]) for each in answer.json()["warnings"]] == [("body.values.form", "bcak")]
    assert answer.json()["changed"] is False


def test_the_builder_says_it_in_words(api: Api, manager: Headers) -> None:
    browser_sign_in(api, "manager.north")
    csrf = api.get("/clinics/north/segments/new").text.split('name="csrf" value="')[1].split('"')[0]
    for rule, said in (
        ('forms.completed(form="bcak") = 0', ("This clinic has no form “bcak”.", "Did you mean back?")),
        ('answers.count(form="back", question="q") = 0', ("The form “back” has no question “q”.",)),
        ('appointments.count(service="x") = 0', ("This clinic has no service “x”.", "saved all the same")),
        ('answers.latest_choice(form="back", question="kind") = "x"', ("no answer “x” to choose",)),
    ):
        for path, do in (("new", "text"), ("everybody/edit", "review")):
            sent = {"csrf": csrf, "do": do, "text": rule}
            answer = api.post(f"/clinics/north/segments/{path}", data=sent)
            assert answer.status_code == 200 and all(words in answer.text for words in said), (rule, path)
    api.cookies.clear()
