"""`cloister sample`: synthetic data to try everything on."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from infra.settings import settings


def sample(
    patients: Annotated[int, typer.Option(help="Registrations to make; one person in 25 has two.")] = 5000,
    clinics: Annotated[int, typer.Option(help="Clinics to spread them over.")] = 8,
    seed: Annotated[int, typer.Option(help="The same seed and date make the same files.")] = 7,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The sample's today. Default: today (UTC).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the CSV files. Default: `sample` in CLOISTER_HOME.")
    ] = None,
) -> None:
    """Make synthetic clinics, people, consents, visits, forms, plans and exercises as CSV files.

    Nobody in them exists. `samples/sample.mapping.yml` imports them.
    """
    # Late: polars takes a while to import, and this module is loaded at every start.
    from infra.sample.generate import generate, write

    folder = out or settings().home / "sample"
    frames = generate(patients, clinics, seed, (as_of or datetime.now(UTC)).date())
    for name, path in write(frames, folder).items():
        typer.echo(f"{frames[name].height:>9,} {name:<12} {path}")
