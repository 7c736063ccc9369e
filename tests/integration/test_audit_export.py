"""Exports of the sealed log verify offline; whatever a superuser does to the log, verifying names it."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sealed_log import NORTH, PULLED, TABLES, Log

from infra.audit_tree import seal
from infra.audit_tree.export import export
from infra.audit_tree.status import newest_checkpoint, public_keys, rotate_key
from infra.audit_tree.streams import ACCESS, IMPERSONATION
from infra.audit_tree.verify_file import verify_file
from infra.database import Server, connect_admin
from infra.errors import CloisterError, InvalidInput, Refused
from tests.conftest import ROOT
from tests.integration.sealing import add_batch, add_event, add_events, seal_all


@pytest.fixture(scope="module")
def log(module_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(module_server, tmp_path_factory.mktemp("log"))


@pytest.fixture
def changed(log: Log) -> Iterator[Log]:
    yield log
    log.restore()


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


def test_the_platforms_export_is_whole_private_and_an_event(log: Log) -> None:
    found = log.verified()
    assert (found.events, found.hashes, found.checkpoint.size) == (found.checkpoint.size, 0, found.checkpoint.size)
    assert found.checkpoint.size >= 320
    assert (log.folder / "export.gz").stat().st_mode & 0o077 == 0
    with connect_admin(log.at) as admin:
        newest = admin.execute(
            "select action, resource_id, clinic_id, role from audit.access_event order by occurred_at desc limit 1"
        )
        assert newest.fetchone() == ("log.export", "access", None, "operator")


def test_a_line_holds_the_event_and_whom_it_disclosed(log: Log) -> None:
    log.verified()
    events = [json.loads(line[45:]) for line in lines_of(log.folder / "export.gz") if line[44:46] == b" {"]
    disclosing = [event for event in events if event["action"] == "member.list"]
    assert {tuple(event["patient_ids"]) for event in disclosing if event["patients"] == 3} == {
        tuple(sorted(map(str, patients))) for patients in (log.patients, PULLED)
    }
    assert [event["index"] for event in events] == list(range(len(events)))
    assert "transaction_id" not in events[0] and len({event["nonce"] for event in events}) == len(events)


@pytest.mark.check(50)
def test_a_clinics_export_holds_other_clinics_events_as_hashes(log: Log) -> None:
    found = log.verified("south", "south.gz")
    # Its ten, and that it was made.
    assert found.events == 11 and found.hashes == found.checkpoint.size - 11
    text = gzip.decompress((log.folder / "south.gz").read_bytes())
    assert b'"clinic_id":1' not in text and str(log.event(0)).encode() not in text
    with pytest.raises(Refused, match="no log of impersonations"):
        export(log.at, log.folder / "none", IMPERSONATION, "south")
    with pytest.raises(InvalidInput, match="no clinic"):
        export(log.at, log.folder / "none", clinic="nowhere")
    assert not list(log.folder.glob("none*"))


@pytest.mark.check(24)
@pytest.mark.parametrize("index", [2, 150, 321])
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update audit.access_event set action = 'clinic.list' where event_id = %s", "not the one that was sealed"),
        ("update audit.access_event set occurred_at = occurred_at + interval '1 us' where event_id = %s", "only its"),
        ("delete from audit.access_event where event_id = %s", "not there any more, only its hash"),
        ("delete from audit.disclosure where event_id = %s", "not the one that was sealed"),
        ("insert into audit.disclosure select event_id, occurred_at, 1, event_id from audit.leaf where event_id = %s",
         "not the one that was sealed"),
        ("update audit.disclosure set clinic_id = 2 + clinic_id where event_id = %s", "not the one that was sealed"),
        ("delete from audit.leaf where stream = 'access' and event_id = %s", "the leaf is not there"),
    ],
    ids=["edit", "time", "delete", "undisclose", "disclose", "elsewhere", "leaf"],
)  # fmt: skip
def test_what_was_edited_or_deleted_is_named(changed: Log, index: int, statement: str, reason: str) -> None:
    event = changed.event(index)
    changed.change(statement.replace("%s", f"'{event}'"))
    with pytest.raises(Refused, match=rf"^index {index}: .*{reason}"):
        changed.verified()


@pytest.mark.check(24)
@pytest.mark.parametrize(
    "statement",
    [
        "delete from audit.batch_patient where ctid = (select min(ctid) from audit.batch_patient)",
        "delete from audit.batch_patient",
        "update audit.batch_patient set asset = 'patients'",
        "update audit.batch_patient set clinic_id = 2",
        "insert into audit.batch_patient select event_id, occurred_at, 1, event_id, 'forms' from audit.batch_patient",
    ],
    ids=["one", "all", "asset", "clinic", "more"],
)
def test_a_batch_whose_patients_were_changed_is_named(changed: Log, statement: str) -> None:
    changed.change(statement)
    with pytest.raises(Refused, match=rf"^index {changed.index(changed.batch)}: the event is not the one that was"):
        changed.verified()


@pytest.mark.check(24)
def test_an_event_that_is_gone_from_a_clinics_own_is_named(changed: Log) -> None:
    """To whoever verifies it stands there as another clinic's would; its number is missing from between the others."""
    whole = changed.verified("north", "north.gz")
    assert whole.numbers == (0, whole.events) and whole.hashes >= 10
    for statement in ("delete from audit.access_event", "update audit.access_event set clinic_id = 2",
                      "update audit.access_event set role = 'patient'"):  # fmt: skip
        changed.change(f"{statement} where event_id = '{changed.event(150)}'")
        with pytest.raises(Refused, match=r"^index 150: of the clinic's events, \d+ follows \d+"):
            changed.verified("north", "north.gz")
        changed.restore()


