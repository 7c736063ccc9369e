"""`cloister export`: what patients carry away, verified offline."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

export_app = typer.Typer(help="Patients' exports: verify them, and their keys.", no_args_is_help=True)


@export_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="An export: the ZIP file as `POST /v1/me/exports` gives it.")],
    key: Annotated[list[str], typer.Option(help="A public key to trust, or a file of such; repeatable.")],
) -> None:
    """Verify an export offline, with the public key alone, and say what it is."""
    from infra.exports.verify import verify_export

    found = verify_export(file, key, datetime.now(UTC))
    said = found.manifest
    typer.echo(f"genuine: made by {said.issuer} for '{said.clinic}' at {said.created.isoformat(timespec='seconds')}")
    typer.echo(f"good until {said.expires.isoformat(timespec='seconds')}")
    for name, digest in said.files.items():
        typer.echo(f"  {name:<18} {digest.size:>12,} bytes{'' if name in found.package.digests else ', left out'}")


@export_app.command("keys")
def keys() -> None:
    """Print the public keys that exports were signed with, newest first: what `verify --key` takes.

    Beside them, on the other stream, from when until when each signed.
    """
    from infra.database import server
    from infra.exports.keys import public_keys

    for known in public_keys(server()):
        until = f"until {known.until.isoformat(timespec='seconds')}" if known.until else "and signs now"
        typer.echo(f"from {known.since.isoformat(timespec='seconds')} {until}:", err=True)
        typer.echo(known.verifier)


@export_app.command("rotate-key")
def rotate_key() -> None:
    """Make a new key, which running services sign with from now on; what the old one signed stays good."""
    from infra.database import server
    from infra.exports import keys

    typer.echo(f"signing with {keys.rotate_key(server())} from now on")
