"""`cloister quarantine`: what an operator does about rows that broke the contract."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from orchestration.importing.telling import tell

quarantine = typer.Typer(help="Rows that broke the contract: list, show, try again.", no_args_is_help=True)
Clinic = Annotated[str | None, typer.Option(help="One clinic's alone; its slug.")]
Source = Annotated[str | None, typer.Option(help="Of one source alone.")]


@quarantine.command("list")
def list_(clinic: Clinic = None, source: Source = None) -> None:
    """Show what waits, by clinic, source, file and reason: how many rows, and the first line; none of their content."""
    from infra.database import server
    from orchestration.importing.waiting import Chosen, reasons

    found = reasons(server(), Chosen(clinic, source))
    for row in found:
        where = f"{row.clinic or '(no clinic)'}  {row.source}  {row.entity}  {row.file}:{row.line}"
        typer.echo(f"{row.entries:>7,}  {where}  {row.reason}  {row.first}")
    typer.echo(f"{sum(row.entries for row in found):>7,}  in quarantine")


@quarantine.command("show")
def show(entry: Annotated[UUID, typer.Argument(help="Id of an entry, as `list` names it.")]) -> None:
    """Print a row as it came in, with its reason; that it was looked at is recorded."""
    import sys

    from infra.database import server
    from infra.encryption.provider import key_provider
    from infra.settings import settings
    from orchestration.importing import waiting

    at = server()
    found = waiting.show(at, key_provider(settings(), at.secrets_folder), entry)
    typer.echo(f"{found.file}:{found.line}: {found.reason}", err=True)
    sys.stdout.buffer.write(found.content + b"\n")


@quarantine.command("retry")
def retry(
    entries: Annotated[list[UUID] | None, typer.Argument(help="Ids of entries; all, if none is given.")] = None,
    clinic: Clinic = None,
    source: Source = None,
    asked: Annotated[bool, typer.Option("--asked", help="Those alone that an admin asked to try again.")] = False,
    mapping: Annotated[
        Path | None, typer.Option(help="A mended mapping file, in place of the one that the rows came in with.")
    ] = None,
) -> None:
    """Import rows again as they are, once what refused them is mended: a patient has come, say, or the mapping."""
    from infra.cli.progress import counting
    from infra.database import server
    from infra.encryption.provider import key_provider
    from infra.settings import settings
    from orchestration.importing.again import Trying, try_again
    from orchestration.importing.waiting import Chosen, mapped_files

    chosen, at = settings(), server()
    how = Trying(key_provider(chosen, at.secrets_folder), chosen.effective_mode, mapped_files(mapping))
    with counting("rows") as progress:
        reports = try_again(at, Chosen(clinic, source, entries or (), asked), how, progress)
    if not reports:
        typer.echo("nothing to try again")
    tell(reports, "rows")
