"""Bodies are checked only after the caller is known to be allowed, so that a refusal tells no rule."""

from datetime import UTC, datetime
from typing import Annotated, TypeVar

from pydantic import AwareDatetime, Field

from infra.errors import InvalidInput
from policies.written import WrittenTime

Body = TypeVar("Body")
# A time with its offset, far enough from the ends of what calendars and databases hold.
Moment = Annotated[
    AwareDatetime, WrittenTime, Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]


def given(asked: Body | None) -> Body:
    """What was sent.

    Raises:
        InvalidInput: nothing was sent.
    """
    if asked is None:
        raise InvalidInput("nothing was sent", place="body", rule="missing")
    return asked
