"""The pipeline's commands. Dagster and dbt take seconds to import: each command does so when it runs."""

from datetime import datetime
from typing import Annotated

import typer

from infra.errors import Refused
from orchestration.live.commands import live

app = typer.Typer()
app.add_typer(live, name="live")


@app.command()
def materialize(
    clinic: Annotated[
        list[str] | None, typer.Option(help="A clinic's slug; repeat it for several. Default: all.")
    ] = None,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="The day to build for. Default: today at each clinic."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build marts that are current, too.")] = False,
    full_refresh: Annotated[bool, typer.Option("--full-refresh", help="Fill every mart table anew.")] = False,
) -> None:
    """Bring the clinics' marts up to date: ingest, segments, summaries, checks."""
    from rich.console import Console

    from infra.database import server
    from orchestration import materialize as pipeline

    console = Console(stderr=True)
    with console.status("Bringing the marts up to date"):
        outcome = pipeline.materialize(
            server(), clinic, as_of.date() if as_of else None, force=force, full_refresh=full_refresh
        )
    typer.echo(f"{len(outcome.done)} built, {len(outcome.current)} current already, {len(outcome.failed)} failed")
    if outcome.failed:
        named = "; ".join(f"{slug}: {fault}" for slug, fault in sorted(outcome.failed.items()))
        raise Refused(f"the build failed for {named}", hint="the other clinics are done")


@app.command()
def seal(
    once: Annotated[bool, typer.Option("--once", help="Seal what is there and end.")] = False,
    attached: Annotated[int | None, typer.Option(help="End with this process, which started it.")] = None,
) -> None:
    """Seal the audit log every second until interrupted; `cloister serve` starts one beside itself."""
    import os

    from infra import log
    from infra.at_rest import refuse_bare_disks
    from infra.database import server
    from infra.settings import settings
    from orchestration import sealer

    refuse_bare_disks(settings())
    if once:
        sealed = sealer.seal_once(server())
        typer.echo(", ".join(f"{count:,} {stream} events" for stream, count in sealed.items()) + " sealed")
        return
    log.configure()
    sealer.run(server(), lambda: attached is not None and os.getppid() != attached)
