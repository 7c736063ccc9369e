"""Rows of text to typed entities by a mapping; rows that break the contract come back with the reason.

A row that holds several entities is taken whole or not at all.
"""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from infra.errors import InvalidInput
from infra.places import COUNTRIES, time_zones
from infra.roles import SLUG
from orchestration.importing.fields import BLOOD_TYPES, ENTITIES, IDENTIFYING, Entity, Field, Kind
from orchestration.importing.mapping import ClinicOf, ColumnOf, EntityOf, FileOf, Mapping
from orchestration.importing.reading import LINE
from policies.written import newest_day

CLINIC = "__clinic__"
CLINIC_NAME = "__clinic_name__"
REASON = "__reason__"
EARLIEST, LATEST = date(1850, 1, 1), date(2200, 1, 1)
LARGEST_NUMBER = 1e15
_TYPES: dict[Kind, pl.DataType | type[pl.DataType]] = {
    Kind.TEXT: pl.String,
    Kind.DATE: pl.Date,
    Kind.INSTANT: pl.Datetime("us", "UTC"),
    Kind.INTEGER: pl.Int64,
    Kind.NUMBER: pl.Float64,
    Kind.LIST: pl.List(pl.String),
}


@dataclass(frozen=True)
class Shaped:
    """Typed rows per entity, each with `__line__` and `__clinic__`; refused rows with `__reason__`."""

    entities: dict[str, pl.DataFrame]
    refused: pl.DataFrame


def shape(rows: pl.DataFrame, mapping: Mapping, file: FileOf, clinic: str | None) -> Shaped:
    """Apply a mapping to rows of text.

    Raises:
        InvalidInput: two clinic names that make one slug.
    """
    rows = _with_clinic(rows, file.clinic, clinic)
    checks: list[pl.Expr] = []
    columns: list[pl.Expr] = []
    for entity in file.entities:
        for name, field in ENTITIES[entity.entity].fields.items():
            values, problems = _field(name, field, entity.fields.get(name), mapping.time_zone)
            columns.append(values.alias(_temporary(entity, name)))
            checks += problems
        checks += _row_checks(entity, ENTITIES[entity.entity])
    typed = rows.with_columns(columns)
    if any(entity.entity != "clinic" for entity in file.entities):
        checks.append(_problem(pl.col(CLINIC).is_null(), "clinic", "is missing"))
    judged = typed.with_columns(pl.coalesce(checks).alias(REASON))
    good = judged.filter(pl.col(REASON).is_null())
    return Shaped(
        {entity.entity: _entity_frame(good, entity) for entity in file.entities},
        judged.filter(pl.col(REASON).is_not_null()),
    )


def _entity_frame(good: pl.DataFrame, entity: EntityOf) -> pl.DataFrame:
    names = ENTITIES[entity.entity].fields
    return good.select(LINE, CLINIC, CLINIC_NAME, *(pl.col(_temporary(entity, name)).alias(name) for name in names))


def _temporary(entity: EntityOf, name: str) -> str:
    return f"__{entity.entity}.{name}"


def identity_columns(file: FileOf) -> list[str]:
    """The columns that tell a row of this file from all others of its source; none if none do."""
    last = file.entities[-1]
    names = ("record_id",) if "record_id" in last.fields else IDENTIFYING.get(last.entity, ())
    return [column for name in names if name in last.fields and (column := last.fields[name].column)]


def _with_clinic(rows: pl.DataFrame, of: ClinicOf | None, clinic: str | None) -> pl.DataFrame:
    if of is None:
        return rows.with_columns(pl.lit(clinic, pl.String).alias(CLINIC), pl.lit(clinic, pl.String).alias(CLINIC_NAME))
    name = pl.col(of.column)
    if not of.as_slug:
        return rows.with_columns(name.alias(CLINIC), name.alias(CLINIC_NAME))
    names = rows[of.column].drop_nulls().unique().to_list()
    slugs = {found: slug_of(found) for found in names}
    return rows.with_columns(
        name.replace_strict(slugs, default=None, return_dtype=pl.String).alias(CLINIC),
        name.alias(CLINIC_NAME),
    )


