"""`cloister import`: files of other systems into the operational zone."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestration.importing.quarantine_commands import quarantine
from orchestration.importing.telling import tell


class MappingKind(StrEnum):
    """What a mapping file is for."""

    CSV = "csv"
    FHIR = "fhir"


app = typer.Typer()
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what it would do, with the first bad rows; write nothing.")
]
Fire = Annotated[
    bool, typer.Option("--fire", help="Let automation act on who enters and leaves segments by what comes in.")
]
importing = typer.Typer(help="Bring files of other systems in.", no_args_is_help=True)
app.add_typer(importing, name="import")
app.add_typer(quarantine, name="quarantine")


@importing.callback()
def _group() -> None:
    """Bring files of other systems in."""


@importing.command("schema")
def schema(kind: Annotated[MappingKind, typer.Argument(help="csv or fhir.")] = MappingKind.CSV) -> None:
    """Print the JSON Schema of mapping files."""
    import json

    from orchestration.importing.fhir.mapping import FhirMapping
    from orchestration.importing.mapping import Mapping

    model = Mapping if kind is MappingKind.CSV else FhirMapping
    typer.echo(json.dumps(model.model_json_schema(), indent=1, sort_keys=True))


@importing.command("csv")
def csv(
    files: Annotated[list[Path], typer.Argument(help="CSV files, gzip or not, or folders of them.")],
    mapping: Annotated[Path, typer.Option(help="Mapping file (YAML).")],
    clinic: Annotated[str | None, typer.Option(help="The clinic, if the mapping names no column for it.")] = None,
    dry_run: DryRun = False,
    fire: Fire = False,
) -> None:
    """Import CSV files; rows that break the contract go to quarantine with the reason."""
    # Late, since polars and the rest take long to import.
    from infra.cli.progress import counting
    from infra.database import server
    from infra.encryption.provider import key_provider
    from infra.settings import settings
    from orchestration.importing.dry_run import look_at_csv
    from orchestration.importing.mapping import load_mapping
    from orchestration.importing.run import Import, expanded, import_files

    chosen, at, mapped = settings(), server(), load_mapping(mapping)
    mapped = mapped.model_copy(update={"fires": mapped.fires or fire})
    with counting("rows", sum(path.stat().st_size for path in expanded(files))) as progress:
        if dry_run:
            reports = look_at_csv(at, files, mapped, clinic, progress)
        else:
            keys = key_provider(chosen, at.secrets_folder)
            reports = import_files(at, files, Import(mapped, keys, chosen.effective_mode, clinic), progress)
    tell(reports, "rows")


@importing.command("fhir")
def fhir(
    files: Annotated[list[Path], typer.Argument(help="NDJSON files and Bundles, gzip or not, or folders of them.")],
    mapping: Annotated[Path, typer.Option(help="Mapping file (YAML).")],
    dry_run: DryRun = False,
    fire: Fire = False,
) -> None:
    """Import FHIR R4 resources; those that cannot be taken go to quarantine with the reason."""
    # Late, since polars and the rest take long to import.
    from infra.cli.progress import counting
    from infra.database import server
    from infra.encryption.provider import key_provider
    from infra.settings import settings
    from orchestration.importing.dry_run import look_at_fhir
    from orchestration.importing.fhir.mapping import load_fhir_mapping
    from orchestration.importing.fhir.run import FhirImport, expanded, import_fhir

    chosen, at, mapped = settings(), server(), load_fhir_mapping(mapping)
    mapped = mapped.model_copy(update={"fires": mapped.fires or fire})
    size = sum(path.stat().st_size for path in expanded(files)) * (1 + mapped.looks_ahead())
    with counting("resources", size) as progress:
        if dry_run:
            reports = look_at_fhir(at, files, mapped, progress)
        else:
            keys = key_provider(chosen, at.secrets_folder)
            reports = import_fhir(at, files, FhirImport(mapped, keys, chosen.effective_mode), progress)
    tell(reports, "resources")
    for report in reports:
        if report.left:
            left = ", ".join(f"{count:,} {kind}" for kind, count in report.left.most_common())
            typer.echo(f"  {report.file}: left out {left}")
