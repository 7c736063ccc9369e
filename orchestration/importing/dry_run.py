"""What an import would do, with nothing written: every row read and judged by itself.

Whether the patient or parent of a record is known shows only in the import itself.
"""

from pathlib import Path

import polars as pl

from infra.database import Server, connect
from infra.roles import Login
from orchestration.importing.contacts import in_one_form
from orchestration.importing.fhir.loaders import shaped_rows
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.pieces import convert
from orchestration.importing.fhir.reading import read_batches
from orchestration.importing.fhir.run import FhirReport, clinics_of, source_of
from orchestration.importing.fhir.run import listed_files as listed_fhir
from orchestration.importing.mapping import Mapping
from orchestration.importing.quarantine import TOLD
from orchestration.importing.reading import LINE, Progress, RowSource, read_pieces
from orchestration.importing.run import Report, listed_files
from orchestration.importing.shaping import CLINIC, REASON, Shaped, shape


def look_at_csv(
    at: Server, files: list[Path], mapping: Mapping, clinic: str | None, progress: Progress
) -> list[Report]:
    """What `import_files` would do.

    Raises:
        InvalidInput: a file, its header or the mapping does not fit.
    """
    with connect(Login.IMPORTER, at=at) as connection:
        countries: dict[str, str] = dict(connection.execute("select slug, country from operational.clinic").fetchall())
    reports = []
    for path in listed_files(files, mapping):
        file, report = mapping.for_file(path), Report(file=path.name)
        made = file.clinic is not None and file.clinic.as_slug
        pieces = read_pieces(
            path, delimiter=file.delimiter, missing=file.missing, columns=file.columns(), only=file.only
        )
        for piece in pieces:
            shaped = shape(piece.rows, mapping, file, clinic)
            _count(report, piece, shaped, None if made else set(countries), countries)
            report.read += piece.rows.height + len(piece.broken)
            progress(piece.rows.height + len(piece.broken), piece.read)
        reports.append(report)
    return reports


def look_at_fhir(at: Server, files: list[Path], mapping: FhirMapping, progress: Progress) -> list[FhirReport]:
    """What `import_fhir` would do.

    Raises:
        InvalidInput: a file or the mapping does not fit.
    """
    with connect(Login.IMPORTER, at=at) as connection:
        _, countries = clinics_of(connection, mapping)
    listed, reports = listed_fhir(files), []
    with source_of(listed, mapping, countries, progress) as (source, looked):
        for path in listed:
            report, source.index.file = FhirReport(file=path.name), path.name
            for batch in read_batches(path):
                done = convert(batch, source, note=not looked)
                for key, piece in done.pieces.items():
                    _count(report, piece, shaped_rows(mapping, key, piece), set(countries), countries)
                report.read += done.read
                report.left += done.left
                progress(done.read, batch.read)
            report.told = sorted(report.told)[:TOLD]
            reports.append(report)
    return reports


def _count(
    report: Report, piece: RowSource, shaped: Shaped, clinics: set[str] | None, countries: dict[str, str]
) -> None:
    """Add what would become of a piece; `clinics` are the slugs that there are, None where the import makes them."""
    refused = [(piece.place(line), reason) for line, reason in shaped.refused.select(LINE, REASON).iter_rows()]
    refused += [(broken.line, broken.reason) for broken in piece.broken]
    bad: set[int] = set()
    for entity, frame in shaped.entities.items():
        found = _of_no_clinic(frame, clinics) if entity != "clinic" else []
        found += _bad_contacts(frame, countries) if entity == "patient" else []
        refused += [(piece.place(line), reason) for line, reason in found if line not in bad]
        bad |= {line for line, _ in found}
    for entity, frame in shaped.entities.items():
        report.entities[entity] += frame.filter(~pl.col(LINE).is_in(list(bad))).height
    report.refused += len(refused)
    report.told = sorted(report.told + refused)[:TOLD]


def _of_no_clinic(frame: pl.DataFrame, clinics: set[str] | None) -> list[tuple[int, str]]:
    known = pl.col(CLINIC).is_in(list(clinics)) if clinics is not None else pl.col(CLINIC).is_not_null()
    return [(line, "clinic: is unknown") for line in frame.filter(~known)[LINE]]


def _bad_contacts(frame: pl.DataFrame, countries: dict[str, str]) -> list[tuple[int, str]]:
    """Rows with a phone or email that is none; clinics stand for their ids."""
    numbers = {slug: number for number, slug in enumerate(countries)}
    of = pl.col(CLINIC).replace_strict(numbers, default=None, return_dtype=pl.Int64).alias("clinic_id")
    _, refused = in_one_form(
        frame.with_columns(of, pl.col(LINE).alias("line")), {numbers[slug]: name for slug, name in countries.items()}
    )
    return list(refused.iter_rows())
