"""The real appointments of Vitória: known answers, exactly."""

import gzip
import random
from collections import Counter
from datetime import date
from pathlib import Path

import psycopg
import pytest

from infra.database import Server
from infra.errors import Refused
from infra.settings import Mode
from tests.integration.importing import bring, evaluate, facts, lines_of, quarantined, versions

AS_OF = date(2016, 6, 8)
TOTALS = {
    "over-65-with-a-no-show": 1052,
    "hypertension-not-seen-in-14-days": 4747,
    "misses-half-or-more": 3736,
    "diabetes-or-alcoholism-up-to-40": 431,
}
JARDIM_CAMBURI = {
    "over-65-with-a-no-show": 154,
    "hypertension-not-seen-in-14-days": 148,
    "misses-half-or-more": 389,
    "diabetes-or-alcoholism-up-to-40": 7,
}


@pytest.fixture
def appointments(data: Path) -> Path:
    return data / "noshow" / "appointments.csv.gz"


@pytest.mark.check(42)
@pytest.mark.check(43)
def test_the_whole_file_gives_the_known_answers(
    server: Server, admin: psycopg.Connection, appointments: Path, tmp_path: Path
) -> None:
    bring(server, "noshow.mapping.yml", appointments)
    known, counters = facts(admin), versions(admin)
    assert len({row[0] for row in known["registration"]}) == 43
    assert len(known["appointment"]) == 64_886
    assert len(known["profile"]) == 36_991
    source = lines_of(appointments)
    assert [(line, reason, content) for _, line, reason, content in quarantined(admin, server)] == [
        (line, "starts_on: is before booked_on", source[line - 1].rstrip(b"\n")) for line in (29212, 39863)
    ]

    counts = evaluate(server, "noshow.rules.json", AS_OF)
    totals: Counter[str] = Counter()
    for count in counts:
        totals[count.segment] += count.members
    assert totals == TOTALS
    assert {c.segment: c.members for c in counts if c.clinic == "jardim_camburi"} == JARDIM_CAMBURI

    bring(server, "noshow.mapping.yml", *_shuffled_in_three(source, tmp_path))
    assert facts(admin) == known
    assert versions(admin) == counters, "an unchanged row was touched"
    assert len(quarantined(admin, server)) == 2


@pytest.mark.check(42)
def test_shuffled_and_split_in_three_it_gives_the_same(
    server: Server, admin: psycopg.Connection, appointments: Path, tmp_path: Path
) -> None:
    bring(server, "noshow.mapping.yml", *_shuffled_in_three(lines_of(appointments), tmp_path))
    assert len(facts(admin, ["appointment"])["appointment"]) == 64_886
    counts = evaluate(server, "noshow.rules.json", AS_OF)
    totals: Counter[str] = Counter()
    for count in counts:
        totals[count.segment] += count.members
    assert totals == TOTALS


@pytest.mark.check(53)
def test_assumed_consents_are_refused_outside_of_a_demo(
    server: Server, admin: psycopg.Connection, appointments: Path
) -> None:
    with pytest.raises(Refused, match="demo mode only"):
        bring(server, "noshow.mapping.yml", appointments, mode=Mode.PRODUCTION)
    assert admin.execute("select count(*) from operational.person").fetchone() == (0,)


def _shuffled_in_three(lines: list[bytes], folder: Path) -> list[Path]:
    header, rows = lines[0], lines[1:]
    random.Random(7).shuffle(rows)
    parts = []
    for index in range(3):
        path = folder / f"part{index}.csv.gz"
        path.write_bytes(gzip.compress(header + b"".join(rows[index::3]), compresslevel=1))
        parts.append(path)
    return parts
