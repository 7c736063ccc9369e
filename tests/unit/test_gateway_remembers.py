"""The gateway remembers what the policies said, unless the request holds what somebody merely typed."""

from dataclasses import replace
from typing import Any

import pytest

from api.gateway import Gateway
from infra.roles import RoleNames
from policies.access.decide import Ruling, load
from policies.access.model import Request, Resource, Subject, Terms
from policies.words import Action, Purpose, Role

MANAGER = Subject("u", frozenset({(Role.CLINIC_MANAGER, "north")}))
LISTING = Request(MANAGER, Action.SEGMENT_LIST, Resource("north"), Purpose.OPERATIONS)


class Asked:
    """The policies, and what they were asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def decide(self, request: Request) -> Ruling:
        self.requests.append(request)
        return load().decide(request)


def ruled(request: Request, *others: Request) -> tuple[list[bool], int]:
    """What two askings of a request, with others between, are told, and how often the policies were asked."""
    asked, nothing = Asked(), object()
    given: Any = (nothing, RoleNames("x"), asked, nothing)
    gateway = Gateway(*given)
    told = [gateway._ruling(each).permitted for each in (request, *others, request)]
    return told, len(asked.requests)


def test_the_same_request_is_decided_once() -> None:
    assert ruled(LISTING) == ([True, True], 1)


def test_another_role_clinic_or_purpose_is_decided_anew() -> None:
    others = [
        replace(LISTING, subject=replace(MANAGER, roles=frozenset())),
        replace(LISTING, resource=Resource("south")),
        replace(LISTING, purpose=Purpose.AUDIT),
    ]
    told, decided = ruled(LISTING, *others)
    assert told[:3] == [True, False, False] and told[-1] and decided == 4


@pytest.mark.parametrize(
    "typed",
    [
        replace(LISTING, action=Action.MEMBER_LIST, resource=Resource("north", segment="canary")),
        replace(LISTING, action=Action.IMPERSONATION_OPEN, resource=Resource(), terms=Terms(5, "fault", "canary")),
    ],
    ids=["segment", "reason"],
)
def test_what_was_typed_is_not_kept(typed: Request) -> None:
    assert ruled(typed)[1] == 2
