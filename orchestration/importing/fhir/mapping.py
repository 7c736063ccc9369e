"""Mapping files of FHIR imports: what the resources do not say themselves.

source: synthea                    # name of the source system
time_zone: America/Los_Angeles     # in which days are days
base: https://example.org/fhir/    # of the source's own server, if references have whole addresses
registered_on: 2020-01-01          # of every patient; absent: the day of the first visit
clinics:
  default: harbour                 # of what names none; absent: such resources go to quarantine
  of:                              # an id, `system|value` of an identifier, or a name, to the slug of a clinic
    Organization/7bc0c0b1-55c4-4b75-b880-17c7025ec514: harbour
observations:                      # by `system|code`
  http://loinc.org|72514-3: {template: pain, question: score}
units:                             # `template/question`, if its numbers have a unit, as UCUM writes it
  body/weight: kg
consents:                          # `system|code` of a category or purpose
  http://loinc.org|59284-0: profile_sharing
"""

from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from infra.places import TimeZone
from orchestration.importing.mapping import Mapping, read_mapping

PAIN = "http://loinc.org|72514-3"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ClinicsOf(_Strict):
    """Which clinic an organisation or a location is."""

    default: str | None = None
    of: dict[str, str] = {}

    def slugs(self) -> set[str]:
        """Every clinic that is named."""
        return {*self.of.values(), *([self.default] if self.default else [])}


class QuestionOf(_Strict):
    """The question that a code's observations answer."""

    template: Annotated[str, Field(min_length=1, max_length=100)]
    question: Annotated[str, Field(min_length=1, max_length=100)] = "score"


class FhirMapping(_Strict):
    """A whole mapping file."""

    source: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,40}$")]
    time_zone: TimeZone = "UTC"
    base: str | None = None
    registered_on: date | None = None
    consent: Literal["from_rows", "assumed"] = "from_rows"
    consent_texts: dict[Literal["profile_sharing", "communications"], dict[str, str]] = {}
    # Whether automation may act on what comes of the rows.
    fires: bool = False
    clinics: ClinicsOf
    observations: dict[str, QuestionOf] = {}
    units: dict[str, str] = {}
    consents: dict[str, Literal["profile_sharing", "communications"]] = {}

    @model_validator(mode="before")
    @classmethod
    def _pain(cls, found: Any) -> Any:
        """Pain is asked for in every clinic's standard form, unless the file says otherwise."""
        if not isinstance(found, dict) or not isinstance(found.get("observations", {}), dict):
            return found
        return {**found, "observations": {PAIN: {"template": "pain"}, **found.get("observations", {})}}

    def unit_of(self, template: str, question: str) -> str | None:
        """The unit that a question's quantities are in; None: they are plain numbers."""
        return self.units.get(f"{template}/{question}")

    def looks_ahead(self) -> bool:
        """Whether files are read twice: first for who visited which clinic, and since when."""
        return bool(self.clinics.of) or self.registered_on is None

    def for_rows(self, entities: tuple[str, ...]) -> Mapping:
        """The mapping of rows whose columns are named after the fields of these entities."""
        shared = {"source", "time_zone", "consent", "consent_texts"}
        return Mapping.model_validate(
            {**self.model_dump(include=shared), "people": "source", "files": [_file_of(entities)]}
        )


def _file_of(entities: tuple[str, ...]) -> dict[str, Any]:
    from orchestration.importing.fields import ENTITIES

    return {
        "clinic": {"column": CLINIC_COLUMN},
        "entities": [
            {"entity": entity, "fields": {name: f"{entity}.{name}" for name in ENTITIES[entity].fields}}
            for entity in entities
        ],
    }


CLINIC_COLUMN = "clinic"


def load_fhir_mapping(path: Path) -> FhirMapping:
    """Read and check a mapping file.

    Raises:
        InvalidInput: unreadable, no YAML, or not of this shape; names the place.
    """
    return read_mapping(path, FhirMapping)
