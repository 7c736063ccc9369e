"""What a clinic offers and who offers it: a YAML file, checked and put into the database as one event."""

import json
from pathlib import Path
from typing import Annotated, Literal

import psycopg
import yaml
from pydantic import AfterValidator, ConfigDict, Field, ValidationError, model_validator

from infra.audit import record_process
from infra.database import Server, connect, set_context
from infra.errors import InvalidInput
from infra.roles import Login
from policies.opening_hours import USUAL, WEEKDAYS, spans
from policies.text import fault_of_name
from policies.words import ProcessAction
from policies.written import Written

Name = Annotated[str, Field(min_length=1, max_length=200)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$")]


def _opened(hours: dict[str, str]) -> dict[str, str]:
    """Days that are open, with hours that are some."""
    if unknown := set(hours) - set(WEEKDAYS):
        raise ValueError(f"no day of the week: {min(unknown)[:20]}")
    return {day: " ".join(hours[day].split()) for day in WEEKDAYS if spans(hours.get(day, ""))}


Hours = Annotated[dict[str, str], AfterValidator(_opened)]
USUAL_FORMS = ["intake", "profile_sharing_consent"]
# No clinic is booked farther ahead than some three years.
FARTHEST = 1100
USUAL_DAYS_AHEAD = 366
DaysAhead = Annotated[int, Field(ge=1, le=FARTHEST)]
# A week at most, since others may want the time.
SHORTEST_HOLD, LONGEST_HOLD = 5, 10080
USUAL_HOLD_MINUTES = 60
HoldMinutes = Annotated[
    int,
    Field(
        ge=SHORTEST_HOLD,
        le=LONGEST_HOLD,
        description="What a newcomer books on the page is released then unless it is proven.",
    ),
]
SHORTEST_VISIT, LONGEST_VISIT = 5, 480
USUAL_MINUTES = 30
# Columns of a clinic's row `b` of `booking_setting`; a clinic that has said nothing of its bookings has none.
REGISTRATION_FORMS = f"coalesce(b.templates, '{{{','.join(USUAL_FORMS)}}}')"
DAYS_AHEAD = f"coalesce(b.days_ahead, {USUAL_DAYS_AHEAD})"
HOLD_MINUTES = f"coalesce(b.hold_minutes, {USUAL_HOLD_MINUTES})"


class ServiceSettings(Written):
    """What an appointment may be for; `forms` are assigned at each booking of it."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    modality: Literal["in_person", "video"] = "in_person"
    minutes: Annotated[int, Field(ge=SHORTEST_VISIT, le=LONGEST_VISIT)] = USUAL_MINUTES
    # All of the clinic's if none is named.
    specialists: list[Name] = Field(default=[])
    forms: list[Slug] = Field(default=[])
    open: bool = True


class BookingSettings(Written):
    """The whole file: services by slug, specialists by the names that the clinic's records give them."""

    model_config = ConfigDict(extra="forbid")

    registration_forms: list[Slug] = USUAL_FORMS
    days_ahead: DaysAhead = USUAL_DAYS_AHEAD
    hold_minutes: HoldMinutes = USUAL_HOLD_MINUTES
    # By the clinic's own clock; days that are not named are closed.
    hours: Hours = USUAL
    specialists: list[Name] = Field(default=[])
    services: dict[Slug, ServiceSettings]

    @model_validator(mode="after")
    def _known(self) -> "BookingSettings":
        for name in self.specialists:
            if fault_of_name(name):
                raise ValueError("a specialist's name holds characters that do not show")
        for slug, service in self.services.items():
            if set(service.specialists) - set(self.specialists):
                raise ValueError(f"{slug}: a specialist who is not in the list")
        return self


_OF_RECORDS = """
select distinct specialist from operational.appointment
where clinic_id = %s and specialist is not null and deleted_at is null order by specialist"""
SETTING = """
insert into operational.booking_setting as s (clinic_id, templates, days_ahead, hold_minutes, hours)
values (%(clinic)s, %(forms)s, %(days)s, %(hold)s, %(hours)s::jsonb)
on conflict (clinic_id) do update set templates = excluded.templates, days_ahead = excluded.days_ahead,
    hold_minutes = excluded.hold_minutes, hours = excluded.hours, changed_at = now()
where (s.templates, s.days_ahead, s.hold_minutes, s.hours)
    is distinct from (excluded.templates, excluded.days_ahead, excluded.hold_minutes, excluded.hours)"""
SPECIALIST = """
insert into operational.specialist as s (clinic_id, name, is_active) values (%(clinic)s, %(name)s, true)
on conflict (clinic_id, name) do update set is_active = true, changed_at = now() where not s.is_active"""
GONE = """
update operational.specialist set is_active = false, changed_at = now()
where clinic_id = %(clinic)s and is_active and name <> all(%(names)s)"""
SERVICE = """
insert into operational.service as s
    (clinic_id, service, name, modality, minutes, templates, specialists, is_open)
values (%(clinic)s, %(service)s, %(name)s, %(modality)s, %(minutes)s, %(forms)s, %(specialists)s, %(open)s)
on conflict (clinic_id, service) do update set name = excluded.name, modality = excluded.modality,
    minutes = excluded.minutes, templates = excluded.templates, specialists = excluded.specialists,
    is_open = excluded.is_open, changed_at = now()
where (s.name, s.modality, s.minutes, s.templates, s.specialists, s.is_open) is distinct from
    (excluded.name, excluded.modality, excluded.minutes, excluded.templates, excluded.specialists, excluded.is_open)"""
_CLOSED = """
update operational.service set is_open = false, changed_at = now()
where clinic_id = %(clinic)s and is_open and service <> all(%(services)s)"""


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
    statements: list[tuple[str, dict[str, object]]] = [
        (
            SETTING,
            {
                "forms": chosen.registration_forms,
                "days": chosen.days_ahead,
                "hold": chosen.hold_minutes,
                "hours": json.dumps(chosen.hours),
            },
        ),
        (GONE, {"names": chosen.specialists}),
        (_CLOSED, {"services": list(chosen.services)}),
    ]
    statements += [(SPECIALIST, {"name": name}) for name in chosen.specialists]
    for slug, service in chosen.services.items():
        offering = service.specialists or chosen.specialists
        statements.append((SERVICE, {**service.model_dump(), "service": slug, "specialists": offering}))
    return sum(connection.execute(query, {**values, "clinic": clinic_id}).rowcount for query, values in statements)
