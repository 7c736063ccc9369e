"""FHIR import of the hundred patients, repeated with other identifiers: resources a second and peak memory.

The command itself is measured, start of the interpreter included, in a process of its own.
"""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

from psycopg import sql

from bench.harness import Bench, Figure, Skipped, at_least, at_most, benchmark
from bench.ingest_csv import DATABASE, ROOT, Imported, run_import
from bench.scale_data import drop, in_database
from infra.database import Server, connect_admin
from infra.provisioner import Clinic, add_clinics, set_up

SOURCE = ROOT.parent / "shared" / "data" / "fhir_100"
MAPPING = """
source: bench
registered_on: 2020-01-01
consent: assumed
clinics: {default: harbour}
"""
# One repetition of the source.
RESOURCES = 28_637
LANDED = {"registration": 100, "appointment": 11_004, "form": 4_488, "form_answer": 4_488, "treatment_plan": 862}
_UUID = re.compile(rb"[0-9a-f]{8}(?=-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")


@benchmark("exchange.import")
def fhir(bench: Bench) -> Iterator[Figure]:
    """As many resources as the scale's CSV has rows, and half of them."""
    if not SOURCE.exists():
        raise Skipped(f"{SOURCE} is not there")
    turns = max(2, round(bench.scale.csv_rows / RESOURCES))
    half, whole = _imported(bench, turns // 2), _imported(bench, turns)
    drop(bench.at, DATABASE)
    rate = turns * RESOURCES / whole.seconds
    yield at_least("exchange.import_per_s", rate, "resources/s", 10_000)
    yield at_most("exchange.import_memory_mb", whole.peak_megabytes, "MB", 500, baseline=half.peak_megabytes)


def _imported(bench: Bench, turns: int) -> Imported:
    """Import so many repetitions into a fresh database."""
    at = in_database(bench.at, DATABASE)
    drop(bench.at, DATABASE)
    set_up(at)
    add_clinics(at, [Clinic("harbour", "Harbour", country="US")], requested_by="bench")
    mapping = bench.folder / "fhir.mapping.yml"
    mapping.write_text(MAPPING)
    done = run_import(at, "fhir", _repeated(bench, turns), mapping)
    _check_landed(at, turns)
    return done


def _check_landed(at: Server, turns: int) -> None:
    """What was sent is there, or the figures are of something else.

    Raises:
        RuntimeError: more or less of it is.
    """
    with connect_admin(at) as admin:
        for table, each in LANDED.items():
            ((count,),) = admin.execute(sql.SQL("select count(*) from {}").format(sql.Identifier("operational", table)))
            if count != each * turns:
                raise RuntimeError(f"of {each * turns} rows of {table} {count} landed")


def _repeated(bench: Bench, turns: int) -> Path:
    """A folder with so many repetitions of each file, made once."""
    folder = bench.folder / f"fhir_{turns}"
    if not folder.exists():
        making = folder.with_name(f"{folder.name}.tmp")
        making.mkdir(parents=True, exist_ok=True)
        for path in sorted(SOURCE.glob("*.ndjson.gz")):
            content = gzip.decompress(path.read_bytes())
            with (making / path.name.removesuffix(".gz")).open("wb") as out:
                for turn in range(turns):
                    out.write(_UUID.sub(lambda found, turn=turn: b"%08x" % (int(found[0], 16) ^ turn), content))
        making.rename(folder)
    return folder
