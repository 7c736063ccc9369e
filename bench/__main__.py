"""Runs the benchmarks: `python -m bench [--scale small] [--only ingest]`.

Prints a table, writes build/bench.json, and ends with 1 if a benchmark failed to run. A goal that is
missed is a figure like any other; `--strict` makes it a failure.
"""

import importlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.harness import BENCHMARKS, Bench, Figure, Skipped, save, show
from bench.scale import SCALES
from bench.scale_data import HOME, instance

# One module an area, in the order in which they run.
AREAS = (
    "ingest",
    "ingest_dbt",
    "ingest_csv",
    "segments",
    "segments_one",
    "segments_examples",
    "segments_memory",
    "live",
    "hostile_rules",
    "live_midnight",
    "live_consent",
    "access_reads",
    "access_rotation",
    "audit_seal",
    "onboarding",
    "audit_reads",
    "audit_search",
    "live_pull",
    "live_webhooks",
    "exchange_import",
    "exchange_export",
    "pages",
)


def main(
    scale: Annotated[str, typer.Option(help="small, medium or full.")] = "full",
    only: Annotated[str, typer.Option(help="Run only benchmarks whose name starts like this.")] = "",
    out: Annotated[Path, typer.Option(help="Where the figures go.")] = HOME.parent / "bench.json",
    home: Annotated[Path, typer.Option(help="Folder of the benchmarks' own instance.")] = HOME,
    strict: Annotated[bool, typer.Option(help="Fail if a goal is missed.")] = False,
) -> None:
    """Run the benchmarks and print what they found."""
    console = Console()
    for area in AREAS:
        importlib.import_module(f"bench.{area}")
    bench = Bench(instance(home.absolute()), SCALES[scale], home.absolute() / "files")
    bench.folder.mkdir(exist_ok=True)
    figures, failed = _run(bench, only, console)
    show(figures, console)
    save(figures, out)
    if failed or (strict and not all(figure.met for figure in figures)):
        raise typer.Exit(1)


def _run(bench: Bench, only: str, console: Console) -> tuple[list[Figure], bool]:
    figures: list[Figure] = []
    failed = False
    for name, function in BENCHMARKS.items():
        if not name.startswith(only):
            continue
        console.print(f"[dim]{name}[/]")
        try:
            figures += function(bench)
        except Skipped as reason:
            console.print(f"{name} left out: {reason}")
        except Exception:
            # One that breaks should not cost an hour of the others' figures.
            console.print_exception()
            failed = True
    return figures, failed


if __name__ == "__main__":
    typer.run(main)
