"""Whether a clinic's marts are current: what they were built from, against what there is now.

Every change of the operational zone leaves an outbox row, which goes with its copy into the mart. A copy by the
live worker counts a unit of work: it brings rows and members up to date, and leaves summaries to the next build. Beside
both count the rules, the as-of date, consents that began or ran out since (time leaves no row), and the models
themselves.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import psycopg

from infra.database import Server, clinic_transaction, connect
from infra.migrations.runner import heads
from infra.roles import ClinicKind, Login
from orchestration.clinics import ClinicDay
from orchestration.dbt_run import PROJECT
from orchestration.programs import active_segments
from policies.segments.reconcile import compile_program
from policies.segments.rule import RuleError


def is_current(at: Server, clinic: ClinicDay) -> bool:
    """Whether a build would change nothing in this clinic."""
    with connect(Login.PIPELINE, at=at) as connection:
        known = connection.execute(
            "select fingerprint from pipeline.mart_state where clinic = %s and as_of = %s", [clinic.slug, clinic.as_of]
        ).fetchone()
        if known is None:
            return False
        with clinic_transaction(connection, at.roles, clinic.slug, ClinicKind.BUILDER):
            waiting = connection.execute(
                "select exists (select from operational.outbox) or exists (select from dead_change)"
            ).fetchone()
            return waiting == (False,) and known[0] == _fingerprint(connection)


@dataclass(frozen=True)
class BuiltFrom:
    """What a build was made from, and when it began to look."""

    fingerprint: str
    since: datetime


def built_from(at: Server, slug: str) -> BuiltFrom:
    """What a build would be made from; take it before building, so that a later change counts as one."""
    with (
        connect(Login.PIPELINE, at=at) as connection,
        clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER),
    ):
        since = connection.execute("select clock_timestamp()").fetchone()
        return BuiltFrom(_fingerprint(connection), since[0] if since else datetime.now(UTC))


def begin(at: Server, slugs: Sequence[str], run_id: str) -> None:
    """Note that a run works on these clinics' marts: its loads empty the queue, so none is current until it is done."""
    with connect(Login.PIPELINE, at=at) as connection:
        connection.execute(
            "update pipeline.mart_state set fingerprint = %s where clinic = any(%s)", [_under_way(run_id), list(slugs)]
        )


def remember(at: Server, clinic: ClinicDay, state: BuiltFrom, run_id: str) -> None:
    """Note that a run has built a clinic's marts for a day from this state, unless another one has begun meanwhile."""
    with connect(Login.PIPELINE, at=at) as connection:
        connection.execute(
            "insert into pipeline.mart_state as known (clinic, as_of, fingerprint, built_from) values (%s, %s, %s, %s)"
            " on conflict (clinic) do update set as_of = excluded.as_of, fingerprint = excluded.fingerprint,"
            " built_from = excluded.built_from, built_at = clock_timestamp() where known.fingerprint = %s",
            [clinic.slug, clinic.as_of, state.fingerprint, state.since, _under_way(run_id)],
        )


def _under_way(run_id: str) -> str:
    return f"run {run_id}"


def _fingerprint(connection: psycopg.Connection) -> str:
    try:
        program = compile_program(active_segments(connection)).fingerprint
    except RuleError:
        program = "none"  # the build will name the clinic and the place
    passed = connection.execute(
        "select (select max(expires_at)::text from operational.consent"
        " where expires_at is not null and expires_at <= now()),"
        " (select count(*) from operational.consent where occurred_at > now()), (select units from live_clock)"
    ).fetchone()
    parts = [program, passed, heads(), _models()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def _models() -> str:
    files = sorted(path for path in PROJECT.rglob("*") if path.suffix in (".sql", ".yml"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
