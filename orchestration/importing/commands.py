"""`cloister import`: files of other systems into the operational zone."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()
importing = typer.Typer(help="Bring files of other systems in.", no_args_is_help=True)
app.add_typer(importing, name="import")


@importing.callback()
def _group() -> None:
    """Bring files of other systems in."""


@importing.command("csv")
def csv(
    files: Annotated[list[Path], typer.Argument(help="CSV files, gzip or not, or folders of them.")],
    mapping: Annotated[Path, typer.Option(help="Mapping file (YAML).")],
    clinic: Annotated[str | None, typer.Option(help="The clinic, if the mapping names no column for it.")] = None,
) -> None:
    """Import CSV files; rows that break the contract go to quarantine with the reason."""
    # Late, since polars and the rest take long to import.
    from infra.cli.progress import counting
    from infra.database import server
    from infra.encryption.provider import key_provider
    from infra.settings import settings
    from orchestration.importing.mapping import load_mapping
    from orchestration.importing.run import Import, import_files

    chosen, at = settings(), server()
    what = Import(load_mapping(mapping), key_provider(chosen, at.secrets_folder), chosen.effective_mode, clinic)
    with counting("rows") as progress:
        reports = import_files(at, files, what, progress)
    for report in reports:
        done = ", ".join(f"{count:,} {entity}" for entity, count in report.entities.items()) or "nothing"
        typer.echo(f"{report.read:,} rows read: {done}; {report.refused:,} in quarantine (batch {report.batch_id})")
        for line, reason in report.told:
            typer.echo(f"  {report.file}:{line}: {reason}", err=True)
        if report.refused > len(report.told):
            typer.echo(f"  and {report.refused - len(report.told):,} more", err=True)
    if all(report.refused and not report.entities for report in reports):
        raise typer.Exit(1)
