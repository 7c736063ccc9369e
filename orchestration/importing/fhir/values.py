"""What FHIR's data types say, in the words of an import's rows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from policies.fhir.types import is_restricted

Body = dict[str, Any]
_PARTIAL = re.compile(r"\d{4}(-\d{2})?", re.ASCII)
LONGEST_TEXT = 200


def first(found: Any) -> Any:
    """The first of a list, if it is one and has one."""
    return found[0] if isinstance(found, list) and found else None


def objects(found: Any) -> Iterator[Body]:
    """The objects of a list; what is none is passed over."""
    yield from (each for each in (found if isinstance(found, list) else []) if isinstance(each, dict))


def an_object(found: Any) -> Body:
    """An object as it is; of anything else one without content."""
    return found if isinstance(found, dict) else {}


def coded(found: Any) -> list[str]:
    """`system|code` of each coding of a CodeableConcept."""
    codings = objects(an_object(found).get("coding"))
    return [f"{each.get('system', '')}|{each['code']}" for each in codings if "code" in each]


def codes(found: Any) -> set[str]:
    """The codes of a CodeableConcept, whatever their system."""
    return {code.rpartition("|")[2] for code in coded(found)}


def extended(body: Body, url: str) -> Body:
    """An extension of a resource, by its address; one without a value if it has none."""
    return next((each for each in objects(body.get("extension")) if each.get("url") == url), {})


def text_of(found: Any) -> str | None:
    """What a CodeableConcept says: its text, or the first display, or the first code."""
    if not isinstance(found, dict):
        return None
    codings = list(objects(found.get("coding")))
    said = [found.get("text"), *(each.get("display") for each in codings), *(each.get("code") for each in codings)]
    return next((each.strip()[:LONGEST_TEXT] for each in said if isinstance(each, str) and each.strip()), None)


def whole(found: Any) -> Any:
    """A date that names a year or a month alone as its first day; another value as it is."""
    if isinstance(found, str) and _PARTIAL.fullmatch(found):
        return f"{found}-01-01" if len(found) == len("2000") else f"{found}-01"
    return found


def day_of(found: Any, zone: ZoneInfo) -> str | None:
    """The day of a date or dateTime in a time zone; None where it names no day."""
    if not isinstance(found, str) or len(found) < len("2000-01-01"):
        return None
    if "T" not in found:
        return found
    try:
        at = datetime.fromisoformat(found)
        return (at.astimezone(zone) if at.tzinfo else at).date().isoformat()
    except (ValueError, OverflowError):
        return found  # no day, as the row's check will say


def instant_of(found: Any) -> str | None:
    """A dateTime as an instant; a day alone is its first moment in the mapping's time zone."""
    if not isinstance(found, str):
        return None
    return found if "T" in found else f"{found}T00:00:00"


def over_at(found: Any, zone: ZoneInfo) -> datetime | None:
    """When a Period is over that ends so: a day belongs to it whole.

    Raises:
        ValueError: it names no day.
    """
    if not isinstance(found, str):
        return None
    end = datetime.fromisoformat(found)
    end = end if end.tzinfo else end.replace(tzinfo=zone)
    return end if "T" in found else end + timedelta(days=1)


def hidden(body: Body) -> dict[str, str]:
    """The field of a record that guardians are not to see, if its label says so."""
    return {"confidential": "yes"} if is_restricted(body) else {}


def start_of(period: Any) -> Any:
    """Where a Period begins."""
    return an_object(period).get("start")


def end_of(period: Any) -> Any:
    """Where a Period ends."""
    return an_object(period).get("end")
