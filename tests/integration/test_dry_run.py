"""A dry run says what an import would do, and writes nothing."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from infra.cli import progress
from infra.database import Server
from infra.settings import settings
from orchestration.importing import reading
from orchestration.importing.commands import app
from orchestration.importing.dry_run import look_at_csv, look_at_fhir
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.mapping import Mapping
from tests.integration.importing import bring
from tests.integration.test_fhir_import import take

ROOT = Path(__file__).parents[2]
MAPPING = {
    "source": "dry",
    "people": "source",
    "files": [
        {
            "match": "p.csv",
            "clinic": {"column": "clinic"},
            "entities": [
                {
                    "entity": "patient",
                    "fields": {"source_id": "id", "name": "name", "birth_date": "born", "email": "email",
                               "registered_on": {"constant": "2024-01-01"}},
                }
            ],
        }
    ],
}  # fmt: skip
ROWS = [
    "id,name,born,email,clinic",
    "1,Canary One,1990-01-01,,north",
    "2,Canary Two,1990-13-01,,north",
    "3,Canary Three,,no address,north",
    "4,Canary Four,,,elsewhere",
    "5,short",
]
RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Patient", "id": "p1", "name": [{"text": "Canary One"}]},
    {"resourceType": "Patient", "id": "p2"},
    {"resourceType": "Goal", "id": "g"},
]
WRITTEN = "select (select count(*) from operational.{}), (select count(*) from audit.access_event)"


def counts(admin: psycopg.Connection) -> list[tuple[Any, ...]]:
    tables = ("person", "registration", "import_batch", "quarantine", "outbox", "data_key")
    return [tuple(admin.execute(WRITTEN.format(table)).fetchone() or ()) for table in tables]  # type: ignore[call-overload]


def test_a_dry_run_of_csv_says_what_the_import_then_does(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path, mapping = tmp_path / "p.csv", Mapping.model_validate(MAPPING)
    path.write_text("\n".join(ROWS) + "\n")
    before = counts(admin)
    (looked,) = look_at_csv(server, [path], mapping, None, lambda *_: None)
    assert counts(admin) == before
    assert [line for line, _ in looked.told] == [3, 4, 5, 6] and looked.batch_id is None
    (done,) = bring(server, mapping, path)
    assert (looked.read, looked.refused, looked.entities) == (done.read, done.refused, done.entities)
    assert sorted(looked.told) == sorted(done.told)


def test_a_dry_run_of_fhir_says_what_the_import_then_does(
    server: Server, admin: psycopg.Connection, tmp_path: Path
) -> None:
    path, mapping = tmp_path / "all.ndjson", {"clinics": {"default": "north"}, "registered_on": "2024-01-01"}
    path.write_text("".join(json.dumps(resource) + "\n" for resource in RESOURCES))
    before = counts(admin)
    (looked,) = look_at_fhir(server, [path], FhirMapping.model_validate({"source": "fhir", **mapping}), lambda *_: None)
    assert counts(admin) == before
    (done,) = take(server, mapping, path)
    assert (looked.read, looked.refused, looked.entities, looked.left) == (
        done.read, done.refused, done.entities, done.left,
    )  # fmt: skip
    assert looked.told == done.told == [(2, "name: is missing")]


def run(server: Server, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """`cloister import …` on the test's own database."""
    administrator = f"postgresql://{server.admin['user']}@/{server.admin['dbname']}?host={server.admin['host']}"
    chosen = {"CLOISTER_HOME": server.secrets_folder.parent, "CLOISTER_MODE": "demo", "DATABASE_URL": administrator,
              "CLOISTER_ROLE_PREFIX": server.roles.prefix}  # fmt: skip
    for name, value in chosen.items():
        monkeypatch.setenv(name, str(value))
    settings.cache_clear()
    return CliRunner().invoke(app, ["import", *arguments])


def test_the_command_imports_fhir_or_says_what_it_would_do(
    server: Server, admin: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all.ndjson").write_text("".join(json.dumps(resource) + "\n" for resource in RESOURCES))
    mapping = tmp_path / "fhir.yml"
    mapping.write_text("source: fhir\nclinics: {default: north}\n")
    command = ("fhir", str(tmp_path), "--mapping", str(mapping))
    before = counts(admin)
    looked = run(server, monkeypatch, *command, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert looked.stdout.splitlines() == [
        "3 resources read: 1 patient; 1 refused; nothing is written", "  all.ndjson: left out 1 Goal",
    ]  # fmt: skip
    assert looked.stderr == "  all.ndjson:2: name: is missing\n"
    assert counts(admin) == before
    done = run(server, monkeypatch, *command)
    assert done.exit_code == 0, done.output
    ((batch,),) = admin.execute("select batch_id from operational.import_batch").fetchall()
    assert done.stdout.splitlines()[0] == f"3 resources read: 1 patient; 1 in quarantine (batch {batch})"
    assert (done.stdout.splitlines()[1:], done.stderr) == (looked.stdout.splitlines()[1:], looked.stderr)
    assert admin.execute("select source_id from operational.person_source").fetchall() == [("p1",)]
    (tmp_path / "all.ndjson").write_text(json.dumps(RESOURCES[1]))
    assert run(server, monkeypatch, *command).exit_code == 1


@pytest.mark.parametrize("looks_ahead", [False, True])
def test_progress_is_told_of_every_row_and_every_byte(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks_ahead: bool
) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 100)
    rows, resources = tmp_path / "p.csv", tmp_path / "all.ndjson.gz"
    rows.write_text("\n".join(ROWS * 9))
    with gzip.open(resources, "wt") as file:
        file.writelines(json.dumps(resource) + "\n" for resource in RESOURCES * 9)
    chosen = {"source": "fhir", "clinics": {"default": "north"}, "registered_on": None if looks_ahead else "2024-01-01"}
    mapping = FhirMapping.model_validate(chosen)
    assert mapping.looks_ahead() == looks_ahead
    told: list[tuple[int, int]] = []
    look_at_fhir(server, [resources], mapping, lambda *more: told.append(more))
    assert [sum(each) for each in zip(*told, strict=True)] == [27, resources.stat().st_size * (1 + looks_ahead)]
    told.clear()
    look_at_csv(server, [rows], Mapping.model_validate(MAPPING), None, lambda *more: told.append(more))
    assert len(told) > 2
    assert [sum(each) for each in zip(*told, strict=True)] == [len(ROWS) * 9 - 1, rows.stat().st_size]


def test_a_bar_shows_how_much_of_the_files_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress, "_CONSOLE", Console(file=screen, force_terminal=True, width=100))
    with progress.counting("rows", 4_000_000) as more:
        more(1_234, 1_000_000)
    assert "1,234 rows" in screen.getvalue() and "1.0/4.0 MB" in screen.getvalue()


@pytest.mark.parametrize("kind", ["csv", "fhir"])
def test_the_published_schema_of_mappings_is_the_one_that_is_read(kind: str) -> None:
    shown = CliRunner().invoke(app, ["import", "schema", kind])
    assert shown.exit_code == 0
    assert (ROOT / "docs" / f"mapping.{kind}.schema.json").read_text() == shown.output
