"""Counts of members: exact for whoever may list them; for others down to tens, each by itself, and none under ten.

So no count tells of one patient, nor does what follows from several. An exact one of a few does: where it tells more of
them than that they are members, whoever is counted is recorded.
"""

from typing import Any

from api.gateway import Access, Gateway
from api.identity.principals import Principal
from policies.access.model import Resource
from policies.small_counts import told
from policies.words import Action

# No slug: of no segment that a key could be for.
ANY_SEGMENT = "*"


def are_exact(gateway: Gateway, principal: Principal, clinic: str | None, segment: str = ANY_SEGMENT) -> bool:
    """Whether somebody may list the members of a segment, and so is told their exact number."""
    return gateway.permits(principal, Access(Action.MEMBER_LIST, Resource(clinic, segment), frozenset({"patient_id"})))


def with_rounded(segment: dict[str, Any]) -> dict[str, Any]:
    """A segment whose counts are for somebody who may not list its members, of all the clinic's `patients`."""
    make_up = [{**part, "patients": told(part["patients"], segment["members"])} for part in segment["make_up"]]
    members = told(segment["members"], segment["patients"])
    return {**segment, "members": members, "make_up": make_up, "rounded": True}


def day_with_rounded(day: dict[str, Any]) -> dict[str, Any]:
    """A day of a segment for somebody who may not list its members, of all the clinic's `patients` at its end."""
    there = day["members"] + day["left"]  # whoever was a member on this day
    counts = {
        "entered": told(day["entered"], day["entered"] + day["patients"] - there),
        "left": told(day["left"], there),
        "members": told(day["members"], day["patients"]),
    }
    return {"day": day["day"], **counts, "entered_by": {}, "left_by": {}}
