"""What commands say of an import that ran."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:  # it takes long to import
    from orchestration.importing.run import Report


def tell(reports: Sequence["Report"], what: str) -> None:
    """What became of each file; a failure if nothing came in and something was refused."""
    for report in reports:
        done = ", ".join(f"{count:,} {entity}" for entity, count in report.entities.items()) or "nothing"
        became = f"in quarantine (batch {report.batch_id})" if report.batch_id else "refused; nothing is written"
        typer.echo(f"{report.read:,} {what} read: {done}; {report.refused:,} {became}")
        for line, reason in report.told:
            typer.echo(f"  {report.file}:{line}: {reason}", err=True)
        if report.refused > len(report.told):
            typer.echo(f"  and {report.refused - len(report.told):,} more", err=True)
    if reports and all(report.refused and not report.entities for report in reports):
        raise typer.Exit(1)
