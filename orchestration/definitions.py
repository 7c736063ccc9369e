"""Dagster's view of the pipeline: four ingest assets, the dbt models, checks and a schedule.

Importing this does no I/O: the server is a resource, made when a run starts.

All assets are outputs of one step. A Dagster output marks every clinic of the run as materialised,
and a step without its output skips what follows; so the step yields no outputs, but one
materialisation for each clinic in which the asset really is done, and fails in the end if any
clinic failed. Ranges of partitions have no gaps: `clinics` in the run's config narrows them.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime

import dagster as dg
from pydantic import Field

from infra.database import Server, server
from infra.errors import CloisterError
from orchestration import ledger, quality, verdicts
from orchestration.build import Plan, build
from orchestration.clinics import ClinicDay, clinic_days
from orchestration.drift import check_drift
from orchestration.graph import MODELS
from orchestration.ingest.load import Loaded
from orchestration.ingest.sources import Asset

CLINICS = dg.DynamicPartitionsDefinition(name="clinics")
JOB = "build_marts"
CHECK_JOB = "check_members"
DRIFT = dg.AssetCheckKey(dg.AssetKey("segment_member"), "drift")
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


class BuildConfig(dg.Config):
    """What a run may be told beside its partitions."""

    clinics: list[str] = Field(default_factory=list)
    as_of: dict[str, str] = Field(default_factory=dict)
    full_refresh: bool = False


def _specs() -> list[dg.AssetSpec]:
    loads = [dg.AssetSpec(asset.value, group_name="ingest", skippable=True, kinds={"polars"}) for asset in Asset]
    models = [
        dg.AssetSpec(name, deps=list(sources), group_name="marts", skippable=True, kinds={"dbt"})
        for name, sources in MODELS.items()
    ]
    return loads + models


def _check_specs() -> list[dg.AssetCheckSpec]:
    return [
        *(dg.AssetCheckSpec("batch", asset=asset.value, description="Great Expectations suite") for asset in Asset),
        dg.AssetCheckSpec("isolation", asset="patients", description="No clinic reaches or holds another's patients"),
        dg.AssetCheckSpec("consent", asset="segment_report", description="No unconsented profile value in any mart"),
        dg.AssetCheckSpec("dbt_tests", asset="patient_summary", description="dbt's data tests in every clinic"),
    ]


@dg.multi_asset(
    name="marts",
    specs=_specs(),
    check_specs=_check_specs(),
    can_subset=True,
    partitions_def=CLINICS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"platform"},
)
def marts(context: dg.AssetExecutionContext, config: BuildConfig) -> Iterator[object]:
    """Build the selected assets of the run's clinics."""
    at: Server = context.resources.platform
    clinics = _clinics(at, context.partition_keys, config)
    try:
        loaded, found = build(at, _plan(context, clinics, config), context.run.run_id)
        # Of those that failed, too: their marts are read until they are mended.
        counted = {clinic.slug: quality.counts_of(at, clinic.slug) for clinic in clinics}
        yield from _materializations(context, loaded, found, counted)
        yield from _checks(context, at, counted, found)
    except CloisterError:
        raise
    except Exception as error:
        # Its message may quote a row, and Dagster keeps what it is told.
        what = f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
        raise dg.Failure(f"the build failed: {what}", allow_retries=False) from None
    if found.failed:
        named = "; ".join(f"{slug}: {fault}" for slug, fault in sorted(found.failed.items()))
        raise dg.Failure(f"{len(found.failed)} of {len(clinics)} clinics failed: {named}", allow_retries=False)


def _clinics(at: Server, partitions: list[str], config: BuildConfig) -> list[ClinicDay]:
    wanted = [slug for slug in partitions if not config.clinics or slug in config.clinics]
    days = clinic_days(at, wanted, None, datetime.now(UTC))
    return [
        ClinicDay(day.slug, date.fromisoformat(config.as_of[day.slug])) if day.slug in config.as_of else day
        for day in days
    ]


def _plan(context: dg.AssetExecutionContext, clinics: list[ClinicDay], config: BuildConfig) -> Plan:
    chosen = {key.to_user_string() for key in context.selected_asset_keys}
    models = [name for name in MODELS if name in chosen]
    return Plan(
        clinics=clinics,
        assets=[asset for asset in Asset if asset.value in chosen],
        models=None if len(models) == len(MODELS) else models,
        full_refresh=config.full_refresh,
    )


