"""Edits of a profile: each field in the one form it is stored in, or refused by its name."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from infra.encryption.contacts import canonical
from infra.errors import InvalidInput
from policies.emergency_contacts import MOST, Entry
from policies.text import fault_of_identifier, fault_of_name
from policies.written import Day, Written, newest_day

OLDEST_YEARS = 130
MOST_AT_ALL = 50


def _checked(fault: Callable[[str], str | None], text: str) -> str:
    found = fault(text.strip())
    if found is not None:
        raise PydanticCustomError(found, "a character that is not taken here")
    return text.strip()


def _contact(field: str, text: str) -> str:
    try:
        return canonical(field, text)
    except InvalidInput as error:
        raise PydanticCustomError("not_valid", "{why}", {"why": error.message}) from None


def _born(day: date) -> date:
    today = newest_day(datetime.now(UTC))
    if day > today:
        raise PydanticCustomError("in_the_future", "is in the future")
    if today.year - day.year > OLDEST_YEARS:
        raise PydanticCustomError("too_long_ago", "is too long ago")
    return day


_VISIBLE = r"[^\s]"
_Short = Annotated[str, Field(min_length=1, max_length=200, pattern=_VISIBLE)]
Line = Annotated[_Short, AfterValidator(partial(_checked, fault_of_identifier))]
Name = Annotated[_Short, AfterValidator(partial(_checked, fault_of_name))]
BirthDate = Annotated[Day, AfterValidator(_born)]
Sex = Literal["female", "male", "other", "unknown"]
BloodType = Literal["A+", "A-", "B+", "B-", "AB+", "AB-", "O+", "O-"]
Phone = Annotated[str, Field(max_length=60), AfterValidator(partial(_contact, "phone"))]
Email = Annotated[str, Field(max_length=254), AfterValidator(partial(_contact, "email"))]
Conditions = Annotated[list[Line], Field(max_length=50)]


# As a file may have brought it.
Said = Annotated[str, Field(max_length=2000)]


class EditedContact(Written):
    """Whom to call: as the caller sees it already, or complete, as in `CompleteContact`."""

    model_config = ConfigDict(extra="forbid")

    name: Said
    relationship: Said
    phone: Said


class CompleteContact(Written):
    """Whom to call, with all that a new entry needs."""

    name: Name
    relationship: Line
    phone: Phone


class Edit(Written):
    """The fields that change; null takes one out, and what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    name: Name = ""
    birth_date: BirthDate | None = None
    sex: Sex | None = None
    blood_type: BloodType | None = None
    allergies: Conditions | None = None
    chronic_conditions: Conditions | None = None
    insurance_type: Line | None = None
    insurance_payer: Line | None = None
    phone: Phone | None = Field(default=None, description="In international form; kept as E.164.")
    email: Email | None = None
    address: Annotated[str, Field(min_length=1, max_length=500, pattern=_VISIBLE)] | None = None
    policy_number: Line | None = None
    emergency_contacts: Annotated[list[EditedContact], Field(max_length=MOST_AT_ALL)] | None = Field(
        default=None,
        description=f"All that the caller sees of them: at most {MOST}, or as many as they are already. "
        "Those stay as they are, whatever a file left out; others need a name, a relationship, and a phone as above.",
    )

    def changes(self) -> dict[str, Any]:
        """The fields that were sent, as a profile shows them."""
        return self.model_dump(include=self.model_fields_set)


def complete(entry: Entry, place: str) -> Entry:
    """An entry that is new, in the form it is stored in.

    Raises:
        InvalidInput: a part is missing or not valid; names the first.
    """
    try:
        return CompleteContact.model_validate(entry).model_dump()
    except ValidationError as error:
        fault = error.errors()[0]
        raise InvalidInput("not complete", place=f"{place}.{fault['loc'][0]}", rule=fault["type"]) from None


class Edited(BaseModel):
    """The profile's new entity tag, and the fields that are another now."""

    version: str
    changed: list[str]


class PastEdit(BaseModel):
    """One edit: when, by whom, and what the fields said before."""

    id: UUID
    changed_at: datetime
    changed_by: str = Field(description="`self` or `guardian`.")
    previous: dict[str, Any]


class History(BaseModel):
    """Edits, the newest first; at most 200."""

    edits: list[PastEdit]
