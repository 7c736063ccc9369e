"""The real appointments of Vitória: known answers, exactly."""

import gzip
import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from infra.database import Server, connect_admin
from infra.errors import Refused
from infra.segments import Count
from infra.settings import Mode
from orchestration.build import Plan, build
from orchestration.clinics import clinic_days
from orchestration.graph import LAST_MODEL
from orchestration.ledger import Fault
from tests.integration.importing import bring, evaluate, facts, lines_of, quarantined, versions

AS_OF, NEXT_DAY = date(2016, 6, 8), date(2016, 6, 9)
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


@dataclass(frozen=True)
class Vitoria:
    """The whole file in a database of its own, with the segments counted."""

    server: Server
    facts: dict[str, list[tuple[object, ...]]]
    counts: list[Count]


@pytest.fixture(scope="module")
def appointments(data: Path) -> Path:
    return data / "noshow" / "appointments.csv.gz"


@pytest.fixture(scope="module")
def vitoria(module_server: Server, appointments: Path) -> Vitoria:
    bring(module_server, "noshow.mapping.yml", appointments)
    counts = evaluate(module_server, "noshow.rules.json", AS_OF)
    with connect_admin(module_server) as admin:
        return Vitoria(module_server, facts(admin), counts)


def totals(counts: list[Count]) -> Counter[str]:
    found: Counter[str] = Counter()
    for count in counts:
        found[count.segment] += count.members
    return found


def at_jardim_camburi(counts: list[Count]) -> dict[str, int]:
    return {count.segment: count.members for count in counts if count.clinic == "jardim_camburi"}


@pytest.mark.check(43)
def test_the_whole_file_gives_the_known_answers(vitoria: Vitoria, appointments: Path) -> None:
    assert len({row[0] for row in vitoria.facts["registration"]}) == 43
    assert len(vitoria.facts["appointment"]) == 64_886
    assert len(vitoria.facts["profile"]) == 36_991
    source = lines_of(appointments)
    with connect_admin(vitoria.server) as admin:
        refused = [(line, why, content) for _, line, why, content in quarantined(admin, vitoria.server)]
    assert refused == [
        (line, "starts_on: is before booked_on", source[line - 1].rstrip(b"\n")) for line in (29212, 39863)
    ]
    assert totals(vitoria.counts) == TOTALS
    assert at_jardim_camburi(vitoria.counts) == JARDIM_CAMBURI


@pytest.mark.check(42)
def test_loading_it_again_touches_nothing(vitoria: Vitoria, appointments: Path) -> None:
    with connect_admin(vitoria.server) as admin:
        counters = versions(admin)
        bring(vitoria.server, "noshow.mapping.yml", appointments)
        assert facts(admin) == vitoria.facts
        assert versions(admin) == counters, "an unchanged row was touched"
        assert len(quarantined(admin, vitoria.server)) == 2


@pytest.mark.check(42)
def test_shuffled_and_split_in_three_it_gives_the_same(
    server: Server, admin: psycopg.Connection, vitoria: Vitoria, appointments: Path, tmp_path: Path
) -> None:
    bring(server, "noshow.mapping.yml", *_shuffled_in_three(lines_of(appointments), tmp_path))
    assert facts(admin) == vitoria.facts
    # The same facts have the same members, of which one clinic's are an example.
    counts = evaluate(server, "noshow.rules.json", AS_OF, ["jardim_camburi"])
    assert at_jardim_camburi(counts) == JARDIM_CAMBURI


@pytest.mark.check(44)
def test_one_clinic_fails_and_the_other_42_are_done(vitoria: Vitoria) -> None:
    slugs = sorted({str(row[0]) for row in vitoria.facts["registration"]})
    assert len(slugs) == 43
    with connect_admin(vitoria.server) as admin:
        # Emptied, since a build touches no row that stays the same.
        admin.execute("truncate clinic_jardim_camburi.patient_summary")
        admin.execute("alter table clinic_jardim_camburi.patient_summary add constraint few check (noshows < 1)")
    days = clinic_days(vitoria.server, slugs, NEXT_DAY, datetime.now(UTC))
    _, ledger = build(vitoria.server, Plan(days), str(uuid4()))
    assert ledger.failed == {"jardim_camburi": Fault("patient_summary", "23514", "few")}
    done = [slug for slug in slugs if ledger.is_done(slug, LAST_MODEL)]
    assert done == [slug for slug in slugs if slug != "jardim_camburi"]
    with connect_admin(vitoria.server) as admin:
        current = admin.execute("select clinic from pipeline.mart_state where as_of = %s", [NEXT_DAY]).fetchall()
    assert sorted(slug for (slug,) in current) == done


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
