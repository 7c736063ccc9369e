"""What a clinic offers and who offers it: a YAML file, checked and put into the database as one event."""

from pathlib import Path
from typing import Annotated, Literal

import psycopg
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infra.audit import record_process
from infra.database import Server, connect, set_context
from infra.errors import InvalidInput
from infra.roles import Login
from policies.text import fault_of_identifier
from policies.words import ProcessAction

Name = Annotated[str, Field(min_length=1, max_length=200)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]


class ServiceSettings(BaseModel):
    """What an appointment may be for; `forms` are assigned at each booking of it."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    modality: Literal["in_person", "video"] = "in_person"
    minutes: Annotated[int, Field(ge=5, le=480)] = 30
    # All of the clinic's if none is named.
    specialists: list[Name] = []
    forms: list[Slug] = []
    open: bool = True


class BookingSettings(BaseModel):
    """The whole file: services by slug, specialists by the names that the clinic's records give them."""

    model_config = ConfigDict(extra="forbid")

    registration_forms: list[Slug] = ["intake", "profile_sharing_consent"]
    days_ahead: Annotated[int, Field(ge=1, le=1100)] = 366
    specialists: list[Name] = []
    services: dict[Slug, ServiceSettings]

    @model_validator(mode="after")
    def _known(self) -> "BookingSettings":
        for name in self.specialists:
            if fault_of_identifier(name):
                raise ValueError("a specialist's name holds characters that do not show")
        for slug, service in self.services.items():
            if set(service.specialists) - set(self.specialists):
                raise ValueError(f"{slug}: a specialist who is not in the list")
        return self


_OF_RECORDS = """
select distinct specialist from operational.appointment
where clinic_id = %s and specialist is not null and deleted_at is null order by specialist"""
_SETTING = """
insert into operational.booking_setting as s (clinic_id, templates, days_ahead) values (%s, %s, %s)
on conflict (clinic_id) do update
    set templates = excluded.templates, days_ahead = excluded.days_ahead, changed_at = now()
    where (s.templates, s.days_ahead) is distinct from (excluded.templates, excluded.days_ahead)"""
_SPECIALIST = """
insert into operational.specialist as s (clinic_id, name, is_active) values (%s, %s, true)
on conflict (clinic_id, name) do update set is_active = true, changed_at = now() where not s.is_active"""
_GONE = """
update operational.specialist set is_active = false, changed_at = now()
where clinic_id = %s and is_active and name <> all(%s)"""
_SERVICE = """
insert into operational.service as s
    (clinic_id, service, name, modality, minutes, templates, specialists, is_open)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (clinic_id, service) do update set name = excluded.name, modality = excluded.modality,
    minutes = excluded.minutes, templates = excluded.templates, specialists = excluded.specialists,
    is_open = excluded.is_open, changed_at = now()
where (s.name, s.modality, s.minutes, s.templates, s.specialists, s.is_open) is distinct from
    (excluded.name, excluded.modality, excluded.minutes, excluded.templates, excluded.specialists, excluded.is_open)"""
_CLOSED = """
update operational.service set is_open = false, changed_at = now()
where clinic_id = %s and is_open and service <> all(%s)"""


def read_settings(path: Path) -> BookingSettings:
    """The settings of a file.

    Raises:
        InvalidInput: no file, no YAML, or something in it is not valid; names the place.
    """
    try:
        return BookingSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join([path.name, *(str(part) for part in first["loc"])])
        raise InvalidInput(first["msg"], place=place) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise InvalidInput("is no YAML file that can be read", place=path.name) from None


def configure(at: Server, clinic: str, chosen: BookingSettings, *, of_records: bool = False) -> int:
    """Have a clinic offer exactly this; return how many rows changed. What is left out is closed, not deleted.

    With `of_records` the specialists whom the clinic's appointments name belong to it as well.

    Raises:
        InvalidInput: no such clinic.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute("select clinic_id from operational.clinic where slug = %s", [clinic]).fetchone()
        if row is None:
            raise InvalidInput("there is no such clinic", place="clinic", hint="`cloister clinic add`")
        set_context(connection, clinic_id=row[0])
        named = connection.execute(_OF_RECORDS, row).fetchall() if of_records else []
        known = list(dict.fromkeys([*chosen.specialists, *(name for (name,) in named)]))
        changed = _put(connection, row[0], chosen.model_copy(update={"specialists": known}))
        record_process(
            connection,
            role="operator",
            action=ProcessAction.CLINIC_CONFIGURE,
            resource_type="clinic",
            resource_id=clinic,
            clinic_id=row[0],
        )
    return changed


def _put(connection: psycopg.Connection, clinic_id: int, chosen: BookingSettings) -> int:
    statements: list[tuple[str, list[object]]] = [
        (_SETTING, [clinic_id, chosen.registration_forms, chosen.days_ahead]),
        *((_SPECIALIST, [clinic_id, name]) for name in chosen.specialists),
        (_GONE, [clinic_id, chosen.specialists]),
        (_CLOSED, [clinic_id, list(chosen.services)]),
    ]
    for slug, s in chosen.services.items():
        offering = s.specialists or chosen.specialists
        statements.append((_SERVICE, [clinic_id, slug, s.name, s.modality, s.minutes, s.forms, offering, s.open]))
    return sum(connection.execute(query, values).rowcount for query, values in statements)
