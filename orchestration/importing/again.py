"""Rows of the quarantine imported again, as they were, under their file's name and line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from infra.database import Server
from infra.encryption.keyring import KeyProvider
from infra.errors import InvalidInput, Refused
from infra.settings import Mode
from orchestration.importing.batches import BatchKind
from orchestration.importing.early import load_all
from orchestration.importing.fhir import run as fhir
from orchestration.importing.fhir.mapping import FhirMapping
from orchestration.importing.fhir.reading import batches_of
from orchestration.importing.mapping import Mapping
from orchestration.importing.reading import Progress, piece_of
from orchestration.importing.run import FileImport, Import, Report
from orchestration.importing.session import ImportSession, import_session
from orchestration.importing.waiting import Chosen, Kept, kept, lines_of, settle

Lines = list[tuple[int, bytes]]
Kind = TypeVar("Kind", bound=BaseModel)


@dataclass(frozen=True)
class Trying:
    """With what rows are tried again: keys, the instance's mode, and a mended mapping in place of their own, if any."""

    keys: KeyProvider
    mode: Mode
    mapping: dict[str, Any] | None = None


def try_again(at: Server, chosen: Chosen, how: Trying, progress: Progress) -> list[Report]:
    """Import open entries again; those that come in whole are closed, the others stay, with the reason of now.

    They say what was so when they came in: nothing that has changed since is changed by them.

    Raises:
        InvalidInput: an entry is not open; the mapping is another source's, or does not fit.
        Refused: a row's mapping was not kept, so that its files have to be imported again; assumed consents outside of
            demo mode. What was imported before stays.
    """
    files = kept(at, chosen)
    for file in files:  # before any is tried
        check_whole(file)
    return [try_file(at, file, how, progress, asked=chosen.asked) for file in files]


def try_file(
    at: Server, file: Kept, how: Trying, progress: Progress, *, asked: bool = False, waits: bool = True
) -> Report:
    """Import open entries of one file, which is whole, again.

    If they were `asked` for, those that nobody else has tried meanwhile.

    Raises:
        InvalidInput: the mapping is another source's, or does not fit.
        Refused: the mapping is of several clinics' resources, or assumes consents outside of demo mode.
        SourceBusy: another import of the source is under way, and this one `waits` for none.
    """
    mapping = _mapping(file, how.mapping)
    if mapping.consent == "assumed" and how.mode is not Mode.DEMO:
        raise Refused("`consent: assumed` works in demo mode only", hint="bring consents with their evidence")
    with import_session(
        at, file.source, how.keys, file.clinic, file.since, fires=mapping.fires, waits=waits
    ) as session:
        # No other import of this source goes on from here.
        with session.transaction(_clinics(session)) as connection:
            lines = lines_of(connection, session.codec, file.entries, asked=asked)
        if not lines:
            return Report(file=file.file)
        numbered = [(line.number, line.content) for line in lines]
        if isinstance(mapping, FhirMapping):
            done: Report = _resources(session, file, numbered, mapping, progress)
        else:
            what = Import(mapping, how.keys, how.mode, file.clinic)
            done = _rows(at, session, file, numbered, what, progress)
        with session.transaction(_clinics(session)) as connection:
            settle(connection, [line.entry for line in lines], done.batch_id)
    return done


def check_whole(file: Kept) -> None:
    """Check that rows of a file can be tried by themselves.

    Raises:
        Refused: its mapping was not kept.
    """
    if file.kind is None:
        raise Refused(
            f"rows of {file.file} cannot be tried again by themselves", place="entry", hint="import the files again"
        )


def _clinics(session: ImportSession) -> list[int]:
    with session.transaction() as connection:
        return [row[0] for row in connection.execute("select clinic_id from operational.clinic")]


def _rows(at: Server, session: ImportSession, file: Kept, lines: Lines, what: Import, progress: Progress) -> Report:
    path = Path(file.file)
    read = what.mapping.for_file(path)
    header = file.header or []
    piece = piece_of(lines, header, delimiter=read.delimiter, missing=read.missing, columns=read.columns())
    again = FileImport(at, session, path, what, [piece], header)
    load_all(session, [again], progress)
    return again.report


def _resources(session: ImportSession, file: Kept, lines: Lines, mapping: FhirMapping, progress: Progress) -> Report:
    with session.transaction() as connection:
        clinics, countries = fhir.clinics_of(connection, mapping)
    with fhir.source_of([], mapping, countries, progress) as (source, _):
        again = fhir.FileImport(session, Path(file.file), source, clinics, list(batches_of(lines)), note=True)
        load_all(session, [again], progress)
        return again.report


def _mapping(file: Kept, mended: dict[str, Any] | None) -> Mapping | FhirMapping:
    """What reads the rows, mended or not; whether automation may act on them was said when they came in."""
    found: Mapping | FhirMapping
    if file.kind == BatchKind.FHIR:
        found = _checked(FhirMapping, mended or file.mapping)
    else:
        found = _checked(Mapping, mended or file.mapping)
    if isinstance(found, FhirMapping) and found.clinics.of:
        raise Refused("of several clinics, whose a resource is hangs on others", hint="import the files again")
    if found.source != file.source:
        raise InvalidInput(f"the rows of {file.file} are of source '{file.source}'", place="source")
    return found.model_copy(update={"fires": bool((file.mapping or {}).get("fires"))})


def _checked(kind: type[Kind], mapping: Any) -> Kind:
    try:
        return kind.model_validate(mapping)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(first["msg"].removeprefix("Value error, "), place=place) from None
