"""Bodies of requests that whoever may not ask gets no rule of: they are looked at once it is known that they may be."""

from typing import TypeVar

from infra.errors import InvalidInput

Body = TypeVar("Body")


def given(asked: Body | None) -> Body:
    """What was sent.

    Raises:
        InvalidInput: nothing was sent.
    """
    if asked is None:
        raise InvalidInput("nothing was sent", place="body", rule="missing")
    return asked
