"""When a consent stands: the rule that the database's policies repeat as a wall.

A consent is what its newest event says, from that event's time until it expires. A revocation ends
it at once; a signature with a date ahead does not count yet. Without any event there is no consent.

The walls alone decide when patients' rows are read, so nothing asks this module then: it is what the
walls are tested against.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from policies.words import ConsentKind


@dataclass(frozen=True)
class ConsentEvent:
    """One signature or revocation of one person for one clinic and purpose."""

    kind: ConsentKind
    occurred_at: datetime
    expires_at: datetime | None = None


def stands(events: Iterable[ConsentEvent], at: datetime) -> bool:
    """Whether the events add up to a consent that stands at that time."""
    past = [event for event in events if event.occurred_at <= at]
    if not past:
        return False
    newest = max(past, key=lambda event: event.occurred_at)
    return newest.kind is ConsentKind.SIGNED and (newest.expires_at is None or at < newest.expires_at)
