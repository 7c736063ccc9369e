"""One build: ingest, segment programs, dbt, for any number of clinics. Dagster runs it (definitions.py).

A clinic that fails is written into the run's ledger and left out of what follows; the others go on.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import psycopg

from infra.database import Server
from infra.errors import DatabaseUnavailable, InvalidInput
from orchestration import ledger, mart_state
from orchestration.clinics import ClinicDay
from orchestration.dbt_run import run_dbt
from orchestration.graph import LAST_MODEL, MODELS
from orchestration.ingest.load import Loaded, ingest
from orchestration.ingest.session import ClinicFailed, connect_arrow
from orchestration.ingest.sources import Asset
from orchestration.ledger import Fault, Ledger
from orchestration.programs import write_program
from policies.segments.rule import RuleError

INGEST_THREADS = 2


@dataclass(frozen=True)
class Plan:
    """What to build: assets to ingest and dbt models; no models means no dbt run, None all of them."""

    clinics: Sequence[ClinicDay]
    assets: Sequence[Asset] = tuple(Asset)
    models: Sequence[str] | None = None
    full_refresh: bool = False

    @property
    def whole(self) -> bool:
        """Whether it leaves nothing out that a clinic's marts are made of."""
        return set(self.assets) == set(Asset) and (self.models is None or set(self.models) == set(MODELS))


def build(at: Server, plan: Plan, run_id: str) -> tuple[dict[tuple[str, Asset], Loaded], Ledger]:
    """Build; what was loaded by clinic and asset, and how every step went.

    Marts that a whole build has brought up to date are remembered as current.

    Raises:
        DbtFailed: dbt itself failed, which concerns all clinics.
    """
    # Before the first read, so that a change during the build counts as a later one.
    built_from = _states(at, plan, run_id) if plan.whole else {}
    mart_state.begin(at, [clinic.slug for clinic in plan.clinics], run_id)
    loaded = ingest_all(at, plan, run_id)
    left = _without_failed(at, plan.clinics, run_id)
    if left and (plan.models is None or plan.models):
        _each(
            left, lambda clinic: _attempt(at, run_id, clinic.slug, "segments", lambda: write_program(at, clinic.slug))
        )
        run_dbt(
            at, left, run_id=run_id, full_refresh=plan.full_refresh, select=list(plan.models) if plan.models else None
        )
    found = ledger.read(at, run_id)
    for clinic in plan.clinics:
        if clinic.slug in built_from and found.is_done(clinic.slug, LAST_MODEL):
            mart_state.remember(at, clinic, built_from[clinic.slug], run_id)
    return loaded, found


def _states(at: Server, plan: Plan, run_id: str) -> dict[str, mart_state.BuiltFrom]:
    found: dict[str, mart_state.BuiltFrom] = {}

    def look(clinic: ClinicDay) -> None:
        found[clinic.slug] = mart_state.built_from(at, clinic.slug)

    _each(plan.clinics, lambda clinic: _attempt(at, run_id, clinic.slug, "segments", lambda: look(clinic)))
    return found


def ingest_all(at: Server, plan: Plan, run_id: str) -> dict[tuple[str, Asset], Loaded]:
    """Ingest the plan's assets, several clinics at a time; a clinic stops at its first fault."""
    loaded: dict[tuple[str, Asset], Loaded] = {}

    def one_clinic(clinic: ClinicDay) -> None:
        with connect_arrow(at) as connection:
            for asset in plan.assets:

                def load(asset: Asset = asset) -> None:
                    loaded[clinic.slug, asset] = ingest(at, clinic.slug, asset, UUID(run_id), connection=connection)

                if not _attempt(at, run_id, clinic.slug, f"ingest.{asset}", load):
                    return

    _each(_without_failed(at, plan.clinics, run_id), one_clinic)
    return loaded


def _each(clinics: Sequence[ClinicDay], work: Callable[[ClinicDay], object]) -> None:
    with ThreadPoolExecutor(INGEST_THREADS) as pool:
        for _ in pool.map(work, clinics):
            pass


def _attempt(at: Server, run_id: str, slug: str, step: str, work: Callable[[], object]) -> bool:
    """Do one clinic's step; note its fault, without any value, and say whether it went well."""
    try:
        work()
    except (ClinicFailed, InvalidInput, RuleError, psycopg.Error) as error:
        ledger.note(at, run_id, slug, _fault(step, error))
        return False
    return True


def _fault(step: str, error: Exception) -> Fault:
    if isinstance(error, ClinicFailed):
        return Fault(step, error.sqlstate, error.constraint)
    if isinstance(error, psycopg.Error):
        if error.sqlstate is None:
            raise DatabaseUnavailable("the database went away") from None
        return Fault(step, error.sqlstate, error.diag.constraint_name)
    return Fault(step, None, getattr(error, "place", None))


def _without_failed(at: Server, clinics: Sequence[ClinicDay], run_id: str) -> list[ClinicDay]:
    failed = ledger.read(at, run_id).failed
    return [clinic for clinic in clinics if clinic.slug not in failed]
