"""Files in any order, split in any way, mixed of any kinds: one import of all of them leaves nothing waiting."""

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from textwrap import dedent
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from test_fhir_import import _ndjson, _patient, take
from test_fhir_rows import MAPPING, _set, landed

from infra.database import Server
from infra.errors import InvalidInput
from orchestration.importing.early import Early
from orchestration.importing.fhir import reading
from orchestration.importing.mapping import Mapping
from orchestration.importing.run import expanded
from tests.integration.importing import bring, facts, quarantined

Body = dict[str, Any]
SHARING: Body = {
    **MAPPING, "consents": {"s|share": "profile_sharing"}, "consent_texts": {"profile_sharing": {"v1": "We share."}},
}  # fmt: skip
CONSENTS = "select state, count(*) from operational.consent group by 1 order by 1"


def _consent(patient: str, signer: str) -> Body:
    return {
        "resourceType": "Consent", "id": f"c{signer[-2:]}", "status": "active",
        "patient": {"reference": f"Patient/{patient}"}, "category": [{"coding": [{"system": "s", "code": "share"}]}],
        "dateTime": "2024-03-01T10:00:00Z", "policy": [{"uri": "v1"}], "performer": [{"reference": signer}],
    }  # fmt: skip


def _by_identifier(resource: Body) -> Body:
    """The same, its patient and request named by an identifier alone."""
    told = {**resource, "identifier": [{"system": "n", "value": resource["id"]}]}
    if "subject" in told:
        own = told["subject"]["reference"].removeprefix("Patient/")
        told["subject"] = {"reference": f"Patient?identifier=n|{own}"}
    if resource["resourceType"] == "Procedure":
        own = told["basedOn"][0]["reference"].removeprefix("ServiceRequest/")
        told["basedOn"] = [{"type": "ServiceRequest", "identifier": {"system": "n", "value": own}}]
    return told


def _all() -> list[Body]:
    # One by themself, one by a guardian, who comes as a resource too.
    return [*_set(), _consent("p1", "Patient/p1"), _consent("p2", "RelatedPerson/rp2")]


@pytest.fixture(scope="module")
def in_order(module_server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Counter[str]]:
    """What comes of it in one file, in order; and how many rows of what."""
    (report,) = take(module_server, SHARING, _ndjson(tmp_path_factory.mktemp("set") / "all.ndjson", _all()))
    assert report.refused == 0
    return landed(module_server), report.entities


