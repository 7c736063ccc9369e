"""Commands of the operator: the database, clinics and segment definitions."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.audit import audit_app
from infra.cli.consent import consent_app
from infra.cli.demo import demo
from infra.cli.export import export_app
from infra.cli.keys import keys_app
from infra.cli.sample import sample
from infra.errors import CloisterError, InvalidInput

if TYPE_CHECKING:
    from policies.segments.definition import SegmentDefinition

app = typer.Typer()
app.command()(demo)
app.command()(sample)
clinic_app = typer.Typer(help="Clinics.", no_args_is_help=True)
segment_app = typer.Typer(help="Segments of a clinic, or of all.", no_args_is_help=True)
app.add_typer(clinic_app, name="clinic")
app.add_typer(segment_app, name="segment")
app.add_typer(keys_app, name="keys")
app.add_typer(audit_app, name="audit")
app.add_typer(consent_app, name="consent")
app.add_typer(export_app, name="export")


@app.command()
def up() -> None:
    """Start the embedded database and bring it up to date."""
    from infra.database import server
    from infra.instance import start
    from infra.settings import settings

    started = start(settings())
    typer.echo(
        f"{'started' if started else 'already running'}: PostgreSQL at {server().admin.get('host', 'DATABASE_URL')}"
    )


@app.command()
def down() -> None:
    """Stop the embedded database."""
    from infra.instance import stop
    from infra.settings import settings

    typer.echo("stopped" if stop(settings()) else "was not running")


@app.command()
def status() -> None:
    """Show what runs, where its data lies and what encrypts the disks."""
    from infra.instance import describe
    from infra.settings import settings

    for name, value in describe(settings()).items():
        typer.echo(f"{name:<24} {value}")


@app.command()
def migrate() -> None:
    """Bring roles, schemas and tables up to date."""
    from infra.at_rest import refuse_bare_disks
    from infra.database import server
    from infra.encryption.provider import ensure_keyring
    from infra.provisioner import set_up
    from infra.settings import settings

    refuse_bare_disks(settings())
    ran = set_up(server())
    ensure_keyring(settings(), server())
    typer.echo(f"ran {len(ran)} migrations" if ran else "already up to date")


@clinic_app.callback()
def _clinics() -> None:
    """Clinics."""


@clinic_app.command("add")
def clinic_add(
    slug: Annotated[str, typer.Argument(help="1 to 40 of a-z, 0-9 and _.")],
    name: Annotated[str | None, typer.Option(help="Name that people see; the slug if not given.")] = None,
    time_zone: Annotated[str, typer.Option(help="Such as Europe/Berlin.")] = "UTC",
    country: Annotated[str, typer.Option(help="ISO 3166 code.")] = "ZZ",
) -> None:
    """Make a clinic: its schema, its roles, its tables and grants."""
    from infra.database import server
    from infra.provisioner import Clinic, add_clinics

    made = add_clinics(server(), [Clinic(slug, name or slug, time_zone, country)], requested_by="operator")
    typer.echo(f"made clinic '{slug}'" if made else f"clinic '{slug}' was there already")


@clinic_app.command("configure")
def clinic_configure(
    clinic: Annotated[str, typer.Argument(help="Slug of the clinic.")],
    file: Annotated[Path, typer.Argument(help="YAML: specialists, services, forms; see samples/bookings.yml.")],
    of_records: Annotated[
        bool, typer.Option("--specialists-of-records", help="And the specialists whom its appointments name.")
    ] = False,
) -> None:
    """Say what a clinic offers, who offers it and which forms go with it; what the file leaves out is closed."""
    from infra.clinic_settings import configure, read_settings
    from infra.database import server

    changed = configure(server(), clinic, read_settings(file), of_records=of_records)
    typer.echo(f"'{clinic}': {changed} changes" if changed else f"'{clinic}' was like this already")


@clinic_app.command("consent-grace")
def clinic_consent_grace(
    clinic: Annotated[str, typer.Argument(help="Slug of the clinic.")],
    days: Annotated[int, typer.Argument(help="0 to 3650; 90 unless it was changed.")],
) -> None:
    """Say how many days what a guardian signed stands after the patient came of age, unless confirmed."""
    from infra.consent_grace import set_consent_grace
    from infra.database import server

    changed = set_consent_grace(server(), clinic, days)
    typer.echo(f"'{clinic}': {days} days" if changed else f"'{clinic}' was like this already")


@segment_app.command("add")
def segment_add(
    rule: Annotated[Path, typer.Argument(help="JSON file with one segment or a list of them.")],
    clinic: Annotated[list[str] | None, typer.Option(help="Clinic; may be given several times.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every clinic.")] = False,
    fires: Annotated[
        bool, typer.Option("--fires", help="Automation may act on whom the new rules bring in and out.")
    ] = False,
) -> None:
    """Add segments; a changed rule becomes a new version."""
    from infra.database import server
    from infra.segments import add_segments

    definitions = _definitions(rule)
    chosen = _chosen(clinic, all_)
    tally = add_segments(server(), chosen, definitions, fires=fires)
    said = ", ".join(f"{count} {what}" for what, count in tally.items())
    typer.echo(f"{len(definitions)} segments in {len(chosen)} clinics: {said}")


@segment_app.command("counts")
def segment_counts(
    clinic: Annotated[list[str] | None, typer.Option(help="Clinic; all if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of {clinic, segment, members}.")] = False,
) -> None:
    """Show how many patients are in each segment now."""
    from dataclasses import asdict

    from infra.database import server
    from infra.segments import count_members

    counts = count_members(server(), _chosen(clinic, not clinic))
    if as_json:
        typer.echo(json.dumps([asdict(count) for count in counts], indent=1))
        return
    for count in counts:
        typer.echo(f"{count.clinic:<40} {count.segment:<50} {count.members:>8,}")


def _chosen(clinics: list[str] | None, everyone: bool) -> list[str]:
    from infra.database import server
    from infra.segments import all_clinics

    if bool(clinics) == everyone:
        raise InvalidInput("say which clinics", place="clinic", hint="--clinic SLUG or --all")
    return list(clinics or []) or all_clinics(server())


def _definitions(path: Path) -> "list[SegmentDefinition]":
    from policies.segments.definition import parse_segments
    from policies.segments.rule import RuleError

    try:
        return parse_segments(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise CloisterError(f"{path} cannot be read") from None
    except RuleError as error:
        raise InvalidInput(f"{path.name}: {error}", place=error.place) from None
