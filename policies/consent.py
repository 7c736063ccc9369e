"""When a consent stands: the rule that the database's policies repeat as a wall.

A consent is what its newest event says, from that event's time until it ends: by its own end, by a newer
text that is required from then on, or, where a guardian signed, a while after the person came of age. A
revocation ends it at once, and of two events of one instant it is the revocation that counts, of two
signatures the one that ends sooner: one whose end was moved nearer is recorded a second time. A signature
with a date ahead does not count yet. Without any event there is no consent.

The walls alone decide when patients' rows are read; people are told the state in these words.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from policies.guardianship import AGE_OF_MAJORITY, of_age_on
from policies.words import ConsentKind

_NEVER = datetime.max.replace(tzinfo=UTC)


class ConsentState(StrEnum):
    """What the events add up to; only SIGNED lets anybody see anything."""

    NEVER = "never"
    SIGNED = "signed"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OUTDATED = "outdated"  # a newer text has to be signed
    LAPSED = "lapsed"  # a guardian signed, and the person, of age by now, has not confirmed


@dataclass(frozen=True)
class ConsentEvent:
    """One signature or revocation of one person for one clinic and purpose, and when it ends by itself."""

    kind: ConsentKind
    occurred_at: datetime
    expires_at: datetime | None = None
    outdated_at: datetime | None = None
    lapses_at: datetime | None = None


@dataclass(frozen=True)
class ConsentText:
    """One version of what is signed; `required_from` says since when older ones do not do.

    One that an import brought is older than each of the clinic's own, whenever it came.
    """

    created_at: datetime
    required_from: datetime | None = None
    imported: bool = False


def state(events: Iterable[ConsentEvent], at: datetime) -> ConsentState:
    """What the events add up to at that time; of several reasons to have ended the first one."""
    past = [event for event in events if event.occurred_at <= at]
    if not past:
        return ConsentState.NEVER
    last = max(event.occurred_at for event in past)
    of_last = [event for event in past if event.occurred_at == last]
    newest = min(of_last, key=lambda event: (event.kind is ConsentKind.SIGNED, event.expires_at or _NEVER))
    if newest.kind is ConsentKind.REVOKED:
        return ConsentState.REVOKED
    ends = (
        (newest.expires_at, ConsentState.EXPIRED),
        (newest.outdated_at, ConsentState.OUTDATED),
        (newest.lapses_at, ConsentState.LAPSED),
    )
    over = [(end, ended) for end, ended in ends if end is not None and end <= at]
    return min(over)[1] if over else ConsentState.SIGNED


def stands(events: Iterable[ConsentEvent], at: datetime) -> bool:
    """Whether the events add up to a consent that stands at that time."""
    return state(events, at) is ConsentState.SIGNED


def outdated_at(signed: ConsentText, texts: Iterable[ConsentText]) -> datetime | None:
    """From when on a signature of one text does not do, by the newer ones of the same clinic and purpose."""
    newer = (text for text in texts if signed.imported or text.created_at > signed.created_at)
    return min((text.required_from for text in newer if text.required_from), default=None)


def lapses_at(
    signed_at: datetime, birth_date: date | None, grace_days: int, age: int = AGE_OF_MAJORITY
) -> datetime | None:
    """When a guardian's signature ends by the person's coming of age; None where it does not."""
    if birth_date is None or signed_at.astimezone(UTC).date() >= of_age_on(birth_date, age):
        return None
    return datetime.combine(of_age_on(birth_date, age) + timedelta(days=grace_days), time(), UTC)