def slug_of(name: str) -> str | None:
    """A clinic's slug made from its name, or None where nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = "".join(letter if letter.isalnum() else " " for letter in plain).split()
    slug = "_".join(words)[:40].strip("_")
    return slug if SLUG.fullmatch(slug) else None


def check_one_name_a_slug(known: dict[str, str], rows: pl.DataFrame) -> None:
    """Refuse rows whose clinic's name makes the slug of another; `known` maps slugs to names so far.

    Raises:
        InvalidInput: two names, one slug.
    """
    for slug, name in rows.select(CLINIC, CLINIC_NAME).drop_nulls().unique().iter_rows():
        if known.setdefault(slug, name).casefold() != name.casefold():
            raise InvalidInput(
                f"two clinic names make one slug '{slug}'",
                place="clinic",
                hint="name the other clinic by a slug of its own, in a column without `as_slug`",
            )


def _problem(condition: pl.Expr, place: str, reason: str) -> pl.Expr:
    return pl.when(condition).then(pl.lit(f"{place}: {reason}")).otherwise(None)


def _field(name: str, field: Field, of: ColumnOf | None, time_zone: str) -> tuple[pl.Expr, list[pl.Expr]]:
    if of is None:
        return pl.lit(None, _TYPES[field.kind]), []
    if of.flags is not None:
        return _flags(name, of.flags)
    raw = _raw(of)
    problems: list[pl.Expr] = []
    text = raw
    if of.values is not None:
        text = raw.replace_strict(of.values, default=None, return_dtype=pl.String)
        problems.append(_problem(raw.is_not_null() & text.is_null(), name, "is none of the mapping's values"))
    if of.template is not None:
        before, after = of.template.split("{}")
        text = pl.concat_str(pl.lit(before), text, pl.lit(after))
    if field.required:
        problems.append(_problem(raw.is_null(), name, "is missing"))
    value = _parsed(text, field.kind, time_zone)
    if field.kind is not Kind.TEXT:
        problems.append(_problem(text.is_not_null() & value.is_null(), name, f"is no {field.kind.value}"))
    return value, problems + _range_checks(name, field, value)


def _raw(of: ColumnOf) -> pl.Expr:
    """The text that a field is made of; of several columns those that hold something."""
    if of.joined is None:
        return pl.lit(of.constant) if of.column is None else pl.col(of.column)
    given = pl.concat_str(of.joined, separator=" ", ignore_nulls=True)
    return pl.when(given != "").then(given)


def _flags(name: str, flags: dict[str, str]) -> tuple[pl.Expr, list[pl.Expr]]:
    """A set from columns of 0 and 1; every one of them must be known."""
    known = pl.all_horizontal(pl.col(column).is_in(["0", "1"]).fill_null(value=False) for column in flags.values())
    names = [pl.when(pl.col(column) == "1").then(pl.lit(flag)) for flag, column in sorted(flags.items())]
    # By way of a text: ten times as fast as a list with its nulls dropped.
    joined = pl.concat_str(names, separator="\x1f", ignore_nulls=True)
    members = pl.when(joined != "").then(joined.str.split("\x1f")).otherwise(pl.lit([], pl.List(pl.String)))
    return members, [_problem(~known, name, "a flag is neither 0 nor 1")]


def _parsed(text: pl.Expr, kind: Kind, time_zone: str) -> pl.Expr:
    match kind:
        case Kind.DATE:
            shaped = text.str.contains(r"^\d{4}-\d{2}-\d{2}([T ].*)?$")
            return pl.when(shaped).then(text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False))
        case Kind.INSTANT:
            return _instant(text, time_zone)
        case Kind.INTEGER:
            return text.cast(pl.Int64, strict=False)
        case Kind.NUMBER:
            number = text.cast(pl.Float64, strict=False)
            return pl.when(number.is_finite()).then(number)
        case Kind.LIST:
            return text.str.split(";").list.eval(pl.element().str.strip_chars()).list.unique().list.sort()
        case _:
            return text


def _instant(text: pl.Expr, time_zone: str) -> pl.Expr:
    iso = text.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    offset = iso.str.contains(r"[+-]\d{2}:?\d{2}$")
    with_offset = pl.when(offset).then(iso).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", strict=False, time_unit="us")
    local = (
        pl.when(~offset)
        .then(iso)
        .str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False, time_unit="us")
        # An hour that a clock change repeats is its first; one that it skips is no instant.
        .dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
    )
    return pl.coalesce(with_offset, local)


def _range_checks(name: str, field: Field, value: pl.Expr) -> list[pl.Expr]:
    found = []
    if field.choices:
        found.append(_problem(~value.is_in(field.choices), name, f"is none of {', '.join(field.choices)}"))
    if field.kind is Kind.TEXT:
        found.append(_problem(value.str.len_chars() > field.longest, name, f"is longer than {field.longest}"))
    if field.low is not None and field.high is not None:
        bounds = f"is not between {field.low:g} and {field.high:g}"
        found.append(_problem(~value.is_between(field.low, field.high), name, bounds))
    if field.kind in (Kind.DATE, Kind.INSTANT):
        day = value if field.kind is Kind.DATE else value.dt.date()
        found.append(_problem((day < EARLIEST) | (day > LATEST), name, f"is not between {EARLIEST} and {LATEST}"))
    if field.kind is Kind.NUMBER:
        found.append(_problem(value.abs() > LARGEST_NUMBER, name, "is not between -1e15 and 1e15"))
    if name in ("birth_date", "asserted_on", "registered_on", "since"):
        found.append(_problem(value > newest_day(datetime.now(UTC)), name, "is in the future"))
    return found


def _row_checks(entity: EntityOf, definition: Entity) -> list[pl.Expr]:
    def column(name: str) -> pl.Expr:
        return pl.col(_temporary(entity, name))

    found = []
    for group in definition.at_least_one:
        none = pl.all_horizontal(column(name).is_null() for name in group)
        found.append(_problem(none, " or ".join(group), "is missing"))
    for earlier, later in definition.ordered:
        found.append(_problem(column(later) < column(earlier), later, f"is before {earlier}"))
    if entity.entity == "adherence":
        found = [_problem(column("done") > column("prescribed"), "done", "is more than prescribed")]
    if entity.entity == "form":
        completed = column("status") == "completed"
        found.append(_problem(completed != column("completed_at").is_not_null(), "completed_at", "contradicts status"))
    if entity.entity == "fact":
        wrong = (column("kind") == "blood_type") & ~column("value").is_in(BLOOD_TYPES)
        found.append(_problem(wrong, "value", "is no blood type"))
    if entity.entity == "consent":
        ends = (column("kind") == "revoked") & column("expires_at").is_not_null()
        found.append(_problem(ends, "expires_at", "is of no revocation"))
    if entity.entity == "clinic":
        found += _clinic_checks(column("slug"), column("time_zone"), column("country"))
    if entity.entity == "patient" and "guardian_id" in entity.fields:
        born = column("birth_date").is_not_null() | column("age").is_not_null()
        found.append(_problem(column("guardian_id").is_not_null() & ~born, "guardian_id", "needs the birth date"))
    if entity.entity == "patient" and "age" in entity.fields:
        found.append(_problem(column("age").is_not_null() & column("asserted_on").is_null(), "age", "has no day"))
    return found


def _clinic_checks(slug: pl.Expr, time_zone: pl.Expr, country: pl.Expr) -> list[pl.Expr]:
    return [
        _problem(~slug.str.contains(f"^{SLUG.pattern}$"), "slug", "is none"),
        _problem(~time_zone.is_in(sorted(time_zones())), "time_zone", "is none"),
        _problem(~country.is_in(sorted(COUNTRIES)), "country", "is none"),
    ]
