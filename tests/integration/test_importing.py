"""What an import does with rows that are right, wrong, corrected, repeated, or nobody's business."""

from datetime import date
from pathlib import Path
from textwrap import dedent

import psycopg
import pytest

from infra.database import Server, connect
from infra.encryption.codec import Place
from infra.encryption.data_keys import people_keys
from infra.encryption.field_codec import FieldCodec
from infra.encryption.keyring import FileKeyring
from infra.errors import InvalidInput
from infra.roles import Login
from orchestration.importing import records, session
from orchestration.importing.mapping import Mapping
from policies.guardianship import stands
from tests.clocks import CLOCKS_CHANGE
from tests.integration.importing import bring, facts, quarantined, versions

CANARY = "+493023125042"
PATIENTS = """\
clinic,id,name,since,born,phone,guardian
north,1,Canary Finch,2026-01-02,1950-02-28,{canary},
north,2,Ada Wren,2026-01-03,1990-02-29,,
south,3,Noa Lark,2026-01-03,1991-05-06,,
west,4,Ivo Dove,2026-01-03,1991-05-06,,
north,5,,2026-01-03,1991-05-06,,
north,6,Una Kite,2026-01-03,2019-05-06,,1
"""
VISITS = """\
clinic,visit,patient,status,booked,starts
north,v1,1,done,2026-02-01,2026-02-03
north,v2,1,done,2026-02-05,2026-02-03
north,v3,9,done,2026-02-01,2026-02-03
north,v4,1,lost,2026-02-01,2026-02-03
north,v5,"1,done,2026-02-01,2026-02-03
north,v6,1
south,v1,3,missed,2026-02-01,2026-02-03
"""
MAPPING = Mapping.model_validate(
    {
        "source": "hospital",
        "people": "source",
        "consent_texts": {"profile_sharing": {"v1": "I agree."}},
        "files": [
            {
                "match": "patients.csv",
                "clinic": {"column": "clinic"},
                "entities": [
                    {
                        "entity": "patient",
                        "fields": {
                            "source_id": "id",
                            "name": "name",
                            "registered_on": "since",
                            "birth_date": "born",
                            "phone": "phone",
                            "guardian_id": "guardian",
                        },
                    }
                ],
            },
            {
                "match": "visits*.csv",
                "clinic": {"column": "clinic"},
                "entities": [
                    {
                        "entity": "appointment",
                        "fields": {
                            "source_id": "patient",
                            "record_id": "visit",
                            "status": {"column": "status", "values": {"done": "fulfilled", "missed": "noshow"}},
                            "booked_on": "booked",
                            "starts_on": "starts",
                        },
                    }
                ],
            },
            {
                "match": "consents.csv",
                "clinic": {"column": "clinic"},
                "entities": [
                    {
                        "entity": "consent",
                        "fields": {
                            name: name
                            for name in ("source_id", "purpose", "kind", "text_version", "signer_id", "occurred_at")
                        },
                    }
                ],
            },
        ],
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "patients.csv").write_text(PATIENTS.format(canary=CANARY))
    (tmp_path / "visits.csv").write_text(VISITS)
    return tmp_path


def test_an_imported_visit_is_on_the_clinics_own_day(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    """Across midnight and where the clocks change, if the file tells instants."""
    lines = ["clinic,visit,patient,status,booked,starts", *(
        f"north,{instant},1,done,{instant},{instant}" for instant, _ in CLOCKS_CHANGE
    )]  # fmt: skip
    (folder / "visits.csv").write_text("\n".join(lines))
    at_instants = MAPPING.model_dump(mode="json", exclude_unset=True)
    fields = at_instants["files"][1]["entities"][0]["fields"]
    fields |= {"booked_at": fields.pop("booked_on"), "starts_at": fields.pop("starts_on")}
    bring(server, Mapping.model_validate(at_instants), folder)
    found = admin.execute("select source_id, starts_on, booked_on from operational.appointment").fetchall()
    assert dict(CLOCKS_CHANGE) == {visit: on for visit, on, _ in found} == {visit: on for visit, _, on in found}


@pytest.mark.check(43)
def test_bad_rows_go_to_quarantine_and_good_ones_land(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    bring(server, MAPPING, folder)
    assert [(file, line, reason) for file, line, reason, _ in quarantined(admin, server)] == [
        ("patients.csv", 3, "birth_date: is no date"),
        ("patients.csv", 5, "clinic: is unknown"),
        ("patients.csv", 6, "name: is missing"),
        ("visits.csv", 3, "starts_on: is before booked_on"),
        ("visits.csv", 4, "source_id: is no patient of this clinic"),
        ("visits.csv", 5, "status: is none of the mapping's values"),
        ("visits.csv", 6, "a quote is not closed on its line"),
        ("visits.csv", 7, "expected 6 columns, found 3"),
    ]
    lines = VISITS.encode().split(b"\n")
    assert all(content == lines[line - 1] for file, line, _, content in quarantined(admin, server) if "vis" in file)
    assert [row[:4] for row in facts(admin)["appointment"]] == [
        ("north", "1", "v1", "fulfilled"),
        ("south", "3", "v1", "noshow"),
    ]


@pytest.mark.check(42)
@pytest.mark.check(43)
def test_correcting_a_file_clears_its_entries(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    bring(server, MAPPING, folder)
    bring(server, MAPPING, folder)
    assert len(quarantined(admin, server)) == 8, "the same bad rows are kept once"
    fixed = VISITS.replace("02-05,2026-02-03", "02-01,2026-02-03").replace("lost", "done")
    fixed = fixed.replace('v5,"1', "v5,1").replace("v6,1\n", "v6,1,done,2026-02-01,2026-02-03\n")
    (folder / "visits.csv").write_text(fixed)
    bring(server, MAPPING, folder / "visits.csv")
    assert [(file, line) for file, line, _, _ in quarantined(admin, server)] == [
        ("patients.csv", 3),
        ("patients.csv", 5),
        ("patients.csv", 6),
        ("visits.csv", 4),
    ]
    assert len(facts(admin)["appointment"]) == 6


@pytest.mark.check(42)
def test_importing_twice_touches_nothing(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    bring(server, MAPPING, folder)
    before = versions(admin)
    bring(server, MAPPING, folder)
    assert versions(admin) == before


@pytest.mark.parametrize("place", [records._PLACE, "false and "], ids=["where it was", "elsewhere"])
def test_a_row_that_changed_is_found_where_it_is(
    server: Server, admin: psycopg.Connection, folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    bring(server, MAPPING, folder)
    visits = folder / "visits.csv"
    visits.write_text(visits.read_text().replace("north,v1,1,done", "north,v1,1,missed"))
    monkeypatch.setattr(records, "_PLACE", place)
    bring(server, MAPPING, folder)
    found = admin.execute(
        "select source_id, status, version from operational.appointment order by clinic_id"
    ).fetchall()
    assert found == [("v1", "noshow", 2), ("v1", "noshow", 1)]


@pytest.mark.check(51)
def test_contacts_and_quarantined_rows_are_never_in_clear(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    bring(server, MAPPING, folder)
    person, phone = (
        admin.execute("select person_id, phone from operational.profile where phone is not null").fetchone() or ()
    )
    codec = FieldCodec(FileKeyring(server.secrets_folder / "keyring.json"))
    keys = people_keys(admin, codec.provider, [person])[person]
    assert codec.open(keys, Place("operational.profile", "phone", str(person)), bytes(phone)).decode() == CANARY
    for table in ("profile", "quarantine", "outbox", "import_batch", "data_key"):
        text = admin.execute(f"select coalesce(string_agg(t::text, ' '), '') from operational.{table} as t").fetchone()  # type: ignore[call-overload]
        for canary in (CANARY, CANARY.encode().hex(), "Ada Wren", b"Ada Wren".hex()):
            assert canary not in text[0], table


def test_a_guardian_is_known_by_source_id(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    bring(server, MAPPING, folder)
    rows = admin.execute(
        "select guardian.name, dependent.name from operational.guardianship as g"
        " inner join operational.person as guardian on guardian.person_id = g.guardian_id"
        " inner join operational.person as dependent on dependent.person_id = g.dependent_id"
    ).fetchall()
    assert rows == [("Canary Finch", "Una Kite")]


@pytest.mark.check(53)
@pytest.mark.check(17)
def test_a_consent_needs_text_version_signer_and_date(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    (folder / "consents.csv").write_text(
        dedent("""\
        clinic,source_id,purpose,kind,text_version,signer_id,occurred_at
        north,1,profile_sharing,signed,v1,1,2026-02-01T10:00:00Z
        south,3,profile_sharing,signed,,3,2026-02-01T10:00:00Z
        south,3,profile_sharing,signed,v1,,2026-02-01T10:00:00Z
        south,3,profile_sharing,signed,v1,3,
        south,3,profile_sharing,signed,v9,3,2026-02-01T10:00:00Z
        south,3,profile_sharing,signed,v1,1,2026-02-01T10:00:00Z
        south,3,profile_sharing,signed,v1,3,2150-02-01T10:00:00Z
        north,6,profile_sharing,signed,v1,1,2026-02-01T10:00:00Z
        """)
    )
    bring(server, MAPPING, folder)
    signed = admin.execute(
        "select p.name from operational.consent as c inner join operational.person as p using (person_id) order by 1"
    ).fetchall()
    assert signed == [("Canary Finch",), ("Una Kite",)]
    reasons = [reason for file, _, reason, _ in quarantined(admin, server) if file == "consents.csv"]
    assert reasons == [
        "text_version: is missing",
        "signer_id: is missing",
        "occurred_at: is missing",
        "text_version: is unknown",
        "signer_id: is neither the patient nor a guardian",
        "occurred_at: is in the future",
    ]


def test_every_change_leaves_an_outbox_row(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    bring(server, MAPPING, folder)
    waiting = admin.execute("select entity, count(distinct patient_id) from operational.outbox group by 1").fetchall()
    assert dict(waiting) == {"patient": 3, "appointment": 2}


def test_each_import_is_an_event_for_each_clinic(server: Server, admin: psycopg.Connection, folder: Path) -> None:
    reports = bring(server, MAPPING, folder)
    events = admin.execute(
        "select batch_id, count(*) from audit.access_event where action = 'import.csv' group by 1"
    ).fetchall()
    # Of one file a row came too early, so that it is read again, and once more for the last time.
    again = {"visits.csv": 2}
    assert dict(events) == {report.batch_id: 2 + again.get(report.file, 0) for report in reports}
    counts = admin.execute("select counts from operational.import_batch where file = 'visits.csv'").fetchone()
    assert counts == ({"read": 7, "refused": 5, "appointment": 3},)


@pytest.mark.check(46)
def test_an_import_names_the_clinics_of_its_rows_alone(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named: list[set[int]] = []
    set_clinics = session.set_clinics
    monkeypatch.setattr(
        session, "set_clinics", lambda connection, ids: (named.append(set(ids)), set_clinics(connection, ids))[1]
    )
    (folder / "visits.csv").write_text(VISITS[: VISITS.index("south")])
    (folder / "patients.csv").write_text("\n".join(PATIENTS.split("\n")[:2]).format(canary=CANARY))
    bring(server, MAPPING, folder)
    with connect(Login.SERVICE, at=server) as connection:
        north = connection.execute("select clinic_id from operational.clinic where slug = 'north'").fetchone()
    assert north
    assert {clinic for ids in named for clinic in ids} == {north[0]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no column 'booked'"),
        (b"clinic,visit\n", "has no column 'booked'"),
        (b"\xff\xfe,a\n", "no UTF-8"),
        (b"clinic,visit,patient,status,booked,starts,visit\n", "a column twice"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(server: Server, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "visits.csv").write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        bring(server, MAPPING, tmp_path / "visits.csv")


@pytest.mark.parametrize("name", ["visits.csv.gz", "visits2.csv.gz"])
def test_a_broken_gzip_is_refused_by_name(server: Server, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b\x08\x00" if "2" in name else b"no gzip at all")
    with pytest.raises(InvalidInput, match="no whole gzip file"):
        bring(server, MAPPING, tmp_path / name)


def _own(files: list[dict[str, object]]) -> Mapping:
    """The same shapes without a clinic column: each clinic numbers its own patients."""
    bare = [{k: v for k, v in file.items() if k != "clinic"} for file in files]
    return Mapping.model_validate(
        {**MAPPING.model_dump(mode="json", exclude_none=True), "people": "clinic", "files": bare}
    )


@pytest.mark.check(46)
def test_the_same_bad_id_at_two_clinics_is_two_entries_and_each_clears_its_own(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    own = _own(MAPPING.model_dump(mode="json", exclude_none=True)["files"])
    path = tmp_path / "patients.csv"
    bad = "clinic,id,name,since,born,phone,guardian\n-,2,,2026-01-03,1991-05-06,,\n"
    path.write_text(bad)
    for clinic in ("north", "south"):
        bring(server, own, path, clinic=clinic)
    assert len(quarantined(admin, server)) == 2
    path.write_text(bad.replace(",2,,", ",2,Ada Wren,"))
    bring(server, own, path, clinic="south")
    left = admin.execute(
        "select c.slug from operational.quarantine inner join operational.clinic as c using (clinic_id)"
        " where resolved_at is null"
    ).fetchall()
    assert left == [("north",)]


def test_a_clinic_option_beside_a_clinic_column_is_refused(server: Server, folder: Path) -> None:
    with pytest.raises(InvalidInput, match="names its clinics in 'clinic'"):
        bring(server, MAPPING, folder, clinic="south")


@pytest.mark.parametrize("order", [("signed", "revoked"), ("revoked", "signed")])
@pytest.mark.parametrize("apart", [False, True])
def test_of_a_signature_and_a_revocation_of_one_instant_the_revocation_stands(
    server: Server, admin: psycopg.Connection, folder: Path, order: tuple[str, str], apart: bool
) -> None:
    (folder / "visits.csv").unlink()
    header = "clinic,source_id,purpose,kind,text_version,signer_id,occurred_at\n"
    rows = [f"north,1,profile_sharing,{kind},v1,1,2026-02-01T10:00:00Z\n" for kind in order]
    for part in rows if apart else ["".join(rows)]:
        (folder / "consents.csv").write_text(header + part)
        bring(server, MAPPING, folder)
    assert admin.execute("select state from operational.consent").fetchall() == [("revoked",)]
    live = admin.execute("select count(*) from operational.profile_tombstone where cleared_at is null").fetchone()
    assert live == (1,)


@pytest.mark.check(43)
@pytest.mark.parametrize("when", ["9999-12-31T23:59:59-03:00", "0001-01-01T00:00:00+03:00", "2026-02-30T10:00:00Z"])
def test_an_instant_out_of_this_world_is_quarantined_and_the_rest_lands(
    server: Server, admin: psycopg.Connection, folder: Path, when: str
) -> None:
    (folder / "consents.csv").write_text(
        "clinic,source_id,purpose,kind,text_version,signer_id,occurred_at\n"
        f"south,3,profile_sharing,signed,v1,3,{when}\n"
        "north,1,profile_sharing,signed,v1,1,2026-02-01T10:00:00Z\n"
    )
    bring(server, MAPPING, folder)
    assert admin.execute("select count(*) from operational.consent").fetchone() == (1,)
    assert ("consents.csv", 2) in [(file, line) for file, line, _, _ in quarantined(admin, server)]


def test_a_clinic_that_is_none_is_quarantined(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    (tmp_path / "clinics.csv").write_text(
        "slug,name,time_zone,country\neast,East,UTC,DE\nNo Slug,X,UTC,DE\nwest,West,Mars/Base,DE\nfar,Far,UTC,D\n"
    )
    mapping = Mapping.model_validate(
        {
            "source": "list",
            "files": [
                {"entities": [{"entity": "clinic", "fields": {n: n for n in ("slug", "name", "time_zone", "country")}}]}
            ],
        }
    )
    bring(server, mapping, tmp_path / "clinics.csv")
    assert [reason for _, _, reason, _ in quarantined(admin, server)] == [
        "slug: is none",
        "time_zone: is none",
        "country: is none",
    ]
    assert admin.execute("select count(*) from operational.clinic").fetchone() == (3,)


def test_flags_add_up_over_files_until_the_person_says_otherwise(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    flags = {"asthma": "Wheezes", "diabetes": "Sugar"}
    fields = {"source_id": "id", "name": "name", "registered_on": "since", "chronic_conditions": {"flags": flags}}
    files = [{"clinic": {"column": "at"}, "entities": [{"entity": "patient", "fields": fields}]}]
    mapping = Mapping.model_validate({"source": "list", "people": "clinic", "files": files})

    def conditions(wheezes: int, sugar: int) -> list[str]:
        (tmp_path / "p.csv").write_text(f"at,id,name,since,Wheezes,Sugar\nnorth,1,Ada,2026-01-02,{wheezes},{sugar}\n")
        bring(server, mapping, tmp_path / "p.csv")
        ((found,),) = admin.execute("select chronic_conditions from operational.profile").fetchall()
        return list(found)

    assert conditions(1, 0) == ["asthma"]
    assert conditions(0, 1) == ["asthma", "diabetes"]
    admin.execute("update operational.profile set chronic_conditions = '{}', asserted_on = 'infinity'")
    assert conditions(1, 1) == []


@pytest.mark.check(1)
def test_two_names_never_become_one_clinic(server: Server, admin: psycopg.Connection, tmp_path: Path) -> None:
    """Of one file as little as of two; a name written in other letters is the same one."""
    fields = {"source_id": "id", "name": "name", "registered_on": "since"}
    files = [{"clinic": {"column": "at", "as_slug": True}, "entities": [{"entity": "patient", "fields": fields}]}]
    mapping = Mapping.model_validate({"source": "list", "people": "clinic", "files": files})

    def brought(*clinics: str) -> None:
        rows = [f"{clinic},1,Ada Wren,2026-01-02" for clinic in clinics]
        (tmp_path / "patients.csv").write_text("\n".join(["at,id,name,since", *rows]))
        bring(server, mapping, tmp_path / "patients.csv")

    brought("SANTA MÔNICA", "Centro")
    brought("Santa Mônica")
    for clinics in (["Santa Monica"], ["Ilha", "ILHÁ"]):
        with pytest.raises(InvalidInput, match="two clinic names make one slug") as refused:
            brought(*clinics)
        assert refused.value.place == "clinic"
    registered = admin.execute(
        "select c.name, count(*) from operational.registration inner join operational.clinic as c using (clinic_id)"
        " where c.slug in ('santa_monica', 'centro') group by 1 order by 1"
    )
    assert registered.fetchall() == [("Centro", 1), ("SANTA MÔNICA", 1)]


@pytest.mark.check(43)
def test_a_row_that_only_the_clinics_time_zone_shows_wrong_is_quarantined_and_the_rest_lands(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    fields = {"source_id": "patient", "record_id": "visit", "status": {"constant": "booked"}}
    times = {"booked_at": "booked", "starts_on": "starts"}
    files = [{"match": "times.csv", "clinic": {"column": "clinic"},
              "entities": [{"entity": "appointment", "fields": {**fields, **times}}]}]  # fmt: skip
    mapping = Mapping.model_validate({"source": "hospital", "people": "source", "files": files})
    bring(server, MAPPING, folder / "patients.csv")
    (folder / "times.csv").write_text(
        "clinic,visit,patient,booked,starts\n"
        "north,t1,1,2026-01-05T10:00:00Z,2026-01-06\n"
        "north,t2,1,2026-01-05T10:00:00Z,2026-01-02\n"
        # In the evening of the 4th in Sao Paulo; the 5th in UTC.
        "south,t3,3,2026-01-05T01:00:00Z,2026-01-04\n"
    )
    for _ in range(2):
        bring(server, mapping, folder / "times.csv")
        assert [row[2] for row in facts(admin, ["appointment"])["appointment"]] == ["t1", "t3"]
        refused = [(line, reason) for file, line, reason, _ in quarantined(admin, server) if file == "times.csv"]
        assert refused == [(3, "starts_on: is before booked_on")]


@pytest.mark.check(33)
def test_a_guardian_in_a_file_is_one_until_the_dependent_comes_of_age(
    server: Server, admin: psycopg.Connection, folder: Path
) -> None:
    (folder / "patients.csv").write_text(
        "clinic,id,name,since,born,phone,guardian\n"
        "north,1,Ada Wren,2026-01-02,1950-02-28,,\n"
        "north,2,Grown Child,2026-01-03,1990-02-28,,1\n"
        "north,3,Una Kite,2026-01-03,2019-05-06,,1\n"
        "north,4,Ivo Dove,2026-01-03,,,1\n"
    )
    bring(server, MAPPING, folder / "patients.csv")
    found = admin.execute("select starts_on, ends_on from operational.guardianship order by 1").fetchall()
    # From birth on, so that by the rule the first one is over since 2008.
    assert found == [(date(1990, 2, 28), None), (date(2019, 5, 6), None)]
    assert [stands(begun, ended, begun, date(2026, 1, 3)) for begun, ended in found] == [False, True]
    assert [reason for _, _, reason, _ in quarantined(admin, server)] == ["guardian_id: needs the birth date"]
    consents = "clinic,source_id,purpose,kind,text_version,signer_id,occurred_at\n"
    for day in ("2008-02-27", "2008-02-28", "2026-01-03"):
        consents += f"north,2,profile_sharing,signed,v1,1,{day}T10:00:00Z\n"
    (folder / "consents.csv").write_text(consents)
    bring(server, MAPPING, folder / "consents.csv")
    signed = admin.execute("select occurred_at::date from operational.consent_event order by 1").fetchall()
    assert signed == [(date(2008, 2, 27),)], "who was a guardian then could sign; who is none cannot"
