"""What a clinic offers, from a file: checked, put there once, recorded; what is left out is closed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from icalendar import Calendar

from api.bookings.calendar import Entry, text_of
from infra.clinic_settings import configure, read_settings
from infra.database import Server, connect_admin
from infra.errors import InvalidInput
from tests.conftest import ROOT

SAMPLE = ROOT / "samples" / "bookings.yml"


def look(server: Server, query: str) -> list[tuple[object, ...]]:
    with connect_admin(server) as admin:
        return admin.execute(query).fetchall()  # type: ignore[arg-type]


def test_the_sample_is_put_there_once_and_recorded(server: Server) -> None:
    chosen = read_settings(SAMPLE)
    assert configure(server, "north", chosen) == 5
    assert configure(server, "north", chosen) == 0
    assert look(server, "select service, specialists, is_open from operational.service order by 1") == [
        ("consultation", ["Dr. Lind"], True),
        ("physiotherapy", ["Dr. Lind"], True),
        ("video_consultation", ["Dr. Lind"], True),
    ]
    assert look(server, "select resource_id from audit.access_event where action = 'clinic.configure'") == [
        ("north",), ("north",)
    ]  # fmt: skip


def test_what_is_left_out_is_closed_and_comes_back(server: Server, tmp_path: Path) -> None:
    less = tmp_path / "less.yml"
    less.write_text("specialists: [Dr. New]\nservices: {consultation: {name: Consultation}}\n")
    configure(server, "north", read_settings(SAMPLE))
    configure(server, "north", read_settings(less))
    closed = "select count(*) filter (where is_open), count(*) from operational.service"
    active = "select name from operational.specialist where is_active"
    assert (look(server, closed), look(server, active)) == ([(1, 3)], [("Dr. New",)])
    configure(server, "north", read_settings(SAMPLE))
    assert (look(server, closed), look(server, active)) == ([(3, 3)], [("Dr. Lind",)])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("services: {}\nextra: 1\n", "f.yml.extra"),
        ("services: {UP: {name: X}}\n", "f.yml.services.UP.[key]"),
        ("services: {a: {name: X, minutes: 0}}\n", "f.yml.services.a.minutes"),
        ("services: {a: {name: X, modality: phone}}\n", "f.yml.services.a.modality"),
        ("services: {a: {name: X, specialists: [Nobody]}}\n", "f.yml"),
        ("specialists: ['A\\u202e']\nservices: {}\n".replace("'", '"'), "f.yml"),
        ("- a\n", "f.yml"),
        ("a: [\n", "f.yml"),
    ],
)
def test_a_wrong_file_is_refused_by_its_place(tmp_path: Path, text: str, place: str) -> None:
    file = tmp_path / "f.yml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as error:
        read_settings(file)
    assert error.value.place == place


def test_no_such_clinic(server: Server) -> None:
    with pytest.raises(InvalidInput, match="no such clinic"):
        configure(server, "none", read_settings(SAMPLE))


def test_a_calendar_file_says_when_and_nothing_clinical() -> None:
    start = datetime(2028, 2, 29, 9, tzinfo=UTC)
    entry = Entry(uuid4(), start, start + timedelta(minutes=30), 3, cancelled=True)
    address = f"https://{'cloister.' * 20}example"
    text = text_of(entry, address)
    calendar = Calendar.from_ical(text)
    (event,) = calendar.walk("VEVENT")
    assert (calendar["METHOD"], event["STATUS"], int(event["SEQUENCE"])) == ("CANCEL", "CANCELLED", 2)
    assert (event.start, event.end) == (start, start + timedelta(minutes=30))
    assert set(event) == {"UID", "DTSTAMP", "DTSTART", "DTEND", "SEQUENCE", "SUMMARY", "STATUS", "URL"}
    assert (str(event["SUMMARY"]), str(event["URL"])) == ("Appointment", f"{address}/me")
    assert all(line.endswith("\r") and len(line) <= 76 for line in text.split("\n")[:-1])