@pytest.mark.check(10)
def test_a_clinics_export_names_nobodys_account(changed: Log) -> None:
    """What people did themselves is there as hashes: two clinics could link their patients by the account."""
    with connect_admin(changed.at) as admin:
        own, guarded = add_event(admin, NORTH), add_event(admin, NORTH)
        admin.execute("set session_replication_role = replica")
        admin.execute("update audit.access_event set role = 'patient' where event_id = %s", [own])
        admin.execute("update audit.access_event set acting_for = event_id where event_id = %s", [guarded])
    before = changed.verified("north", "north.gz")
    seal_all(changed.at)
    after = changed.verified("north", "north.gz")
    # The export of before is there, the two are not.
    assert (after.events, after.hashes) == (before.events + 1, before.hashes + 2)
    text = gzip.decompress((changed.folder / "north.gz").read_bytes()).decode()
    assert str(own) not in text and str(guarded) not in text


@pytest.mark.check(24)
def test_leaves_from_before_lines_held_batches_and_numbers_verify_on(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(seal, "_numbers", lambda _connection, clinics: [None] * len(clinics))
        add_batch(server, NORTH, "forms", [uuid4()])
        seal_all(server)
    add_batch(server, NORTH, "forms", [uuid4()])
    seal_all(server)
    lines = export(server, tmp_path / "whole").path.read_text()
    assert lines.count('"action":"pipeline.ingest"') == 2 and lines.count('"batch_sha256"') == 1
    assert verify_file(tmp_path / "whole").hashes == 0
    found = verify_file(export(server, tmp_path / "north", clinic="north").path)
    assert found.numbers == (0, 1) and found.events > 1


@pytest.mark.check(24)
def test_events_that_changed_places_are_named(changed: Log) -> None:
    one, other = changed.event(30), changed.event(31)
    changed.change(
        "update audit.leaf set index = index + 100000 where stream = 'access' and index in (30, 31)",
        f"update audit.leaf set index = 31 where event_id = '{one}'",
        f"update audit.leaf set index = 30 where event_id = '{other}'",
    )  # fmt: skip
    with pytest.raises(Refused, match=r"^index 30: the event is not the one that was sealed"):
        changed.verified()


@pytest.mark.check(24)
def test_a_log_whose_tail_was_cut_is_known_by_the_older_checkpoint(changed: Log) -> None:
    changed.change(
        "delete from audit.access_event where event_id in (select event_id from audit.leaf where index >= 12)",
        "delete from audit.leaf where stream = 'access' and index >= 12",
        "delete from audit.checkpoint where stream = 'access' and size > 12",
    )
    made = export(changed.at, changed.folder / "cut")
    assert verify_file(made.path, [str(changed.keys)]).checkpoint.size == 12
    with pytest.raises(Refused, match=r"^index 12: the log ends here, and had 22 leaves: its tail was cut"):
        verify_file(made.path, [str(changed.keys)], [changed.older])


@pytest.mark.check(24)
def test_emptied_the_log_has_nothing_to_export(changed: Log) -> None:
    changed.change(*(f"truncate audit.{table}" for table in TABLES))
    with pytest.raises(Refused, match="nothing is sealed"):
        changed.verified()


@pytest.mark.check(25)
def test_a_clone_of_the_log_with_the_same_key_is_known(server: Server, log: Log, tmp_path: Path) -> None:
    """Another database with the same keyring: its log has the same size and another root."""
    older = log.verified().checkpoint
    seal_all(server)
    with connect_admin(server) as admin:
        had = admin.execute("select count(*) from audit.access_event").fetchone()
    add_events(server, older.size - had[0])  # type: ignore[index]
    seal_all(server)
    log.older.write_text(newest_checkpoint(log.at, ACCESS))
    made = export(server, tmp_path / "clone")
    with pytest.raises(Refused, match=f"two roots of one size, {older.size}"):
        verify_file(made.path, [str(log.keys)], [log.older])


@pytest.mark.check(24)
def test_a_rotated_key_verifies_and_a_strangers_does_not(log: Log, tmp_path: Path) -> None:
    rotate_key(log.at)
    seal_all(log.at)
    both = log.verified()
    assert len(both.checkpoint.signed_by) == 1  # the older key alone is known to whoever kept it
    assert len(verify_file(log.folder / "export.gz").checkpoint.signed_by) == 2
    stranger = str(public_keys(log.at)[0]).replace("/access+", "/excess+")
    with pytest.raises(InvalidInput, match="own id"):
        verify_file(log.folder / "export.gz", [stranger])
    with connect_admin(log.at) as admin:
        found = admin.execute("select resource_type from audit.access_event where action = 'key.rotate'").fetchall()
        assert found == [("audit_key",)]


def test_an_export_from_a_later_leaf_on_verifies_alone(log: Log) -> None:
    made = export(log.at, log.folder / "later", first=15)
    found = verify_file(made.path, [str(log.keys)], [log.older])
    assert found.header.first == 15 and found.events == made.size - 15


def test_lines_of_many_patients_are_made_a_few_at_a_time(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as small:
        small.setattr("infra.audit_tree.lines.PATIENTS", 3)
        add_events(server, 5, patients=[uuid4(), uuid4()])
        seal_all(server)
        portions = export(server, tmp_path / "portions").path
    assert verify_file(portions).events >= 5
    assert export(server, tmp_path / "whole").path.read_bytes() == portions.read_bytes()


def test_files_that_are_none_are_named_with_their_line(log: Log, tmp_path: Path) -> None:
    log.verified()
    packed = (log.folder / "export.gz").read_bytes()
    bad = {
        "cut.gz": (packed[: len(packed) // 2], r"line \d+: the compressed file is cut off"),
        "damaged.gz": (packed[:500] + b"\x00" * 50 + packed[550:], r"line \d+"),
        "text": (b"hello\n", "line 1: no header"),
        "empty": (b"", "line 1: no header"),
        "huge": (lines_of(log.folder / "export.gz")[0] + b"\n" + b"9" * 2**26, "line 2: longer than 67,108,864 bytes"),
    }
    for name, (content, reason) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises((InvalidInput, Refused), match=reason):
            verify_file(tmp_path / name)
    with pytest.raises(CloisterError, match="cannot be read"):
        verify_file(tmp_path / "nothing")
    (tmp_path / "no-keys").write_text("\n")
    with pytest.raises(InvalidInput, match="no key"):
        verify_file(log.folder / "export.gz", [str(tmp_path / "no-keys")])
    with pytest.raises(InvalidInput, match="no signed note"):
        verify_file(log.folder / "export.gz", [str(log.keys)], [tmp_path / "text"])
    with pytest.raises(CloisterError, match="cannot be written"):
        export(log.at, tmp_path / "no" / "folder")


def test_verifying_needs_neither_settings_nor_a_database(log: Log, tmp_path: Path) -> None:
    log.verified()
    command = [sys.executable, "-m", "infra.cli", "audit", "verify", str(log.folder / "export.gz")]
    known = {"PYTHONPATH": f"{ROOT}", "PATH": os.environ["PATH"], "CLOISTER_HOME": "/nonexistent/home",
             "CLOISTER_PORT": "none", "DATABASE_URL": "nonsense"}  # fmt: skip
    for more, code, told in (
        (["--key", str(log.keys), "--checkpoint", str(log.older)], 0, "whole: "),
        (["--checkpoint", str(log.keys)], 1, "no signed note"),
    ):
        done = subprocess.run([*command, *more], capture_output=True, text=True, cwd=tmp_path, env=known, check=False)
        assert (done.returncode, told in done.stdout + done.stderr) == (code, True), done


def test_a_log_whose_events_cannot_be_recorded_is_not_exported(changed: Log, admin: psycopg.Connection) -> None:
    with connect_admin(changed.at) as superuser:
        superuser.execute("create policy none on audit.access_event as restrictive for insert with check (false)")
        try:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                export(changed.at, changed.folder / "unrecorded")
        finally:
            superuser.execute("drop policy none on audit.access_event")
    assert not list(changed.folder.glob("unrecorded*"))
