"""How pages show times, numbers and words."""

import json
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment

from api.pages.action_words import WORDS
from api.pages.charts import once
from api.pages.check_words import breach, check
from api.pages.faults import said
from api.pages.texts import N_, say
from api.segments.schemas import SegmentDetail, Version

CAUSES = {
    "data": N_("by new data"),
    "time": N_("by time alone"),
    "rule": N_("by a changed rule"),
    "consent": N_("by a consent"),
    "correction": N_("by a correction"),
}

MONTHS = (
    N_("January"), N_("February"), N_("March"), N_("April"), N_("May"), N_("June"), N_("July"), N_("August"),
    N_("September"), N_("October"), N_("November"), N_("December"),
)  # fmt: skip
WEEKDAYS = (
    N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday"),
)  # fmt: skip


def add_filters(env: Environment) -> None:
    """Give templates the functions of this module."""
    env.filters.update(
        day=day, due=due, weekday=weekday, moment=moment, appointed=appointed, clock=clock, lasting=lasting,
        number=number, count=count, signed=signed, percent=percent, words=words, cause=cause, fault=said,
        check=check, breach=breach, rule=rule, measured=measured,
    )  # fmt: skip
    env.globals["once"] = once
    env.trim_blocks = env.lstrip_blocks = True


def day(value: date | None) -> str:
    """A date such as 4 March 2026."""
    if value is None:
        return say(N_("not yet"))
    parts = {"day": value.day, "month": say(MONTHS[value.month - 1]), "year": value.year}
    return say(N_("%(day)s %(month)s %(year)s")) % parts


def due(value: date, zone: str) -> str:
    """Until which day of a clinic's calendar something is to be done, or was."""
    is_over = value < datetime.now(ZoneInfo(zone)).date()
    return say(N_("was due on %(day)s") if is_over else N_("due by %(day)s")) % {"day": day(value)}


def weekday(value: date) -> str:
    """A day of the week, such as Wednesday."""
    return say(WEEKDAYS[value.weekday()])


def moment(value: datetime | None, zone: str = "UTC") -> str:
    """A time in a zone, to the minute, such as 2026-03-04 17:05."""
    if value is None:
        return say(N_("never"))
    return f"{value.astimezone(ZoneInfo(zone) if zone != 'UTC' else UTC):%Y-%m-%d %H:%M}"


def appointed(value: datetime | None, zone: str = "UTC") -> str:
    """When somebody is to be somewhere, such as Wednesday 4 March 2026, 17:05."""
    local = value.astimezone(ZoneInfo(zone)) if value else None
    return f"{weekday(local)} {day(local)}, {local:%H:%M}" if local else "–"


def clock(value: datetime, zone: str) -> str:
    """A time of day in a zone, such as 17:05."""
    return f"{value.astimezone(ZoneInfo(zone)):%H:%M}"


def number(value: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def lasting(seconds: float) -> str:
    """A time that something takes or took, in its largest unit: such as 0.4 s, 3 min or 2 h."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"


def count(value: int | None) -> str:
    """A count, or a dash where it is not told."""
    return "–" if value is None else number(value)


def signed(value: int) -> str:
    """By how many more or fewer, such as +3."""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{number(abs(value))}"


def percent(value: float | None) -> str:
    """A share as a percentage, or a dash where there is none."""
    return "–" if value is None else f"{100 * value:.0f}\u202f%"


def measured(value: Any) -> str:
    """What a measure found of a patient: a number to six places, a day, a text, or several with commas."""
    if isinstance(value, float):
        return str(round(value, 6)).removesuffix(".0")
    if isinstance(value, date):
        return day(value)
    return ", ".join(value) if isinstance(value, list) else str(value)


def cause(value: str) -> str:
    """Why somebody entered or left a segment."""
    return say(CAUSES[value])


def rule(shown: SegmentDetail | Version) -> str:
    """A rule as a text; as it is stored where it is none any more."""
    return shown.text or json.dumps(shown.rule, ensure_ascii=False)


def words(value: Any) -> str:
    """A code in words: an action's phrase, or the code without its underscores."""
    text = str(value or "")
    return say(WORDS.get(text, text.replace("_", " ")))
