"""`cloister audit`: the sealed log: exporting and verifying it, and its keys."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from infra.audit_tree.streams import Stream as LogStream

audit_app = typer.Typer(help="The sealed audit log: export, verify, keys, archive.", no_args_is_help=True)
key_app = typer.Typer(help="The keys that checkpoints are signed with.", no_args_is_help=True)
audit_app.add_typer(key_app, name="key")

Stream = Annotated[str, typer.Option(help="`access` or `impersonation`.")]


@audit_app.command("export")
def export(
    out: Annotated[Path, typer.Argument(help="File to write; gzipped if it ends in .gz.")],
    clinic: Annotated[str | None, typer.Option(help="One clinic's: others' events are hashes alone.")] = None,
    stream: Stream = "access",
    first: Annotated[int, typer.Option(min=0, help="Index of the first leaf.")] = 0,
) -> None:
    """Write the sealed log as the lines that were hashed, with its checkpoints; the export is an event itself."""
    from infra.audit_tree.export import export as write
    from infra.database import server

    made = write(server(), out, _stream(stream), clinic, first)
    typer.echo(f"{made.events:,} events of the leaves {made.first:,} to {made.size - 1:,} in {made.path}")


@audit_app.command("verify")
def verify(
    export: Annotated[Path, typer.Argument(help="An export or archive; gzipped or not.")],
    checkpoint: Annotated[list[Path] | None, typer.Option(help="File with an older checkpoint; repeatable.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="A public key to trust, or a file of such; repeatable.")] = None,
    archive: Annotated[list[Path] | None, typer.Option(help="An archive that events lie in; repeatable.")] = None,
) -> None:
    """Verify an export offline: nothing was edited, deleted, reordered or cut. Names the first bad index."""
    from infra.audit_tree.verify_file import verify_file

    found = verify_file(export, key or [], checkpoint or [], archive or [])
    told = f"{found.events:,} events, {found.hashes:,} hashes of others', {found.archived:,} in archives"
    signers = ", ".join(f"{signer.name}+{signer.key_id.hex()}" for signer in found.checkpoint.signed_by)
    leaves = f"leaves {found.header.first:,} to {found.checkpoint.size - 1:,}"
    typer.echo(f"whole: {told}; {leaves} of {found.header.scope}, signed by {signers}")
    if found.numbers:
        before, last = found.numbers
        typer.echo(f"of the clinic's own events {before + 1:,} to {last:,}, and nothing between them is missing")
    if not key:
        typer.echo("the key is the export's own word: compare it, or give --key", err=True)
    if not checkpoint:
        typer.echo("without an older --checkpoint a log that was rewritten with its key looks whole", err=True)


@audit_app.command("archive")
def archive(
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files; `archive` in CLOISTER_HOME otherwise.")
    ] = None,
) -> None:
    """Write months past their retention to verified files, and detach them; nothing is dropped."""
    from infra.at_rest import refuse_bare_disks
    from infra.audit_tree.archive import archive as run
    from infra.database import server
    from infra.settings import settings

    chosen = settings()
    folder = out or chosen.home / "archive"
    refuse_bare_disks(chosen, out=folder)
    done = run(server(), folder, chosen.audit_retention_years)
    for made in done:
        typer.echo(f"{made.events:,} events of {made.month} in {made.path}")
    if not done:
        typer.echo("no month is past its retention")


@audit_app.command("checkpoint")
def checkpoint(stream: Stream = "access") -> None:
    """Print the newest checkpoint: what to keep elsewhere, to verify later exports by."""
    from infra.audit_tree.status import newest_checkpoint
    from infra.database import server

    typer.echo(newest_checkpoint(server(), _stream(stream)), nl=False)


@key_app.command("show")
def show() -> None:
    """Print the public keys, newest first: what `verify --key` takes."""
    from infra.audit_tree.status import public_keys
    from infra.database import server

    for known in public_keys(server()):
        typer.echo(str(known))


@key_app.command("rotate")
def rotate() -> None:
    """Make a new key. The next checkpoint of each stream is signed by the old one as well."""
    from infra.audit_tree.status import rotate_key
    from infra.database import server

    typer.echo(f"signing with {rotate_key(server())} from the next checkpoint on")


def _stream(name: str) -> "LogStream":
    from infra.audit_tree.streams import STREAMS
    from infra.errors import InvalidInput

    if name not in STREAMS:
        raise InvalidInput(f"there is no stream '{name[:40]}'", place="stream", hint=" or ".join(STREAMS))
    return STREAMS[name]
