"""`cloister live`: the worker, and what an operator does about changes that it could not bring in."""

from typing import Annotated

import typer

live = typer.Typer(invoke_without_command=True)


@live.callback()
def work(
    context: typer.Context,
    attached: Annotated[int | None, typer.Option(help="End with this process, which started it.")] = None,
) -> None:
    """Bring every change into marts and segments at once, until interrupted; any number may run.

    Rows of the quarantine that an admin asked to try again are tried as well.
    """
    if context.invoked_subcommand:
        return
    import os  # late, like every heavy import here: the command line starts fast
    import threading

    from infra import log
    from infra.at_rest import refuse_bare_disks
    from infra.database import server
    from infra.settings import settings
    from orchestration.importing import asked
    from orchestration.live import worker

    refuse_bare_disks(settings())
    log.configure()
    # It may be trying thousands of rows: it ends with the process, and the database undoes what was half done.
    threading.Thread(target=asked.follow, args=[server()], daemon=True).start()
    worker.run(server(), lambda: attached is not None and os.getppid() != attached)


@live.command()
def retry(clinic: Annotated[str, typer.Argument(help="Slug of the clinic.")]) -> None:
    """Try a clinic's dead changes and failing segments again, once what refused them is mended."""
    from datetime import UTC, datetime

    from infra.database import server
    from infra.errors import Refused
    from orchestration.clinics import clinic_days
    from orchestration.live.attend import retry as try_again
    from orchestration.live.lane import open_lane

    at = server()
    (day,) = clinic_days(at, [clinic], None, datetime.now(UTC))
    with open_lane(at) as lane:
        dead, left = try_again(lane, day)
    typer.echo(f"'{clinic}': of {dead} patients with dead changes {dead - left} are up to date")
    if left:
        raise Refused(f"{left} patients still have dead changes", hint="`dead_change` names the rules they break")
