"""Brings marts up to date from a command or a program, through the same Dagster job as the schedule."""

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from infra.database import Server
from orchestration import ledger, mart_state
from orchestration.clinics import ClinicDay, clinic_days
from orchestration.dbt_run import DbtFailed, dbt_folder
from orchestration.graph import LAST_MODEL
from orchestration.ledger import Fault
from orchestration.live.reconcile_consents import reconcile_consents

if TYPE_CHECKING:
    from dagster import DagsterInstance

INSTANCE_SETTINGS = "telemetry:\n  enabled: false\n"


@dataclass(frozen=True)
class Outcome:
    """Clinics whose marts were built, failed, or were current already; `run_id` is Dagster's."""

    done: list[str] = field(default_factory=list)
    failed: dict[str, Fault] = field(default_factory=dict)
    current: list[str] = field(default_factory=list)
    run_id: str | None = None


def materialize(
    at: Server,
    clinics: list[str] | None = None,
    as_of: date | None = None,
    *,
    force: bool = False,
    full_refresh: bool = False,
) -> Outcome:
    """Build the marts of the clinics named, or of all, as of a date or each clinic's own today.

    Marts that are current are left alone unless forced. What consents left to do in any of them is finished.

    Raises:
        InvalidInput: a clinic that does not exist.
        DbtFailed: the run ended before it came to all clinics.
    """
    wanted = clinic_days(at, clinics, as_of, datetime.now(UTC))
    forced = force or full_refresh
    stale = [clinic for clinic in wanted if forced or not mart_state.is_current(at, clinic)]
    current = sorted({clinic.slug for clinic in wanted} - {clinic.slug for clinic in stale})
    if not stale:
        reconcile_consents(at, wanted)
        return Outcome(current=current)
    run_id = _run(at, stale, full_refresh)
    found = ledger.read(at, run_id)
    built = {clinic.slug for clinic in stale if found.is_done(clinic.slug, LAST_MODEL)}
    if {clinic.slug for clinic in stale} - built - set(found.failed):
        raise DbtFailed(
            "the build ended early", hint=f"see {dbt_folder(at) / 'logs' / 'dbt.log'}, Dagster run {run_id}"
        )
    reconcile_consents(at, [clinic for clinic in wanted if clinic.slug not in found.failed])
    return Outcome(sorted(built), found.failed, current, run_id)


def _run(at: Server, clinics: list[ClinicDay], full_refresh: bool) -> str:
    """Execute the job in this process; its run's id. How it went is in the ledger."""
    # Late: its import takes seconds.
    from orchestration.definitions import JOB, cover, defs

    slugs = [clinic.slug for clinic in clinics]
    config = {
        "clinics": slugs,
        "as_of": {clinic.slug: clinic.as_of.isoformat() for clinic in clinics},
        "full_refresh": full_refresh,
    }
    with dagster_instance(at) as instance:
        result = defs.resolve_job_def(JOB).execute_in_process(
            instance=instance,
            tags=cover(instance, slugs),
            run_config={
                "ops": {"marts": {"config": config}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            resources={"platform": at},
            raise_on_error=False,
        )
        return str(result.run_id)


def dagster_instance(at: Server) -> "DagsterInstance":
    """Dagster's storage, beside the instance's secrets; `dagster dev` uses the same."""
    from dagster import DagsterInstance

    folder = dagster_folder(at)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    return DagsterInstance.from_config(str(folder))


def dagster_folder(at: Server) -> Path:
    """The folder that DAGSTER_HOME should name."""
    folder = at.secrets_folder.parent / "dagster"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():
        settings.write_text(INSTANCE_SETTINGS)
    return folder
