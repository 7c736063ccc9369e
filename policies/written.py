"""Days, times, numbers and truth values as people and programs write them, and nothing that is only like one."""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:.+")
_EXACT = ("int", "float", "bool")
# Pacific/Kiritimati, of the time zone database.
_EASTERNMOST = timezone(timedelta(hours=14))


def _as_day(value: object) -> object:
    is_day = isinstance(value, date) and not isinstance(value, datetime)
    if is_day or (isinstance(value, str) and _DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("date_parsing", "a day such as 2026-01-31 is expected")


def _as_time(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _TIME.fullmatch(value)):
        return value
    raise PydanticCustomError("datetime_parsing", "a time such as 2026-01-31T09:30:00+01:00 is expected")


# Pydantic takes a number for seconds since 1970, and the text of one as well: nobody writes a birthday so.
WrittenDay = BeforeValidator(_as_day)
WrittenTime = BeforeValidator(_as_time)
Day = Annotated[date, WrittenDay]


def newest_day(now: datetime) -> date:
    """The day where days begin first (UTC+14): a later one has begun at no clinic, and is to come."""
    return now.astimezone(_EASTERNMOST).date()


def _make_exact(schema: Any) -> None:
    """Make a model's own fields exact, in place: other models in it stand there by reference, so that none changes."""
    if isinstance(schema, list | tuple):
        for part in schema:
            _make_exact(part)
    if not isinstance(schema, dict):
        return
    if schema.get("type") in _EXACT:
        schema["strict"] = True
    for name, part in schema.items():
        # The keys of an object are texts in JSON, whatever they stand for.
        if name != "keys_schema":
            _make_exact(part)


class Written(BaseModel):
    """What a program writes: a number is a number, a whole one has no point, and true and false are no words.

    Pydantic takes `"7"` and `true` for a whole number, and `"yes"` and `1` for true. Its own strict mode takes no text
    for a day, an id or a word of a list either, which JSON has no other way to write. A page's form has texts alone: it
    is read with `strict=False`.
    """

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make the fields' numbers and truth values strict."""
        found = handler(source)
        _make_exact(handler.resolve_ref_schema(found))
        return found