def _materializations(
    context: dg.AssetExecutionContext,
    loaded: Mapping[tuple[str, Asset], Loaded],
    found: ledger.Ledger,
    counted: Mapping[str, Mapping[str, int]],
) -> Iterator[dg.AssetMaterialization]:
    chosen = {key.to_user_string() for key in context.selected_asset_keys}
    for (slug, asset), rows in loaded.items():
        counts = {"rows_written": rows.rows_written, "rows_deleted": rows.rows_deleted, "patients": rows.patients}
        yield dg.AssetMaterialization(asset.value, partition=slug, metadata=counts)
    for slug, steps in found.done.items():
        for model in sorted(chosen.intersection(steps, MODELS)):
            rows_now = counted.get(slug, {}).get(model)
            metadata = {} if rows_now is None else {"dagster/partition_row_count": rows_now}
            yield dg.AssetMaterialization(model, partition=slug, metadata=metadata)


def _checks(
    context: dg.AssetExecutionContext, at: Server, counted: Mapping[str, Mapping[str, int]], found: ledger.Ledger
) -> Iterator[dg.AssetCheckResult]:
    for key in sorted(context.selected_asset_check_keys, key=str):
        asset = key.asset_key.to_user_string()
        if key.name == "batch":
            verdict = quality.check_batch(Asset(asset), counted) if counted else quality.Verdict(True, {})
        elif key.name == "isolation":
            verdict = quality.check_isolation(at, counted)
        elif key.name == "consent":
            verdict = quality.check_consent(counted)
        else:
            verdict = _dbt_tests(found)
        yield _told(at, context.run.run_id, key, counted, verdict)


def _told(
    at: Server, run_id: str, key: dg.AssetCheckKey, clinics: Iterable[str], verdict: quality.Verdict
) -> dg.AssetCheckResult:
    """What a check said of these clinics: to the pipeline's book, and to Dagster."""
    verdicts.record(at, run_id, key.asset_key.to_user_string(), key.name, clinics, verdict)
    return dg.AssetCheckResult(
        passed=verdict.passed, asset_key=key.asset_key, check_name=key.name, metadata={"broken": verdict.broken}
    )


def _dbt_tests(found: ledger.Ledger) -> quality.Verdict:
    steps = {f"ingest.{asset}" for asset in Asset} | {"segments", *MODELS}
    broken = {slug: {fault.step: 1} for slug, fault in found.failed.items() if fault.step not in steps}
    return quality.Verdict(not broken, broken)


@dg.asset_check(
    asset=DRIFT.asset_key,
    name=DRIFT.name,
    description="The members kept are those that a full evaluation gives",
    required_resource_keys={"platform"},
)
def drift(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    """Of all clinics. Not in a build, which brings members up to date and would find its own work."""
    at: Server = context.resources.platform
    slugs = [clinic.slug for clinic in clinic_days(at, None, None, datetime.now(UTC))]
    return _told(at, context.run.run_id, DRIFT, slugs, check_drift(at, slugs))


@dg.resource
def platform(_: dg.InitResourceContext) -> Server:
    """The server of the process's settings, looked up when a run starts."""
    return server()


build_marts = dg.define_asset_job(
    JOB, selection=dg.AssetSelection.assets(marts) - dg.AssetSelection.checks(drift), partitions_def=CLINICS
)
check_members = dg.define_asset_job(CHECK_JOB, selection=dg.AssetSelection.checks(drift))


@dg.schedule(job_name=JOB, cron_schedule="15 * * * *", required_resource_keys={"platform"})
def hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """All clinics, every hour: each clinic's new day begins in another one."""
    slugs = [clinic.slug for clinic in clinic_days(context.resources.platform, None, None, datetime.now(UTC))]
    if not slugs:
        return dg.SkipReason("there is no clinic yet")
    return dg.RunRequest(tags=cover(context.instance, slugs))


nightly = dg.ScheduleDefinition(job=check_members, cron_schedule="45 3 * * *")


def cover(instance: dg.DagsterInstance, slugs: list[str]) -> dict[str, str]:
    """Register the clinics as partitions; the tags of a run over the range that holds them all."""
    known = instance.get_dynamic_partitions("clinics")
    instance.add_dynamic_partitions("clinics", [slug for slug in slugs if slug not in known])
    ordered = [slug for slug in instance.get_dynamic_partitions("clinics") if slug in slugs]
    return {RANGE_START: ordered[0], RANGE_END: ordered[-1]}


defs = dg.Definitions(
    assets=[marts],
    asset_checks=[drift],
    jobs=[build_marts, check_members],
    schedules=[hourly, nightly],
    resources={"platform": platform},
)
