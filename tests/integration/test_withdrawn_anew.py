"""Whoever is told to forget somebody who stays is told that they enter anew, also where that stay told nothing."""

from datetime import date

import pytest
from operational_rows import Rows

from infra.database import Server
from infra.segments import add_segments
from policies.segments.definition import SegmentDefinition
from policies.segments.text import read
from tests.integration.test_withdrawal import build, feed, finish, members, rows, seen_patient

__all__ = ["rows"]


def save(at: Server, rule: str) -> None:
    add_segments(at, ["north", "south"], [SegmentDefinition(slug="either", name="either", rule=read(rule))])


@pytest.mark.check(16)
@pytest.mark.check(49)
def test_a_later_stay_by_clinical_records_goes_on_after_what_is_forgotten(rows: Rows, module_server: Server) -> None:
    patient, other = seen_patient(rows), seen_patient(rows, "south")
    save(module_server, "age > 65")
    for clinic in ("north", "south"):
        build(module_server, clinic)
    save(module_server, "appointments.count >= 2")
    build(module_server)
    assert feed(rows, patient)["either"] == ["entered rule", "left rule"]
    rows.appointment("north", patient, date(2026, 1, 6))
    build(module_server)
    assert "either" in members(rows, patient)
    rows.consent("north", rows.person_of(patient), "revoked")
    finish(module_server)
    assert feed(rows, patient)["either"] == ["forget consent", "entered consent"]
    assert "either" in members(rows, patient) and "either" in members(rows, other, "south")
