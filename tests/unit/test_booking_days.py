"""The day of a booking is the clinic's own, across midnight and where its clocks change."""

from datetime import date, datetime

import pytest

from api.bookings.orders import Order
from api.directory import ClinicEntry
from tests.clocks import CLOCKS_CHANGE


@pytest.mark.parametrize(("instant", "day"), CLOCKS_CHANGE)
def test_a_booking_is_on_the_clinics_own_day(instant: str, day: date) -> None:
    clinic = ClinicEntry(1, "north", "North", "Europe/Berlin", None, None, [])
    assert Order(clinic, "visit", "Dr. North", datetime.fromisoformat(instant), "key", "request").day == day