@pytest.mark.check(42)
@pytest.mark.parametrize("named", [dict, _by_identifier], ids=["by id", "by identifier"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_one_import_of_files_of_any_kind_leaves_nothing_waiting(
    server: Server,
    admin: psycopg.Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    in_order: tuple[list[Any], Counter[str]],
    named: Callable[[Body], Body],
    seed: int,
) -> None:
    """Each resource is a batch of its own, so that nothing sorts them."""
    monkeypatch.setattr(reading, "PIECE_BYTES", 1)
    order, resources = Random(seed), [named(each) for each in _all()]
    order.shuffle(resources)
    files: dict[int, list[Body]] = {}
    for each in resources:
        files.setdefault(order.randrange(3), []).append(each)
    reports = take(server, SHARING, *(_ndjson(tmp_path / f"{n}.ndjson", inside) for n, inside in files.items()))
    assert [report.told for report in reports] == [[], [], []]
    assert (landed(server), sum((report.entities for report in reports), Counter())) == in_order
    assert sum(report.read for report in reports) == len(resources)
    assert not any(report.left for report in reports)
    assert admin.execute(CONSENTS).fetchall() == [("signed", 2)]
    ended = admin.execute("select count(*) from operational.import_batch where finished_at is not null").fetchone()
    assert ended == (len(files),)


@pytest.mark.check(43)
def test_what_names_nobody_waits_in_quarantine_once_and_is_counted_once(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    visit = next(each for each in _set() if each["resourceType"] == "Encounter")
    form = next(each for each in _set() if each["resourceType"] == "QuestionnaireResponse")
    of_nobody = {"subject": {"reference": "Patient/p9"}}
    # Of two answers one is none whoever its patient is.
    bad = {"linkId": "weight", "answer": [{"valueQuantity": {"value": 3, "unit": "stone"}}]}
    said = [
        {**visit, **of_nobody},
        {**form, **of_nobody, "item": [*form["item"], bad]},
        {**visit, "id": "named", "subject": {"reference": "Patient?identifier=n|p9"}},
        _patient("p1"),
    ]
    first = _ndjson(tmp_path / "a.ndjson", said)
    # Patients' files come first.
    (_, report) = take(server, MAPPING, first, _ndjson(tmp_path / "b.ndjson", [_patient("p2")]))
    nobody, none = (
        "source_id: is no patient of this clinic",
        "answer value: is in a unit that the mapping does not name",
    )
    assert report.told == [(1, nobody), (2, none), (2, nobody), (2, nobody), (3, "subject: names no patient")]
    assert (report.read, report.refused) == (4, 5)
    # Of one resource the form, its answer and what is none of it.
    assert Counter(line for _, line, *_ in quarantined(admin, server)) == {1: 1, 2: 2, 3: 1}
    take(server, MAPPING, first, _ndjson(tmp_path / "b.ndjson", [_patient("p9")]))
    assert [line for _, line, *_ in quarantined(admin, server)] == [2, 3], "what was only early has come"


@pytest.mark.check(43)
def test_what_came_too_early_is_kept_apart_when_a_later_file_breaks_off(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 64 * 1024)
    visits = [each for each in _set() if each["resourceType"] == "Encounter"]
    _ndjson(tmp_path / "0.ndjson", [_patient("p1"), visits[0], visits[-1]])
    # So many that its beginning is read before its end is missed.
    others = _ndjson(tmp_path / "others", [_patient(str(uuid4())) for _ in range(3000)])
    packed = gzip.compress(others.read_bytes())
    (tmp_path / "1.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InvalidInput, match=r"1\.ndjson\.gz is no whole gzip file"):
        take(server, MAPPING, tmp_path)
    assert [row[2] for row in facts(admin, ["appointment"])["appointment"]] == [f"Encounter/{visits[0]['id']}"]
    assert [(file, line) for file, line, *_ in quarantined(admin, server)] == [("0.ndjson", 3)]
    assert 1 < len(facts(admin, ["registration"])["registration"]) < 3000, "what came before it stays"


PEOPLE = {"source_id": "patient", "name": "name", "registered_on": "since", "birth_date": "born",
          "guardian_id": "guardian"}  # fmt: skip
FORM = {"source_id": "patient", "record_id": "form", "template": {"constant": "pain"},
        "status": {"constant": "completed"}, "assigned_on": "day", "completed_at": "day"}  # fmt: skip
ANSWER = {"source_id": "patient", "record_id": "answer", "form_id": "form", "template": {"constant": "pain"},
          "question": {"constant": "score"}, "answered_at": "day", "number": "number"}  # fmt: skip
CONSENT = {name: name for name in ("source_id", "purpose", "kind", "text_version", "signer_id", "occurred_at")}
ROWS = Mapping.model_validate(
    {
        "source": "hospital", "people": "source", "consent_texts": {"profile_sharing": {"v1": "I agree."}},
        "files": [
            {"match": f"{kind}*.csv", "clinic": {"column": "clinic"},
             "entities": [{"entity": entity, "fields": fields}]}
            for kind, entity, fields in (
                ("people", "patient", PEOPLE), ("forms", "form", FORM), ("answers", "answer", ANSWER),
            )
        ]
        # Both in a row: who is a patient, and what they or their guardian signed.
        + [{"match": "both*.csv", "clinic": {"column": "clinic"}, "entities": [
            {"entity": "patient", "fields": {**PEOPLE, "source_id": "source_id"}},
            {"entity": "consent", "fields": CONSENT}]}],
    }
)  # fmt: skip


@pytest.mark.check(42)
@pytest.mark.parametrize("backwards", [False, True])
def test_rows_of_csv_files_find_what_comes_later(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backwards: bool
) -> None:
    texts = {
        "both": """\
            clinic,source_id,name,since,born,guardian,purpose,kind,text_version,signer_id,occurred_at
            north,1,Una Kite,2026-01-03,2019-05-06,2,profile_sharing,signed,v1,2,2026-02-01T10:00:00Z
            north,2,Canary Kite,2026-01-03,1985-05-06,,profile_sharing,signed,v1,2,2026-02-01T10:00:00Z
            """,
        "people": """\
            clinic,patient,name,since,born,guardian
            south,3,Ivo Dove,2026-01-03,2018-05-06,4
            south,5,Ada Dove,2026-01-03,2017-05-06,nobody
            south,4,Canary Dove,2026-01-03,1980-05-06,
            """,
        "forms": """\
            clinic,patient,form,day
            north,1,f1,2026-02-01T10:00:00Z
            south,3,f3,2026-02-01T10:00:00Z
            """,
        "answers": """\
            clinic,patient,form,answer,day,number
            south,3,f3,a3,2026-02-01T10:00:00Z,4
            north,1,f1,a1,2026-02-01T10:00:00Z,7
            """,
    }
    for kind, text in texts.items():
        head, *rows = dedent(text).splitlines()
        for number, row in enumerate(reversed(rows) if backwards else rows):
            (tmp_path / f"{kind}.{number}.csv").write_text(f"{head}\n{row}\n")
    # In the order of their names, whatever they hold.
    monkeypatch.setattr("orchestration.importing.run.listed_files", lambda files, _: sorted(expanded(files)))
    reports = bring(server, ROWS, tmp_path)
    assert sum((report.entities for report in reports), Counter()) == {
        "patient": 5, "consent": 2, "form": 2, "answer": 2
    }  # fmt: skip
    assert [(report.file, report.told) for report in reports if report.told] == [
        ("people.1.csv", [(2, "guardian_id: is unknown")])
    ]
    pairs = admin.execute(
        "select d.name, g.name from operational.guardianship as x inner join operational.person as g"
        " on g.person_id = x.guardian_id inner join operational.person as d on d.person_id = x.dependent_id order by 1"
    ).fetchall()
    assert pairs == [("Ivo Dove", "Canary Dove"), ("Una Kite", "Canary Kite")]
    assert admin.execute(CONSENTS).fetchall() == [("signed", 2)]
    assert admin.execute("select number from operational.form_answer order by 1").fetchall() == [(4,), (7,)]


@pytest.mark.check(42)
@pytest.mark.parametrize("known_from", range(4))
def test_of_several_rows_of_one_record_the_last_counts_whenever_its_patient_comes(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known_from: int
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 1)
    visit = next(each for each in _set() if each["resourceType"] == "Encounter")
    said: list[Body] = [{**visit, "status": status} for status in ("planned", "arrived", "finished")]
    said.insert(known_from, _patient("p1"))
    files = [_ndjson(tmp_path / f"{name}.ndjson", part) for name, part in (("0", said[:2]), ("1", said[2:]))]
    # In the order of their names, whatever they begin with.
    monkeypatch.setattr("orchestration.importing.fhir.run.listed_files", list)
    assert sum(report.refused for report in take(server, MAPPING, *files)) == 0
    assert [row[3] for row in facts(admin, ["appointment"])["appointment"]] == ["fulfilled"]


@pytest.mark.parametrize("lines", [[], [1], [8, 1, 8, 4_000_000, 7]])
def test_early_lines_are_those_that_were_noted(lines: list[int]) -> None:
    early = Early()
    early.note(lines)
    assert early.count == len(set(lines))
    assert [line for line in (0, 1, 6, 7, 8, 9, 3_999_999, 4_000_000, 5_000_000) if line in early] == sorted(set(lines))
