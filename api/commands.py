"""Commands of the API: serving and tokens; accounts and keys have modules of their own."""

from typing import TYPE_CHECKING, Annotated

import typer

from api.account_commands import issuer, user
from api.key_commands import key
from api.message_commands import messages
from api.webhook_commands import webhooks

if TYPE_CHECKING:
    from api.messages.sender import Post
    from infra.settings import Settings

app = typer.Typer(no_args_is_help=True)
app.add_typer(user, name="user")
app.add_typer(key, name="api-key")
app.add_typer(issuer, name="issuer")
app.add_typer(messages, name="messages")
app.command("webhooks")(webhooks)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; `CLOISTER_HOST` otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; `CLOISTER_PORT` otherwise.")] = None,
    seal: Annotated[bool, typer.Option(help="Seal the audit log in a process beside this one.")] = True,
    with_live: Annotated[
        bool, typer.Option("--with-live", help="Keep segments up to date in a process beside this one.")
    ] = False,
    send_webhooks: Annotated[
        bool, typer.Option("--webhooks/--no-webhooks", help="Send webhooks in a process beside this one.")
    ] = True,
) -> None:
    """Serve the API and the pages until interrupted."""
    from contextlib import ExitStack

    import uvicorn  # late, like every heavy import here: the command line starts fast

    from api.app import create_app
    from infra import log
    from infra.at_rest import refuse_bare_disks
    from infra.audit import note_start
    from infra.beside import beside
    from infra.database import server
    from infra.listening import refuse_taken_port
    from infra.server_log import refuse_wordy_log
    from infra.settings import settings
    from policies.access.decide import load

    chosen = settings()
    refuse_bare_disks(chosen)
    refuse_wordy_log(chosen, server())
    log.configure()
    address, number = host or chosen.host, chosen.port if port is None else port
    refuse_taken_port(address, number)
    application = create_app(post=_post(chosen))
    note_start(load().version)
    typer.echo(f"Serving on http://{address}:{number}", err=True)
    with ExitStack() as others:
        wanted = {"seal": seal, "live": with_live, "webhooks": send_webhooks}
        for command in (name for name, is_wanted in wanted.items() if is_wanted):
            others.enter_context(beside(command))
        uvicorn.run(
            application,
            host=address,
            port=number,
            log_config=None,
            access_log=False,
            server_header=False,
            # Of others, anybody could write the origin of an event into such a header.
            proxy_headers=bool(chosen.trusted_proxies),
            forwarded_allow_ips=chosen.trusted_proxies,
        )


def _post(chosen: "Settings") -> "Post | None":
    """The messenger; without a mail server messages wait for one."""
    from api.messages.post import open_post
    from api.messages.transports import transport_of
    from infra.database import server
    from infra.errors import Misconfigured

    try:
        transport = transport_of(chosen)
    except Misconfigured as error:
        typer.echo(f"cloister: messages wait: {error.message} ({error.hint})", err=True)
        return None
    return open_post(server(), chosen, transport)


@app.command()
def token(
    login: Annotated[str, typer.Option(help="Login of the account that the token stands for.")],
    ttl: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds that it is good for.")] = 3600,
) -> None:
    """Print an access token for an account of this instance."""
    from api.accounts import find_principal
    from api.identity.issuer import WITH_CODE, open_issuer
    from infra.database import server

    # Whoever holds the instance's keys vouches for what an account's own sign-in would have asked for.
    issuer = open_issuer(server())
    principal_id, since = find_principal(server(), login)
    typer.echo(issuer.issue(principal_id, lifetime=ttl, methods=WITH_CODE, since=since))
