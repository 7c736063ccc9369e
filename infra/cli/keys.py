"""`cloister keys`: rotate them while serving, and see what stands under which."""

from typing import Annotated

import typer

from infra.errors import Refused

keys_app = typer.Typer(help="Keys: how far they are rotated, and rotating them.", no_args_is_help=True)


@keys_app.command()
def status() -> None:
    """Show how many rows stand under each version of each key, and which rotations are open."""
    from infra.database import connect, server
    from infra.encryption.provider import key_provider
    from infra.encryption.rotation.status import open_rotations, survey
    from infra.roles import Login
    from infra.settings import settings

    at = server()
    provider = key_provider(settings(), at.secrets_folder)
    with connect(Login.ROTATOR, at=at) as connection:
        for line in survey(connection, provider):
            typer.echo(f"{line.what:<26} {line.version:<12} {line.rows:>12,}  {line.state}")
        for kind, since in open_rotations(connection).items():
            typer.echo(f"open: {kind}, begun {since} (`cloister keys rotate --{kind}` goes on)")


@keys_app.command()
def rotate(
    kek: Annotated[bool, typer.Option("--kek", help="Key-encryption keys.")] = False,
    data: Annotated[bool, typer.Option("--data", help="Data keys.")] = False,
    index: Annotated[bool, typer.Option("--index", help="Blind indexes.")] = False,
) -> None:
    """Rotate keys while the service runs; without an option all of them. A killed run goes on."""
    from infra.cli.progress import stages
    from infra.database import server
    from infra.encryption.field_codec import FieldCodec
    from infra.encryption.provider import key_provider
    from infra.encryption.rotation.book import Kind
    from infra.encryption.rotation.run import rotate as run
    from infra.settings import settings

    asked = {Kind.KEK: kek, Kind.DATA: data, Kind.INDEX: index}
    kinds = [kind for kind in Kind if asked[kind] or not any(asked.values())]
    at = server()
    with stages() as announce:
        outcomes = run(at, FieldCodec(key_provider(settings(), at.secrets_folder)), kinds, announce)
    for outcome in outcomes:
        typer.echo(f"{outcome.kind.value}: {outcome.turned:,} rotated, {outcome.left:,} left")
    if any(outcome.left for outcome in outcomes):
        raise Refused("rows are left under old keys, held by a writer or broken", hint="run it again")
