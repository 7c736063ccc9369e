"""Commands for local accounts and for the issuer of their tokens."""

import sys
from typing import Annotated

import typer

from policies.words import Role

user = typer.Typer(no_args_is_help=True, help="Local accounts.")
issuer = typer.Typer(no_args_is_help=True, help="The built-in issuer of access tokens.")

LoginArgument = Annotated[str, typer.Argument(help="Login of the account.")]
IssuerOption = Annotated[str | None, typer.Option(help="Issuer of the subject; `CLOISTER_OIDC_ISSUER` otherwise.")]


@user.command("add")
def add_user(
    login: LoginArgument,
    name: Annotated[str, typer.Option(help="Name to show.")],
    role: Annotated[Role, typer.Option(help="Role to give.")],
    clinic: Annotated[str | None, typer.Option(help="Clinic of the role.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")] = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For another issuer's tokens alone; see `user link`.")
    ] = False,
) -> None:
    """Make an account, or give an existing one a role and a new password."""
    from api import accounts  # late, like every heavy import here: the command line starts fast
    from infra.database import server

    password = None if no_password else (sys.stdin.readline().rstrip("\n") if password_stdin else _ask())
    principal_id = accounts.add_user(server(), login, name, role, clinic, password)
    typer.echo(f"{login} {principal_id}")


@user.command("demo")
def demo_users() -> None:
    """Make the demonstration's accounts; they lie in `demo-accounts.json` of CLOISTER_HOME."""
    from api.demo_accounts import ensure_demo_accounts
    from infra.database import server
    from infra.segments import all_clinics

    at = server()
    made = ensure_demo_accounts(at, all_clinics(at))
    typer.echo(f"{len(made)} accounts")


@user.command("code")
def demo_code(login: LoginArgument) -> None:
    """Print the sign-in code that a demo account's authenticator app would show now."""
    from api.demo_accounts import demo_code
    from infra.database import server

    typer.echo(demo_code(server(), login))


@user.command("reset-codes")
def reset_codes(login: LoginArgument) -> None:
    """Take an account's sign-in codes away, say of a lost phone; its next sign-in sets up new ones."""
    from api.account_care import reset_codes
    from infra.database import server

    reset_codes(server(), login)
    typer.echo(f"{login} sets up codes at the next sign-in")


@user.command("specialist")
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


@user.command("booking-page")
def booking_page(
    clinic: Annotated[str, typer.Argument(help="Slug of the clinic.")],
    close: Annotated[bool, typer.Option("--close", help="Let newcomers book no more.")] = False,
) -> None:
    """Let newcomers without an account book at a clinic, on the page `/book/CLINIC`."""
    from api.identity.booking_pages import close_page, open_page
    from infra.database import server

    (close_page if close else open_page)(server(), clinic)
    typer.echo(f"the booking page of '{clinic}' is {'closed' if close else 'open'}")


@user.command("link")
def link(
    login: LoginArgument,
    subject: Annotated[str, typer.Option(help="`sub` of the issuer's tokens for this account.")],
    issuer: IssuerOption = None,
) -> None:
    """Let the tokens of an external issuer's subject stand for an account."""
    from api.account_care import link
    from infra.database import server

    link(server(), login, subject, issuer)
    typer.echo(f"linked with {login}")


@user.command("unlink")
def unlink(
    subject: Annotated[str, typer.Option(help="`sub` that was linked.")],
    issuer: IssuerOption = None,
) -> None:
    """Let the tokens of an external issuer's subject stand for nobody."""
    from api.account_care import unlink
    from infra.database import server

    unlink(server(), subject, issuer)
    typer.echo("unlinked")


@issuer.callback()
def _issuer() -> None:
    """The built-in issuer of access tokens."""


@issuer.command("rotate")
def rotate_issuer() -> None:
    """Make a new signing key; it signs five minutes later, and the old one is accepted for a day."""
    from api.identity.issuer import rotate
    from infra.database import server

    typer.echo(f"new signing key {rotate(server())}")


def _ask() -> str:
    asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return asked
