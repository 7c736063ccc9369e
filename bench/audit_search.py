"""How long an auditor waits in a log of many events, and how much room an event takes."""

import asyncio
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg

from bench.audit_data import EVENTS, ensure
from bench.harness import Bench, Figure, at_most, benchmark
from bench.scale import SCALES
from infra.database import Server, connect_admin

SEARCHES = 60
LONGEST_MS = 100
# What one event and one disclosed patient may take on disk, indexes included.
LARGEST_EVENT, LARGEST_DISCLOSURE = 1_000, 300
_SIZES = """
select
    i.inhparent::regclass::text as parent, sum(pg_total_relation_size(i.inhrelid))::float8, sum(c.reltuples)::float8
from pg_inherits as i inner join pg_class as c on c.oid = i.inhrelid
where i.inhparent in ('audit.access_event'::regclass, 'audit.disclosure'::regclass)
group by 1 order by 1"""


@benchmark("audit.search")
def searches(bench: Bench) -> Iterator[Figure]:
    """95th percentile of the milliseconds of a first page: by patient, by actor, by clinic and week, as event."""
    name = next(name for name, scale in SCALES.items() if scale == bench.scale)
    at = ensure(name, bench.at)
    for what, milliseconds in asyncio.run(_asked(at, _subjects(at, EVENTS[name]))).items():
        yield at_most(f"audit.search_{what}_p95", _percentile(milliseconds, 95), "ms", LONGEST_MS)
    with connect_admin(at) as admin:
        (_, events, count), (_, disclosures, disclosed) = admin.execute(_SIZES).fetchall()
    yield at_most("audit.search_event_bytes", events / max(count, EVENTS[name]), "B", LARGEST_EVENT)
    yield at_most("audit.search_disclosure_bytes", disclosures / max(disclosed, 1), "B", LARGEST_DISCLOSURE)


def _subjects(at: Server, total: int) -> dict[str, list[dict[str, Any]]]:
    """The filters of each search: patients and actors that are there, clinics with a week of theirs."""
    with connect_admin(at) as admin:
        sample = "select {} from audit.{} tablesample system ({}) limit 20000"
        percent = 100 if total < 1_000_000 else 1
        patients = _column(admin, sample.format("patient_id", "disclosure", percent))
        actors = _column(admin, sample.format("principal_id", "access_event", percent))
        clinics = _column(admin, "select slug from operational.clinic order by 1")
    chosen = random.Random(7)  # nosec B311: which rows are looked for
    now = datetime.now(UTC)
    weeks = [now - timedelta(days=chosen.randrange(7, 350)) for _ in range(SEARCHES)]
    return {
        "patient": [{"patient": chosen.choice(patients)} for _ in range(SEARCHES)],
        "actor": [{"principal": chosen.choice(actors)} for _ in range(SEARCHES)],
        "clinic_week": [
            {"clinic": chosen.choice(clinics), "since": week, "until": week + timedelta(days=7)} for week in weeks
        ],
        "combined": [
            {"clinic": chosen.choice(clinics), "since": week, "action": "profile.read", "decision": "deny"}
            for week in weeks
        ],
    }


def _column(admin: psycopg.Connection, query: str) -> list[Any]:
    return [row[0] for row in admin.execute(query).fetchall()]


async def _asked(at: Server, subjects: dict[str, list[dict[str, Any]]]) -> dict[str, list[float]]:
    """Milliseconds of each search, as a platform auditor, decision, record and names included."""
    # Late: the other benchmarks need no API.
    from api.audit import service
    from api.audit.schemas import Filters
    from api.gateway import Caller
    from api.identity.principals import Principal
    from api.services import Services
    from policies.words import Role

    serving = Services.build(at)
    roles = frozenset({(Role.PLATFORM_AUDITOR, None)})
    caller = Caller(Principal(UUID(int=1), "human", "bench", "bench", roles, "bench"), uuid4())
    times: dict[str, list[float]] = {}
    async with serving.pool:
        for what, asked in subjects.items():
            times[what] = []
            for filters in asked:
                clinic = filters.get("clinic")
                narrow = Filters(**{name: value for name, value in filters.items() if name != "clinic"})
                began = time.perf_counter()
                await service.search(serving, caller, clinic, narrow, 100, None)
                times[what].append((time.perf_counter() - began) * 1000)
    return times


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]
