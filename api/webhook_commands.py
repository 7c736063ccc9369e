"""The command that sends deliveries of webhooks."""

from typing import Annotated

import typer


def webhooks(
    once: Annotated[bool, typer.Option("--once", help="Send what is due and end.")] = False,
    attached: Annotated[int | None, typer.Option(help="End with this process, which started it.")] = None,
) -> None:
    """Send deliveries of webhooks until interrupted; `cloister serve` starts one such process beside itself."""
    import asyncio  # late, like every heavy import here: the command line starts fast

    from api.webhooks import courier
    from infra import log
    from infra.at_rest import refuse_bare_disks
    from infra.database import server
    from infra.settings import settings

    refuse_bare_disks(settings())
    log.configure()
    taken = asyncio.run(courier.run(server(), settings(), once=once, attached=attached))
    if once:
        typer.echo(f"{taken} taken")
