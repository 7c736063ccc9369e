"""A dry run says what an import would do, and writes nothing."""

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from infra.database import Server
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
    (looked,) = look_at_csv(server, [path], mapping, None, lambda _: None)
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
    (looked,) = look_at_fhir(server, [path], FhirMapping.model_validate({"source": "fhir", **mapping}), lambda _: None)
    assert counts(admin) == before
    (done,) = take(server, mapping, path)
    assert (looked.read, looked.refused, looked.entities, looked.left) == (
        done.read, done.refused, done.entities, done.left,
    )  # fmt: skip
    assert looked.told == done.told == [(2, "name: is missing")]


@pytest.mark.parametrize("kind", ["csv", "fhir"])
def test_the_published_schema_of_mappings_is_the_one_that_is_read(kind: str) -> None:
    shown = CliRunner().invoke(app, ["import", "schema", kind])
    assert shown.exit_code == 0
    assert (ROOT / "docs" / f"mapping.{kind}.schema.json").read_text() == shown.output
