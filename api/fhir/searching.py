"""Search parameters of FHIR R4 as filters of ours.

https://hl7.org/fhir/R4/search.html
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from api.audit.schemas import Filters
from infra.errors import InvalidInput
from policies.words import Decision

_DATE = re.compile(
    r"(?P<prefix>[a-z]{2})?(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d)"
    r"(?:T(?P<clock>\d\d:\d\d)(?P<seconds>:\d\d(?:\.\d{1,6})?)?(?P<zone>Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_OUTCOMES = {"0": Decision.PERMIT, "4": Decision.DENY}
_AGENT = "query.agent:identifier"


def filters(
    *, patient: str | None, agent: str | None, subtype: str | None, outcome: str | None, dates: Iterable[str]
) -> Filters:
    """What a search for AuditEvents looks for.

    Raises:
        InvalidInput: names the parameter.
    """
    since, until = _between(dates)
    return Filters(
        patient=None if patient is None else patient_id(patient, "query.patient"),
        principal=None if agent is None else _uuid(_code(agent, "urn:cloister:principal", _AGENT), _AGENT),
        action=None if subtype is None else _code(subtype, "urn:cloister:action", "query.subtype"),
        decision=None if outcome is None else _decision(outcome),
        since=since,
        until=until,
    )


def patient_id(reference: str, place: str) -> UUID:
    """The patient of a reference, `Patient/ID` or the id alone.

    Raises:
        InvalidInput: it is none.
    """
    return _uuid(reference.removeprefix("Patient/"), place)


def _between(dates: Iterable[str]) -> tuple[datetime | None, datetime | None]:
    """From when, and until before when, all of these dates hold."""
    since: list[datetime] = []
    until: list[datetime] = []
    for text in dates:
        prefix, start, end = _date(text)
        if prefix in ("eq", "ge", "gt", "sa"):
            since.append(start if prefix in ("eq", "ge") else end)
        if prefix in ("eq", "le", "lt", "eb"):
            until.append(end if prefix in ("eq", "le") else start)
    return max(since, default=None), min(until, default=None)


def _date(text: str) -> tuple[str, datetime, datetime]:
    """The prefix of a date, and the first moment in and after the span that it names; days are UTC's."""
    found = _DATE.fullmatch(text)
    prefix = (found and found["prefix"]) or "eq"
    if not found or prefix not in ("eq", "ge", "gt", "sa", "le", "lt", "eb"):
        raise InvalidInput("no date", place="query.date", rule="no_date")
    year, month, day = found["year"], found["month"] or "01", found["day"] or "01"
    clock, seconds, zone = found["clock"] or "00:00", found["seconds"] or ":00", found["zone"] or "Z"
    try:
        start = datetime.fromisoformat(f"{year}-{month}-{day}T{clock}{seconds}{zone}").astimezone(UTC)
        return prefix, start, _end(found, start)
    except (ValueError, OverflowError):
        raise InvalidInput("no date", place="query.date", rule="no_date") from None


def _end(found: re.Match[str], start: datetime) -> datetime:
    if found["month"] is None:
        return start.replace(year=start.year + 1)
    if found["day"] is None:
        return (start + timedelta(days=31)).replace(day=1)
    if found["clock"] is None:
        return start + timedelta(days=1)
    if found["seconds"] is None:
        return start + timedelta(minutes=1)
    return start + (timedelta(seconds=1) if "." not in found["seconds"] else timedelta(microseconds=1))


def _code(token: str, system: str, place: str) -> str:
    """The code of a token, `SYSTEM|CODE` or the code alone."""
    named, bar, code = token.rpartition("|")
    if bar and named != system:
        raise InvalidInput("another system", place=place, rule="unknown_system")
    return code


def _uuid(text: str, place: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput("no id", place=place, rule="no_id") from None


def _decision(outcome: str) -> Decision:
    if outcome not in _OUTCOMES:
        raise InvalidInput("0 or 4", place="query.outcome", rule="unknown_code")
    return _OUTCOMES[outcome]
