"""How pages show times, numbers and words."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment

WORDS = {
    "clinic.list": "Listed clinics",
    "clinic.read": "Looked up a clinic",
    "clinic.add": "Added a clinic",
    "segment.list": "Listed segments",
    "segment.read": "Read a segment",
    "member.list": "Listed members",
    "audit.search": "Searched the access log",
    "session.sign_in": "Sign-in",
    "session.sign_out": "Sign-out",
    "token.issue": "Issued a token",
    "principal.add": "Added an account",
    "api_key.add": "Added an API key",
}


def add_filters(env: Environment) -> None:
    """Give templates the functions of this module."""
    env.filters.update(day=day, moment=moment, number=number, words=words)
    env.trim_blocks = env.lstrip_blocks = True


def day(value: date | None) -> str:
    """A date such as 4 March 2026."""
    return f"{value.day} {value:%B %Y}" if value else "not yet"


def moment(value: datetime | None, zone: str = "UTC") -> str:
    """A time in a zone, to the minute, such as 2026-03-04 17:05."""
    return f"{value.astimezone(ZoneInfo(zone) if zone != 'UTC' else UTC):%Y-%m-%d %H:%M}" if value else "never"


def number(value: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{value:,}".replace(",", "\u202f")


def words(value: Any) -> str:
    """A code in words: an action's phrase, or the code without its underscores."""
    text = str(value or "")
    return WORDS.get(text, text.replace("_", " "))
