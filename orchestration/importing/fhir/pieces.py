"""A batch of resources as the pieces that a loader takes: rows of one shape each, in the order of loading."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from orchestration.importing.fhir.index import Index
from orchestration.importing.fhir.mapping import CLINIC_COLUMN
from orchestration.importing.fhir.reading import Batch, Resource, parse
from orchestration.importing.fhir.resources import SHAPES, place_of, rows_of
from orchestration.importing.fhir.rows import Left, Note, NotYet, Row, Source, Unfit
from orchestration.importing.fields import ENTITIES
from orchestration.importing.reading import LINE, Broken
from policies.fhir.types import CHANGES

Shape = tuple[str, ...]
# What stands for a resource that became no row: the shape that its type would have had.
_SHAPE_OF = {
    "Patient": ("patient",), "RelatedPerson": ("guardian",), "Coverage": ("fact",), "AllergyIntolerance": ("fact",),
    "Condition": ("fact",), "Consent": ("consent",), "Appointment": ("appointment",), "Encounter": ("appointment",),
    "QuestionnaireResponse": ("form",), "Observation": ("form", "answer"), "CarePlan": ("plan",),
    "ServiceRequest": ("adherence",), "Procedure": ("adherence",), "Questionnaire": ("template",),
}  # fmt: skip
_UNKNOWN: Shape = ("patient",)
# The resource itself, `Type/id`: what rows without an id of their own are known again by.
OWN = "__own__"
# These are known by their id alone; every other record by its type as well.
_BARE = ("Patient", "CarePlan")


@dataclass
class ResourcePiece:
    """Rows of one shape; a resource may give several, each with a number of its own."""

    rows: pl.DataFrame
    broken: list[Broken]
    origins: list[Resource]
    # Of several clinics, what became no row is none of theirs to see.
    only_clinic: str | None
    identity: str | None
    read: int = 0

    def place(self, line: int) -> int:
        """The line or entry of the resource that a row is of."""
        return self.origins[line].line

    def contents(self, lines: list[int]) -> dict[int, bytes]:
        """The resources of these rows, as they were."""
        return {line: self.origins[line].content for line in lines}

    def guess(self, content: bytes, column: str | None) -> str | None:
        """The clinic that everything belongs to, or the id of a resource that became no row."""
        if column == CLINIC_COLUMN:
            return self.only_clinic
        bare = () if column == OWN else _BARE
        try:
            body = parse(content) if column else {}
        except ValueError:
            return None
        own = body.get("id")
        return own if not own or body["resourceType"] in bare else f"{body['resourceType']}/{own}"


@dataclass
class Converted:
    """What became of a batch: pieces by shape, in the order of loading; `left` counts what was left out."""

    read: int
    pieces: dict[Shape, ResourcePiece] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)
    # Where resources stand that name something which has not come yet.
    early: list[int] = field(default_factory=list)
    # Of the file, that were read for it.
    bytes: int = 0


@dataclass
class _Gathered:
    records: list[dict[str, Any]] = field(default_factory=list)
    origins: list[Resource] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)


def convert(batch: Batch, source: Source, *, note: bool, last: bool = True) -> Converted:
    """The pieces of a batch; with `note` the index learns from the resources on the way.

    Unless it is the `last` time, what names something that has not come yet is left for another one.
    """
    found: defaultdict[Shape, _Gathered] = defaultdict(_Gathered)
    found[_UNKNOWN].broken += batch.broken
    done = Converted(len(batch.resources) + len(batch.broken))
    for resource in sorted(batch.resources, key=lambda each: place_of(each.type)):
        try:
            if note:
                note_in(source.index, resource)
            made = _rows(resource, source, last=last)
            rows = [(row, _record(row) if isinstance(row, Row) else {}) for row in made]
        except NotYet:
            done.early.append(resource.line)
        except Left as reason:
            done.left[str(reason)] += 1
        except Unfit as reason:
            _broken(found, resource, str(reason))
        else:
            _gather(found, resource, rows)
    only = None if source.mapping.clinics.of else source.mapping.clinics.default
    for shape in SHAPES:
        if shape in found and (found[shape].records or found[shape].broken):
            done.pieces[shape] = _piece(shape, found[shape], only)
    return done


def note_in(index: Index, resource: Resource) -> None:
    """Have the index learn from a resource.

    Raises:
        Unfit: it holds what no text or day can be.
    """
    try:
        index.note(resource)
    except (AttributeError, TypeError, KeyError, ValueError, OverflowError):
        raise Unfit("resource: is not of FHIR R4's shape") from None


def _rows(resource: Resource, source: Source, *, last: bool) -> Iterable[Row | Note]:
    try:
        made = list(rows_of(resource.type, resource.body, source))
    except NotYet as found:
        if last:
            raise found.otherwise from None
        raise
    except (AttributeError, TypeError, KeyError, ValueError, OverflowError):
        # Some part has a type that FHIR does not give it, in one of a thousand places.
        raise Unfit("resource: is not of FHIR R4's shape") from None
    if changed := resource.modified_by:
        raise Unfit(f"{changed}: {CHANGES}")
    return made


def _gather(
    found: defaultdict[Shape, _Gathered], resource: Resource, rows: list[tuple[Row | Note, dict[str, Any]]]
) -> None:  # fmt: skip
    for row, record in rows:
        if isinstance(row, Note):
            _broken(found, resource, row.reason)
            continue
        into = found[row.entities]
        into.records.append({**record, LINE: len(into.origins), OWN: f"{resource.type}/{resource.body.get('id')}"})
        into.origins.append(resource)


def _broken(found: defaultdict[Shape, _Gathered], resource: Resource, reason: str) -> None:
    found[_SHAPE_OF.get(resource.type, _UNKNOWN)].broken.append(Broken(resource.line, reason, resource.content))


def _piece(shape: Shape, gathered: _Gathered, only_clinic: str | None) -> ResourcePiece:
    schema = {CLINIC_COLUMN: pl.String(), LINE: pl.Int64(), OWN: pl.String()}
    schema |= {f"{entity}.{name}": pl.String() for entity in shape for name in ENTITIES[entity].fields}
    rows = pl.DataFrame(gathered.records, schema=schema)
    named = any("record_id" in ENTITIES[entity].fields for entity in shape) or shape == ("patient",)
    return ResourcePiece(rows, gathered.broken, gathered.origins, only_clinic, None if named else OWN)


def _record(row: Row) -> dict[str, Any]:
    record: dict[str, Any] = {CLINIC_COLUMN: row.clinic}
    for entity, fields in row.fields.items():
        for name, value in fields.items():
            if value is not None:
                record[f"{entity}.{name}"] = _text(name, value)
    return record


def _text(name: str, value: Any) -> str | None:
    """A value as a row holds it.

    Raises:
        Unfit: it is no text and no number.
    """
    if isinstance(value, bool | dict | list):
        raise Unfit(f"{name}: is no text")
    if not isinstance(value, str):
        return str(value)
    if "\x00" in value:
        raise Unfit(f"{name}: holds a NUL")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit(f"{name}: is no Unicode text") from None
    return value.strip() or None
