"""What must hold in every mart after a build, as counts of what breaks it: zero is good.

Great Expectations validates one table of such counts, a row per clinic, with BOOLEAN_ONLY results:
no value of a patient ever reaches it. The counts name the clinics.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from infra.database import Server, clinic_transaction, connect
from infra.roles import ClinicKind, Login, clinic_schema
from orchestration.checking import record_check
from orchestration.ingest.sources import Asset

_ORPHANS = (
    "select count(*) from {} as fact where not exists"
    " (select from raw_patients as patient where patient.patient_id = fact.patient_id)"
)
_UNREGISTERED = (
    "select count(*) from raw_patients as held where not exists (select from operational.registration as g"
    " where g.patient_id = held.patient_id)"
)
# A change that waits in the outbox is not overlooked, only not yet dealt with.
_UNCONSENTED = (
    "select count(*) from raw_patients as held"
    " inner join operational.registration as g on held.patient_id = g.patient_id"
    " where num_nonnulls(held.birth_date, held.sex, held.blood_type, held.allergies, held.chronic_conditions,"
    " held.insurance_type) > 0"
    " and not exists (select from operational.consent as c where c.person_id = g.person_id"
    " and c.clinic_id = g.clinic_id and c.purpose = 'profile_sharing' and c.state = 'signed'"
    " and c.occurred_at <= now() and (c.expires_at is null or c.expires_at > now()))"
    " and not exists (select from operational.outbox as o where o.patient_id = held.patient_id)"
)
# More members with a known age than members who share one: a report that knows too much.
_OVERREPORTED = (
    "select count(*) from (select report.segment_id from segment_report as report"
    " where report.dimension in ('age', 'sex', 'insurance') and report.bucket <> 'unknown'"
    " group by report.segment_id, report.dimension having sum(report.patients) > ("
    " select count(*) from segment_member as m inner join raw_patients as p using (patient_id)"
    " where m.segment_id = report.segment_id and m.left_at is null and p.profile_shared)) as excess"
)

# Per asset: what a batch is held against.
BATCH_RULES: Mapping[Asset, Mapping[str, str]] = {
    Asset.PATIENTS: {
        "born_in_the_future": "select count(*) from raw_patients"
        " where birth_date > (now() at time zone interval '14 hours')::date",  # as `newest_day` has it
        "older_than_130": "select count(*) from raw_patients where birth_date < current_date - interval '130 years'",
        "without_a_name": "select count(*) from raw_patients where name !~ '[^[:space:]]'",
    },
    Asset.APPOINTMENTS: {
        "appointments_of_nobody": _ORPHANS.format("raw_appointments"),
        "booked_after_start": "select count(*) from raw_appointments where booked_on > starts_on",
    },
    Asset.FORMS: {
        "forms_of_nobody": _ORPHANS.format("raw_forms"),
        "answers_without_form": "select count(*) from raw_answers where not exists (select from raw_forms"
        " where raw_forms.patient_id = raw_answers.patient_id and raw_forms.form_id = raw_answers.form_id)",
    },
    Asset.ADHERENCE: {
        "adherence_of_nobody": _ORPHANS.format("raw_adherence"),
        "more_done_than_prescribed": "select count(*) from raw_adherence where done > prescribed",
    },
}
WALLS = {"unregistered": _UNREGISTERED, "unconsented": _UNCONSENTED, "overreported": _OVERREPORTED}
TABLES = (
    "raw_patients", "raw_appointments", "raw_forms", "raw_answers", "raw_adherence",
    "patient_summary", "appointment_report", "segment_member", "segment_report",
)  # fmt: skip


# Of a clinic whose mart cannot even be read: it breaks every rule.
UNCOUNTED = {"uncounted": 1}


@dataclass(frozen=True)
class Verdict:
    """Whether a check holds, and for each clinic that breaks it, the rules broken and how often."""

    passed: bool
    broken: dict[str, dict[str, int]]

    def holds_in(self, slug: str) -> bool:
        """Whether it holds in one clinic: in none, where it fails and names none."""
        return self.passed or (bool(self.broken) and slug not in self.broken)


def counts_of(at: Server, slug: str) -> dict[str, int]:
    """Rows of each table of a clinic, and the count of every rule, by name; read as its builder.

    `UNCOUNTED` alone where the database refuses that: what is wrong with one clinic is no other's concern.
    """
    counted = {table: f"select count(*) from {table}" for table in TABLES} | WALLS  # nosec B608 # names above
    for rules in BATCH_RULES.values():
        counted |= rules
    listed = sql.SQL(", ").join(
        sql.SQL("({}) as {}").format(sql.SQL(query), sql.Identifier(name)) for name, query in counted.items()
    )
    try:
        with (
            connect(Login.PIPELINE, at=at) as connection,
            clinic_transaction(connection, at.roles, slug, ClinicKind.BUILDER),
            connection.cursor(row_factory=dict_row) as cursor,
        ):
            record_check(connection, "quality")
            return cursor.execute(sql.SQL("select {}").format(listed)).fetchone() or UNCOUNTED
    except psycopg.Error as error:
        if error.sqlstate is None:
            raise
        return UNCOUNTED


def broken_rules(counted: Mapping[str, Mapping[str, int]], rules: Mapping[str, object]) -> dict[str, dict[str, int]]:
    """The rules that clinics break, out of their counts."""
    asked = [*rules, *UNCOUNTED]
    found = {slug: {name: counts[name] for name in asked if counts.get(name)} for slug, counts in counted.items()}
    return {slug: counts for slug, counts in found.items() if counts}


def check_batch(asset: Asset, counted: Mapping[str, Mapping[str, int]]) -> Verdict:
    """Run the asset's expectations over the counts of the run's clinics."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    # Late: their import takes seconds, and only this needs them.
    import great_expectations as gx
    import pandas as pd
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween

    rules = BATCH_RULES[asset]
    suite = gx.ExpectationSuite(
        name=asset.value,
        expectations=[ExpectColumnValuesToBeBetween(column=name, min_value=0, max_value=0) for name in rules],
    )
    frame = pd.DataFrame([{name: counts.get(name, 1) for name in rules} for counts in counted.values()])
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = context.data_sources.add_pandas("counts").add_dataframe_asset(asset.value)
    definition = batch.add_batch_definition_whole_dataframe("all")
    result = definition.get_batch({"dataframe": frame}).validate(suite, result_format="BOOLEAN_ONLY")
    return Verdict(bool(result.success), broken_rules(counted, rules))


