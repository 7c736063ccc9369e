"""When an appointment may begin, whoever asks: the same for a booking and for one that is moved."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from api.directory import ClinicEntry
from infra.errors import InvalidInput, Refused
from policies.opening_hours import is_offered


def check_time(starts_at: datetime, days_ahead: int) -> None:
    """Whether an appointment may begin then.

    Raises:
        InvalidInput: it is over, or too far ahead.
    """
    now = datetime.now(UTC)
    if starts_at <= now:
        raise InvalidInput("this time is over", place="body.starts_at", rule="past")
    if starts_at > now + timedelta(days=days_ahead):
        raise InvalidInput("too far ahead", place="body.starts_at", rule="too_far_ahead")


def check_offered(starts_at: datetime, clinic: ClinicEntry, hours: Mapping[str, str] | None, minutes: int) -> None:
    """Whether a clinic offers patients, guardians and newcomers a time: one of its hours, in steps of so many minutes.

    Raises:
        Refused: it does not.
    """
    if not is_offered(hours, starts_at, clinic.time_zone, minutes):
        raise Refused("no time that the clinic offers", place="body.starts_at", rule="not_offered_then")
