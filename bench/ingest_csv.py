"""CSV import of the Vitória file, repeated as it is, and with new appointment ids in each repetition.

The command itself is measured, start of the interpreter included, in a process of its own. Its clinics
are there before, from a file with one row each: making a clinic is not what this is about.
"""

import os
import subprocess  # nosec B404: our own interpreter, fixed arguments
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import polars as pl
from psycopg import conninfo

from bench.harness import Bench, Figure, Skipped, Timer, at_least, at_most, benchmark
from bench.scale_data import drop, in_database
from infra.database import Server, connect_admin
from infra.provisioner import set_up

ROOT = Path(__file__).parent.parent
SOURCE = ROOT.parent / "shared" / "data" / "noshow" / "appointments.csv.gz"
MAPPING = ROOT / "samples" / "noshow.mapping.yml"
DATABASE = "bench_csv"
CLOISTER = "from infra.cli.main import run; run()"


class Imported(NamedTuple):
    """What an import took."""

    seconds: float
    peak_megabytes: float


@benchmark("ingest.csv")
def csv(bench: Bench) -> Iterator[Figure]:
    """Rows a second, peak memory, and what double the rows cost; baseline: COPY into a bare table of text."""
    if not SOURCE.exists():
        raise Skipped(f"{SOURCE} is not there")
    rows = bench.scale.csv_rows
    again = import_file(bench, repeated(bench, rows, new=False))
    half = import_file(bench, repeated(bench, rows // 2))
    whole = import_file(bench, repeated(bench, rows))
    bare = rows / copy_bare(in_database(bench.at, DATABASE), repeated(bench, rows))
    drop(bench.at, DATABASE)
    yield at_least("ingest.csv_rows_per_s", rows / again.seconds, "rows/s", 100_000, baseline=bare)
    yield at_least("ingest.csv_new_rows_per_s", rows / whole.seconds, "rows/s", 100_000, baseline=bare)
    peak = max(again.peak_megabytes, whole.peak_megabytes)
    yield at_most("ingest.csv_memory_mb", peak, "MB", 600, baseline=half.peak_megabytes)
    yield at_most("ingest.csv_doubling", whole.seconds / half.seconds, "x", 2.2)


def repeated(bench: Bench, rows: int, *, new: bool = True) -> Path:
    """A file with so many rows of the source, made once; unless each is `new`, they say the same again and again."""
    path = bench.folder / f"noshow_{'' if new else 'same_'}{rows}.csv"
    if not path.exists():
        source = pl.read_csv(SOURCE, infer_schema=False)
        turns = range(-(-rows // source.height))
        parts = [
            source.with_columns(pl.col("AppointmentID") + f"-{turn}" if new else "AppointmentID") for turn in turns
        ]
        pl.concat(parts).head(rows).write_csv(path)
    return path


def import_file(bench: Bench, path: Path) -> Imported:
    """Import a file into a fresh database."""
    at = in_database(bench.at, DATABASE)
    drop(bench.at, DATABASE)
    set_up(at)
    clinics = bench.folder / "noshow_clinics.csv"
    pl.read_csv(SOURCE, infer_schema=False).unique("Neighbourhood", maintain_order=True).write_csv(clinics)
    run_import(at, "csv", clinics, MAPPING)
    return run_import(at, "csv", path, MAPPING)


def copy_bare(at: Server, path: Path) -> float:
    """Seconds to COPY the file as it is into a table of text columns."""
    columns = path.open(encoding="utf-8").readline().strip().split(",")
    with connect_admin(at) as admin, (timer := Timer()).running():
        definitions = ", ".join(f"c{index} text" for index in range(len(columns)))
        admin.execute(f"create table public.bare ({definitions})")
        with (
            admin.cursor().copy("copy public.bare from stdin (format csv, header)") as copy,
            path.open("rb") as file,
        ):
            while block := file.read(1 << 20):
                copy.write(block)
    return timer.seconds


def run_import(at: Server, kind: str, path: Path, mapping: Path) -> Imported:
    """Run `cloister import` of a kind and wait for it.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-c", CLOISTER, "import", kind, str(path), "--mapping", str(mapping)]
    chosen = {
        "CLOISTER_HOME": str(at.secrets_folder.parent),
        "CLOISTER_MODE": "demo",
        "CLOISTER_ROLE_PREFIX": at.roles.prefix,
        "DATABASE_URL": conninfo.make_conninfo(**at.admin),
    }
    with (timer := Timer()).running():
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **chosen})  # nosec B603
        # Not wait(): only this call tells the memory of this one child.
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"import of {path.name} ended with {process.returncode}")
    return Imported(timer.seconds, usage.ru_maxrss / 1024)