def check_consent(counted: Mapping[str, Mapping[str, int]]) -> Verdict:
    """No unconsented profile value in any mart."""
    broken = broken_rules(counted, {"unconsented": 1, "overreported": 1})
    return Verdict(not broken, broken)


def check_isolation(at: Server, counted: Mapping[str, Mapping[str, int]]) -> Verdict:
    """No clinic's role can use another clinic's schema, and every patient is registered at the clinic."""
    broken = broken_rules(counted, {"unregistered": 1})
    for slug, count in _open_doors(at, list(counted)).items():
        broken.setdefault(slug, {})["schemas_of_others"] = count
    return Verdict(not broken, broken)


def _open_doors(at: Server, slugs: list[str]) -> dict[str, int]:
    """How many clinics' schemas other than its own each clinic's roles can use, where any."""
    roles = [(slug, at.roles.clinic(slug, kind)) for slug in slugs for kind in ClinicKind]
    with connect(Login.PIPELINE, at=at) as connection:
        others = [clinic_schema(row[0]) for row in connection.execute("select slug from operational.clinic")]
        return dict(
            connection.execute(
                "select role.slug, count(*) from unnest(%s::text[], %s::text[]) as role (slug, name)"
                " cross join unnest(%s::text[]) as other (name)"
                " where other.name <> 'clinic_' || role.slug and has_schema_privilege(role.name, other.name, 'usage')"
                " group by role.slug",
                [[slug for slug, _ in roles], [name for _, name in roles], others],
            ).fetchall()
        )
