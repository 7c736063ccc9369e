"""Mapping files: YAML that says which column of which file is which field of which entity.

source: vitoria                 # name of the source system
people: source                  # `source`: an id names one human everywhere in it; `clinic`: each clinic its own
time_zone: America/Sao_Paulo
consent: assumed                # demo mode only: everyone counts as having signed
files:
  - match: "*.csv"              # by file name, without .gz
    clinic: {column: Neighbourhood, as_slug: true}
    entities:
      - entity: appointment
        fields:
          status: {column: No-show, values: {"No": fulfilled, "Yes": noshow}}
"""

from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.errors import InvalidInput
from infra.places import Country, TimeZone
from orchestration.importing.fields import ENTITIES, EntityName

Kind = TypeVar("Kind", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnOf(_Strict):
    """Where a field comes from: a column, several joined by a space, a constant, or flags (columns of 0 and 1)."""

    column: str | None = None
    joined: Annotated[list[str], Field(min_length=1)] | None = None
    constant: str | None = None
    flags: dict[str, str] | None = None
    values: dict[str, str] | None = None
    template: Annotated[str, Field(pattern=r"^[^{}]*\{\}[^{}]*$")] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [name for name in ("column", "joined", "constant", "flags") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of 'column', 'joined', 'constant', 'flags'")
        return self

    def columns(self) -> list[str]:
        """The columns of the file that this field reads."""
        return [self.column] if self.column else [*(self.joined or ()), *(self.flags or {}).values()]


class ClinicOf(_Strict):
    """Which clinic a row belongs to; `as_slug` turns a name such as `SANTO ANTÔNIO` into a slug."""

    column: str
    as_slug: bool = False


class EntityOf(_Strict):
    """One entity that each row of a file holds."""

    entity: EntityName
    fields: dict[str, ColumnOf]

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, found: Any) -> Any:
        if isinstance(found, dict) and isinstance(found.get("fields"), dict):
            fields = {k: {"column": v} if isinstance(v, str) else v for k, v in found["fields"].items()}
            return {**found, "fields": fields}
        return found

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        known = ENTITIES[self.entity].fields
        for name in self.fields:
            if name not in known:
                raise ValueError(f"'{self.entity}' has no field '{name}'; it has {', '.join(known)}")
        for name, field in known.items():
            if field.required and name not in self.fields:
                raise ValueError(f"'{self.entity}' needs the field '{name}'")
        return self


class FileOf(_Strict):
    """Files of one shape."""

    match: str = "*"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    missing: list[str] = [""]
    clinic: ClinicOf | None = None
    # Rows that hold one of these values in each of these columns; the others are left out.
    only: dict[str, list[str]] = {}
    entities: Annotated[list[EntityOf], Field(min_length=1)]

    def columns(self) -> set[str]:
        """Every column that this mapping reads."""
        named = {name for entity in self.entities for field in entity.fields.values() for name in field.columns()}
        return named | set(self.only) | ({self.clinic.column} if self.clinic else set())


class Mapping(_Strict):
    """A whole mapping file."""

    source: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    people: Literal["source", "clinic"] = "clinic"
    time_zone: TimeZone = "UTC"
    country: Country = "ZZ"
    consent: Literal["from_rows", "assumed"] = "from_rows"
    consent_texts: dict[Literal["profile_sharing", "communications"], dict[str, str]] = {}
    # Whether automation may act on what comes of the rows.
    fires: bool = False
    files: Annotated[list[FileOf], Field(min_length=1)]

    def for_file(self, path: Path) -> FileOf:
        """The part of the mapping that fits a file's name.

        Raises:
            InvalidInput: none does.
        """
        name = path.name.removesuffix(".gz")
        for file in self.files:
            if fnmatch(name, file.match):
                return file
        shapes = ", ".join(file.match for file in self.files)
        raise InvalidInput(f"the mapping has no entry for '{path.name}' (it has {shapes})", place="files")


def load_mapping(path: Path) -> Mapping:
    """Read and check a mapping file.

    Raises:
        InvalidInput: unreadable, no YAML, or not of this shape; names the place.
    """
    return read_mapping(path, Mapping)


def read_mapping(path: Path, kind: type[Kind]) -> Kind:
    """Read a file of YAML and check it against a model.

    Raises:
        InvalidInput: unreadable, no YAML, or not of this shape; names the place.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        return kind.model_validate(found)
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}", place="mapping") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        raise InvalidInput(f"{path} is no YAML" + (f", line {line + 1}" if line is not None else "")) from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{path}: {first['msg'].removeprefix('Value error, ')}", place=place) from None
