"""Days and times as people and programs write them (ISO 8601), and never as a count of seconds."""

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:.+")


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
