"""Commands for the API keys of systems."""

from typing import Annotated

import typer

from policies.words import Purpose

key = typer.Typer(no_args_is_help=True, help="API keys of systems.")

Prefix = Annotated[str, typer.Argument(help="What stands between the underscores of a key; `api-key list` shows it.")]
Days = Annotated[int, typer.Option(min=1, max=3660, help="Days that the key is good for.")]


@key.command("add")
def add(
    login: Annotated[str, typer.Argument(help="Login of the system; made if there is none.")],
    clinic: Annotated[str, typer.Option(help="The one clinic that the key reaches.")],
    segment: Annotated[list[str] | None, typer.Option(help="A segment it reads; all if not given.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="A field it reads besides `patient_id`; `bookings`: it books.")
    ] = None,
    purpose: Annotated[Purpose, typer.Option(help="What its data is for.")] = Purpose.OPERATIONS,
    days: Days = 365,
) -> None:
    """Make an API key and print it: it is never shown again."""
    from api.system_keys import add_api_key  # late, like every heavy import here: the command line starts fast
    from infra.database import server

    typer.echo(add_api_key(server(), login, clinic, fields=field or [], segments=segment, purpose=purpose, days=days))


@key.command("rotate")
def rotate(
    prefix: Prefix,
    overlap: Annotated[int, typer.Option(min=0, max=90, help="Days that the old key stays good.")] = 7,
    days: Days = 365,
) -> None:
    """Print a new key of the same scope in place of one, which stays good for a while."""
    from api.system_keys import rotate
    from infra.database import server

    typer.echo(rotate(server(), prefix, overlap_days=overlap, days=days))


@key.command("revoke")
def revoke(prefix: Prefix) -> None:
    """End a key at once."""
    from api.system_keys import revoke
    from infra.database import server

    revoke(server(), prefix)
    typer.echo(f"revoked {prefix}")


@key.command("list")
def list_keys(clinic: Annotated[str | None, typer.Option(help="Clinic; all if not given.")] = None) -> None:
    """Show keys with their scope, end and last use; never their secrets."""
    from api.system_keys import list_keys
    from infra.database import server

    for found in list_keys(server(), clinic):
        used = f"{found.last_used_at:%Y-%m-%d %H:%M}" if found.last_used_at else "never"
        segments = ",".join(found.segments) if found.segments is not None else "all segments"
        typer.echo(
            f"{found.prefix}  {found.state:<9} {found.clinic:<20} {found.login:<24} {found.purpose:<15}"
            f" until {found.expires_at:%Y-%m-%d}, used {used:<16}  {segments}: {','.join(found.fields)}"
        )
