"""`cloister consent`: receipts of consents."""

from pathlib import Path
from typing import Annotated

import typer

consent_app = typer.Typer(help="Receipts of consents: verify them.", no_args_is_help=True)


@consent_app.command("verify")
def verify(
    receipt: Annotated[Path, typer.Argument(help="A receipt: the note as `GET /v1/me/consents/…/receipt` gives it.")],
    key: Annotated[list[str], typer.Option(help="A public key to trust, or a file of such; repeatable.")],
) -> None:
    """Verify a receipt offline, with the public key alone, and say what it attests."""
    from infra.audit_tree.receipt_key import verify_receipt

    found = verify_receipt(receipt, key)
    typer.echo(f"genuine: consent {found.consent_event_id} of patient {found.patient_id} at '{found.clinic}'")
    # Written down just before the commit.
    typer.echo(f"{found.kind.value}, {found.outcome.value} not before {found.lag_ms:,} ms after it")
    for place, at in found.places.items():
        typer.echo(f"  {place.value:<14} not before {at.isoformat()}")


@consent_app.command("keys")
def keys() -> None:
    """Print the public keys that receipts were signed with, newest first: what `verify --key` takes."""
    from infra.audit_tree.receipt_key import public_keys
    from infra.database import server

    for known in public_keys(server().secrets_folder):
        typer.echo(known)
