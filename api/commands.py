"""Commands of the API: serving, accounts, tokens."""

import sys
from typing import Annotated

import typer

from policies.words import Role

app = typer.Typer(no_args_is_help=True)
user = typer.Typer(no_args_is_help=True, help="Local accounts.")
app.add_typer(user, name="user")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; `CLOISTER_HOST` otherwise.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; `CLOISTER_PORT` otherwise.")] = None,
) -> None:
    """Serve the API and the pages until interrupted."""
    import uvicorn  # late, like every heavy import here: the command line starts fast

    from api.app import create_app
    from infra import log
    from infra.instance import refuse_bare_disks
    from infra.settings import settings

    chosen = settings()
    refuse_bare_disks(chosen)
    log.configure()
    address, number = host or chosen.host, chosen.port if port is None else port
    application = create_app()
    typer.echo(f"Serving on http://{address}:{number}", err=True)
    uvicorn.run(
        application,
        host=address,
        port=number,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anybody could write the origin of an event into such a header
    )


@app.command()
def token(
    login: Annotated[str, typer.Option(help="Login of the account that the token stands for.")],
    ttl: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds that it is good for.")] = 3600,
) -> None:
    """Print an access token for an account of this instance."""
    from api.accounts import find_principal
    from api.identity.issuer import open_issuer
    from infra.database import server

    typer.echo(open_issuer(server()).issue(find_principal(server(), login), lifetime=ttl))


@user.command("add")
def add_user(
    login: Annotated[str, typer.Argument(help="Login of the account.")],
    name: Annotated[str, typer.Option(help="Name to show.")],
    role: Annotated[Role, typer.Option(help="Role to give.")],
    clinic: Annotated[str | None, typer.Option(help="Clinic of the role.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
) -> None:
    """Make an account, or give an existing one a role and a new password."""
    from api import accounts
    from infra.database import server

    password = sys.stdin.readline().rstrip("\n") if password_stdin else _ask()
    principal_id = accounts.add_user(server(), login, name, role, clinic, password)
    typer.echo(f"{login} {principal_id}")


@user.command("link")
def link_specialist(
    login: Annotated[str, typer.Argument(help="Login of a specialist.")],
    clinic: Annotated[str, typer.Option(help="Clinic of the records.")],
    name: Annotated[str, typer.Option(help="Name of the specialist in these records.")],
) -> None:
    """Say whom a clinic's records mean by the name of a specialist: whose patients the account then sees."""
    from api.accounts import link_specialist
    from infra.database import server

    link_specialist(server(), login, clinic, name)
    typer.echo(f"'{name}' of {clinic} is {login}")


@user.command("demo")
def demo_users() -> None:
    """Make the demonstration's accounts; they lie in `demo-accounts.json` of CLOISTER_HOME."""
    from api.accounts import ensure_demo_accounts
    from infra.database import server
    from infra.segments import all_clinics

    at = server()
    made = ensure_demo_accounts(at, all_clinics(at))
    typer.echo(f"{len(made)} accounts")


def _ask() -> str:
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
