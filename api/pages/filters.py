"""The filter form of the access log: an empty field is no filter."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from api.audit.schemas import Filters
from infra.errors import InvalidInput
from policies.words import Decision

Text = Annotated[str, Query(max_length=60)]


async def audit_filters(action: Text = "", decision: Text = "", patient: Text = "", principal: Text = "") -> Filters:
    """The filters that a submitted form stands for.

    Raises:
        InvalidInput: a field that is not empty is not valid either; names the field.
    """
    if decision and decision not in set(Decision):
        raise InvalidInput("that is no decision", place="decision")
    return Filters(
        action=action or None,
        decision=Decision(decision) if decision else None,
        patient=_id(patient, "patient"),
        principal=_id(principal, "principal"),
    )


def _id(text: str, place: str) -> UUID | None:
    try:
        return UUID(text.strip()) if text.strip() else None
    except ValueError:
        raise InvalidInput("that is no id", place=place) from None
