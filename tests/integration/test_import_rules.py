"""Rows of CSV files by what a mapping says of them: each case by its edge."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from infra.database import Server
from infra.encryption.keyring import FileKeyring
from infra.errors import InvalidInput
from infra.settings import Mode
from orchestration.importing.again import Trying, try_again
from orchestration.importing.mapping import Mapping
from orchestration.importing.waiting import Chosen
from tests.integration.importing import bring, quarantined

Fields = dict[str, Any]
PATIENT: Fields = {"source_id": "id", "name": "name", "registered_on": {"constant": "2024-01-01"}}


def mapping(entity: str, fields: Fields, **more: Any) -> Mapping:
    files = [{"match": f"{entity}*.csv", "entities": [{"entity": entity, "fields": fields}], **more}]
    return Mapping.model_validate({"source": "hospital", "people": "source", "files": files})


def patients(folder: Path, *rows: str, header: str = "id,name", **more: str) -> tuple[Mapping, Path]:
    path = folder / "patient.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return mapping("patient", {**PATIENT, **more}), path


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.check(43)
def test_rows_are_taken_by_all_columns_that_only_names_and_the_others_are_left_out(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    only = {"only": {"kind": ["a", "b"], "place": ["x"]}}
    path = put(tmp_path, "patient.csv", "id,name,kind,place\n1,Ada,a,x\n2,Bea,b,x\n3,Cid,a,y\n4,Dan,,x\n5,Eva,A,x\n")
    (report,) = bring(server, mapping("patient", PATIENT, **only), path, clinic="north")
    found = admin.execute("select source_id from operational.person_source order by 1").fetchall()
    assert [own for (own,) in found] == ["1", "2"] and report.refused == 0


@pytest.mark.check(43)
def test_of_facts_the_newest_counts_and_what_its_person_edited_stays(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    first, people = patients(tmp_path, "1,Ada", "2,Bea")
    bring(server, first, people, clinic="north")
    bea = "(select person_id from operational.person_source where source_id = '2')"
    admin.execute(
        "update operational.profile set asserted_on = 'infinity', blood_type = 'O-', insurance_type = 'own',"
        f" allergies = '{{cats}}' where person_id = {bea}"
    )
    facts = put(
        tmp_path, "fact.csv",
        "id,kind,value,since,until\n"
        + "".join(
            f"{who},blood_type,A+,2020-01-01,\n{who},blood_type,B+,2021-01-01,\n{who},insurance,new,2022-01-01,\n"
            f"{who},insurance,older,2021-01-01,\n{who},insurance,never,,\n{who},allergy,dust,,\n"
            f"{who},allergy,nuts,2020-01-01,2021-01-01\n"
            for who in (1, 2)
        )
        + "1,blood_type,C+,2021-01-01,\n1,condition,gout,2199-12-31,\n",
    )  # fmt: skip
    of = mapping("fact", {"source_id": "id", "kind": "kind", "value": "value", "since": "since", "until": "until"})
    bring(server, of, facts, clinic="north")
    told = (
        "select s.source_id, blood_type, insurance_type, allergies, chronic_conditions from operational.profile"
        " inner join operational.person_source as s using (person_id) order by 1"
    )
    expected = [("1", "B+", "new", ["dust"], None), ("2", "O-", "own", ["cats"], None)]
    assert admin.execute(told).fetchall() == expected
    assert [why for _, _, why, _ in quarantined(admin, server)] == [
        "value: is no blood type", "since: is in the future",
    ]  # fmt: skip
    bring(server, of, facts, clinic="north")
    assert admin.execute(told).fetchall() == expected


@pytest.mark.check(43)
@pytest.mark.check(33)
def test_a_guardian_whom_no_row_has_leaves_a_copy_of_the_row_and_one_without_a_birth_date_all_of_it(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    by, path = patients(
        tmp_path, "1,Ada,2019-01-01,none", "2,Bea,,9", "9,Eva,1980-01-01,", "3,Cid,2019-01-01,9", "4,Dan,1970-01-01,9",
        header="id,name,born,guardian", birth_date="born", guardian_id="guardian",
    )  # fmt: skip
    bring(server, by, path, clinic="north")
    found = admin.execute("select source_id from operational.person_source order by 1").fetchall()
    assert [own for (own,) in found] == ["1", "3", "4", "9"]
    assert [(line, why) for _, line, why, _ in quarantined(admin, server)] == [
        (2, "guardian_id: is unknown"), (3, "guardian_id: needs the birth date"),
    ]  # fmt: skip
    guarded = (
        "select s.source_id from operational.guardianship as g inner join operational.person_source as s"
        " on s.person_id = g.dependent_id"
    )
    assert ("3",) in admin.execute(guarded).fetchall()


@pytest.mark.check(43)
def test_a_flag_is_one_or_none_and_no_value_that_the_mapping_lacks_is_taken(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    fields = {**PATIENT, "chronic_conditions": {"flags": {"gout": "g", "asthma": "a"}},
              "sex": {"column": "sex", "values": {"F": "female"}}}  # fmt: skip
    path = put(
        tmp_path, "patient.csv", "id,name,sex,g,a\n1,Ada,F,1,1\n2,Bea,,0,0\n3,Cid,M,0,0\n4,Dan,F,,0\n5,Eva,F,2,0\n"
    )
    bring(server, mapping("patient", fields), path, clinic="north")
    told = (
        "select s.source_id, sex, chronic_conditions from operational.profile"
        " inner join operational.person_source as s using (person_id) order by 1"
    )
    assert admin.execute(told).fetchall() == [("1", "female", ["asthma", "gout"]), ("2", None, [])]
    assert [(line, why) for _, line, why, _ in quarantined(admin, server)] == [
        (4, "sex: is none of the mapping's values"), (5, "chronic_conditions: a flag is neither 0 nor 1"),
        (6, "chronic_conditions: a flag is neither 0 nor 1"),
    ]  # fmt: skip


@pytest.mark.check(43)
def test_a_record_that_was_confidential_once_is_so_whatever_later_rows_say(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    by, path = patients(tmp_path, "1,Ada")
    bring(server, by, path, clinic="north")
    header = "id,record,title,starts,hidden\n"
    plans = mapping(
        "plan",
        {"source_id": "id", "record_id": "record", "title": "title", "starts_on": "starts", "confidential": "hidden"},
    )
    for rows in ("1,p1,A,2024-01-01,yes\n1,p2,B,2024-01-01,\n", "1,p1,C,2024-01-02,\n1,p2,B,2024-01-01,yes\n"):
        bring(server, plans, put(tmp_path, "plan.csv", header + rows), clinic="north")
    found = "select title, confidential from operational.treatment_plan order by title"
    assert admin.execute(found).fetchall() == [("B", True), ("C", True)]
    bring(server, plans, put(tmp_path, "plan.csv", f"{header}1,p3,D,2024-01-01,no\n"), clinic="north")
    assert [why for _, _, why, _ in quarantined(admin, server)] == ["confidential: is none of yes"]


def test_a_clinic_that_a_column_names_must_exist_unless_its_slug_is_made(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path = put(tmp_path, "patient.csv", "id,name,place\n1,Ada,Old Town\n")
    bring(server, mapping("patient", PATIENT, clinic={"column": "place"}), path)
    assert [why.partition(":")[0] for _, _, why, _ in quarantined(admin, server)] == ["clinic"]
    bring(server, mapping("patient", PATIENT, clinic={"column": "place", "as_slug": True}), path)
    assert quarantined(admin, server) == []
    assert ("old_town", "Old Town") in admin.execute("select slug, name from operational.clinic").fetchall()


def test_a_mapping_whose_columns_a_file_lacks_is_refused_by_the_files_name(server: Server, tmp_path: Path) -> None:
    path = put(tmp_path, "patient.csv", "id\n1\n")
    with pytest.raises(InvalidInput, match=r"patient\.csv"):
        bring(server, mapping("patient", PATIENT), path, clinic="north")


@pytest.mark.check(43)
@pytest.mark.parametrize("fires", [True, False])
def test_rows_that_are_tried_again_fire_as_their_import_did_whatever_a_mended_mapping_says(
    server: Server, admin: psycopg.Connection, tmp_path: Path, fires: bool
) -> None:
    by, path = patients(tmp_path, "1,Ada,Z", header="id,name,sex", sex="sex")
    bring(server, by.model_copy(update={"fires": fires}), path, clinic="north")
    assert [why for _, _, why, _ in quarantined(admin, server)] == ["sex: is none of female, male, other, unknown"]
    sex = {"column": "sex", "values": {"Z": "other"}}
    mended = mapping("patient", {**PATIENT, "sex": sex}).model_copy(update={"fires": not fires})
    keys = FileKeyring(server.secrets_folder / "keyring.json")
    trying = Trying(keys, Mode.DEMO, mended.model_dump(mode="json", exclude_unset=True))
    try_again(server, Chosen(), trying, lambda *_: None)
    assert quarantined(admin, server) == []
    assert admin.execute("select distinct fires from operational.outbox").fetchall() == [(fires,)]
