"""The filter form of the access log: an empty field is no filter, and a wrong one is told beside it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Depends, Query

from api.audit.schemas import Filters
from api.pages.texts import N_
from api.pages.visitors import Visiting
from api.services import Services, Serving
from policies.words import Decision, Purpose

T = TypeVar("T")
Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True)
class FilterForm:
    """What was typed, by field; what it stands for; and what is wrong with it, by field."""

    typed: dict[str, str]
    filters: Filters
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The form as an address has it."""
        return [(name, value) for name, value in self.typed.items() if value]


async def filter_form(
    serving: Serving,
    visiting: Visiting,
    clinic: Text = "",
    action: Text = "",
    decision: Text = "",
    purpose: Text = "",
    patient: Text = "",
    principal: Text = "",
    impersonated: Text = "",
    impersonation: Text = "",
    since: Text = "",
    until: Text = "",
) -> FilterForm:
    """The filters that a submitted form stands for. Actors go by login or id, days are UTC's and both included."""
    typed = {
        "clinic": clinic, "action": action, "decision": decision, "purpose": purpose, "patient": patient,
        "principal": principal, "impersonated": impersonated, "impersonation": impersonation, "since": since,
        "until": until,
    }  # fmt: skip
    typed = {name: value.strip() for name, value in typed.items()}
    if not visiting.audits:
        # What comes next denies it and records that: it is not said before whether an account is there.
        return FilterForm(typed, Filters())
    said = _Said(typed)
    first, last = said.day("since"), said.day("until")
    filters = Filters(
        action=typed["action"] or None,
        decision=said.word("decision", Decision),
        purpose=said.word("purpose", Purpose),
        patient=said.id("patient"),
        impersonation=said.id("impersonation"),
        impersonated={"yes": True, "no": False}.get(typed["impersonated"]),
        since=first and datetime.combine(first, time(), UTC),
        until=last and datetime.combine(last, time(), UTC) + timedelta(days=1),
        principal=await _actor(serving, said),
    )
    return FilterForm(typed, filters, said.faults)


class _Said:
    """Reads fields, and notes what is wrong."""

    def __init__(self, typed: dict[str, str]) -> None:
        self.typed = typed
        self.faults: dict[str, str] = {}

    def id(self, name: str) -> UUID | None:
        return self._read(name, UUID, N_("That is no id."))

    def day(self, name: str) -> date | None:
        return self._read(name, _day, N_("That is no day, such as 2026-03-04."))

    def word(self, name: str, kind: Callable[[str], T]) -> T | None:
        return self._read(name, kind, N_("Choose one of those that there are."))

    def _read(self, name: str, read: Callable[[str], T], fault: str) -> T | None:
        try:
            return read(self.typed[name]) if self.typed[name] else None
        except (ValueError, OverflowError):
            self.faults[name] = fault
            return None


def _day(text: str) -> date:
    found = date.fromisoformat(text)
    if not date(1900, 1, 1) <= found <= date(9000, 1, 1):
        raise ValueError("beyond the calendar")
    return found


NOBODY = UUID(int=0)


async def _actor(serving: Services, said: _Said) -> UUID | None:
    typed = said.typed["principal"]
    if not typed:
        return None
    try:
        return UUID(typed)
    except ValueError:
        found = await serving.account(typed)
    # Which logins there are is nobody's to find out: of one that there is not nothing was recorded either.
    return found.principal_id if found else NOBODY


Asked = Annotated[FilterForm, Depends(filter_form)]
