"""Revocations, one after the other over twenty clinics: from the commit of each to its receipt."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from statistics import median, quantiles
from threading import Thread
from uuid import UUID

import psycopg

from bench.harness import Bench, Figure, at_most, benchmark
from bench.scale import AS_OF
from bench.segments_rules import TWENTY
from bench.segments_sets import evaluate, marts, put_segments
from infra.database import Server, connect_admin
from orchestration.clinics import ClinicDay
from orchestration.live.attend import attend
from orchestration.live.lane import open_lane
from orchestration.live.reconcile_consents import reconcile_consents

CLINICS = 20
REVOCATIONS = 200
EVERY = 0.25  # seconds between two
_CHOSEN = """
select g.clinic_id, g.person_id, e.text_version
from operational.registration as g
inner join operational.clinic as k on k.clinic_id = g.clinic_id and k.slug = %s
inner join operational.consent as c
    on c.clinic_id = g.clinic_id and c.person_id = g.person_id and c.purpose = 'profile_sharing' and c.state = 'signed'
inner join operational.consent_event as e on e.event_id = c.event_id
order by g.patient_id
limit %s
"""
_EVENT = """
insert into operational.consent_event
    (clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)
values (%s, %s, 'profile_sharing', %s, %s, %s, 'bench', clock_timestamp())
"""


@benchmark("live.revocation")
def revocation(bench: Bench) -> Iterator[Figure]:
    """Milliseconds from a commit until the receipt is committed, p99; baseline: their median."""
    at, slugs = marts(bench, bench.scale), bench.scale.slugs[:CLINICS]
    put_segments(at, slugs, TWENTY)
    evaluate(at, slugs)
    with connect_admin(at) as admin:
        each = REVOCATIONS // len(slugs)
        chosen = [(slug, row) for slug in slugs for row in admin.execute(_CHOSEN, [slug, each]).fetchall()]
        in_turn = [chosen[place] for place in sorted(range(len(chosen)), key=lambda place: place % each)]
        with _finishing(at) as (committed, times):
            for slug, person in in_turn:
                _write(admin, person, "revoked")
                committed.put((slug, time.perf_counter()))
                time.sleep(EVERY)
        for _, person in in_turn:  # as the set was, for what is measured next
            _write(admin, person, "signed")
        reconcile_consents(at, [ClinicDay(slug, AS_OF) for slug in slugs])
    yield at_most("live.revocation_p99_ms", quantiles(times, n=100)[98], "ms", 500, baseline=median(times))


def _write(admin: psycopg.Connection, person: tuple[int, UUID, str], kind: str) -> None:
    clinic_id, person_id, text_version = person
    admin.execute(_EVENT, [clinic_id, person_id, kind, text_version, person_id])


@contextmanager
def _finishing(at: Server) -> Iterator[tuple[SimpleQueue[tuple[str, float] | None], list[float]]]:
    """A lane of the live worker: where to tell it of each revocation, and milliseconds from the commits on."""
    committed: SimpleQueue[tuple[str, float] | None] = SimpleQueue()
    times: list[float] = []

    def work() -> None:
        with open_lane(at) as lane:
            while found := committed.get():
                slug, since = found
                attend(lane, ClinicDay(slug, AS_OF), wait=True)
                times.append(1000 * (time.perf_counter() - since))

    thread = Thread(target=work)
    thread.start()
    try:
        yield committed, times
    finally:
        committed.put(None)
        thread.join()
