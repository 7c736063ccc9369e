"""What each asset reads from the operational zone: the live rows that the clinic may see.

Row-level security narrows every statement to the clinic of the builder role, so no statement names
one. A row whose registration, plan or form was deleted is as gone as a deleted row: asked for as
'none that is deleted', which is few rows to look up, where 'one that is not' would be all of them.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestration.contracts import (
    ADHERENCE,
    ANSWERS,
    APPOINTMENTS,
    FORMS,
    PATIENTS,
    Contract,
)


class Asset(StrEnum):
    """What one run of the ingest brings."""

    PATIENTS = "patients"
    APPOINTMENTS = "appointments"
    FORMS = "forms"
    ADHERENCE = "adherence"


@dataclass(frozen=True)
class Source:
    """One raw table: its contract, the statement that gives its rows, and how a change shows."""

    contract: Contract
    rows: str
    marks: tuple[str, ...] = ("version",)

    @property
    def cause(self) -> str:
        """Why a row of `live` differs from the one `held`, in the words of segments' members."""
        shared = "when live.profile_shared <> held.profile_shared then 'consent' "
        return (
            "case when live.version is null then 'correction' "
            f"{shared if 'profile_shared' in self.marks else ''}"
            "when live.version is distinct from held.version then 'data' else 'time' end"
        )


# The version is a sum of counters that only grow: equal sums mean that none has moved, whatever the
# order of commits. The registration's own weighs more than all others together, since with the person that
# it names they are other counters. A consent may expire without any write, so profile_shared is compared as well.
# A profile shows under a standing consent only, and never past a tombstone.
PATIENT_ROWS = """
with patient as (
    select
        g.patient_id,
        g.person_id,
        g.external_id,
        g.registered_on,
        p.name,
        (g.version::bigint << 32) + p.version + coalesce(c.version, 0) as version,
        t.patient_id is null
        and coalesce(
            c.state = 'signed' and c.occurred_at <= statement_timestamp()
            and coalesce(c.expires_at > statement_timestamp(), true), false)
            as profile_shared,
        c.expires_at as profile_until
    from operational.registration as g
    inner join operational.person as p on g.person_id = p.person_id
    left join operational.consent as c
        on g.person_id = c.person_id and g.clinic_id = c.clinic_id and c.purpose = 'profile_sharing'
    left join operational.profile_tombstone as t
        on g.clinic_id = t.clinic_id and g.patient_id = t.patient_id and t.cleared_at is null
    where g.deleted_at is null and p.deleted_at is null
)

select
    patient.patient_id,
    patient.version + coalesce(f.version, 0) as version,
    patient.name,
    patient.external_id,
    patient.registered_on,
    patient.profile_shared,
    patient.profile_until,
    f.birth_date,
    f.sex,
    f.blood_type,
    f.allergies,
    f.chronic_conditions,
    f.insurance_type
from patient
left join operational.profile as f on patient.person_id = f.person_id and patient.profile_shared
"""

APPOINTMENT_ROWS = """
select
    a.patient_id,
    a.appointment_id,
    a.version,
    a.service,
    a.modality,
    a.status,
    a.booked_on,
    a.starts_on,
    a.starts_at
from operational.appointment as a
where
    a.deleted_at is null
    and not exists (
        select from operational.registration as g
        where g.clinic_id = a.clinic_id and g.patient_id = a.patient_id and g.deleted_at is not null
    )
"""

# A form past its last day is expired, which nobody writes down: so the status is compared besides the version.
# Days are the clinic's own: an answer given at 23:30 in Sao Paulo belongs to that evening.
FORM_ROWS = """
select
    f.patient_id,
    f.form_id,
    f.version,
    f.template,
    case
        when
            f.status in ('pending', 'in_progress')
            and f.expires_on
                < (statement_timestamp() at time zone (select z.time_zone from operational.clinic as z))::date
            then 'expired'
        else f.status
    end as status,
    f.assigned_on,
    f.due_on,
    (f.completed_at at time zone (select z.time_zone from operational.clinic as z))::date as completed_on
from operational.form as f
where
    f.deleted_at is null
    and not exists (
        select from operational.registration as g
        where g.clinic_id = f.clinic_id and g.patient_id = f.patient_id and g.deleted_at is not null
    )
"""

ANSWER_ROWS = """
select
    a.patient_id,
    a.answer_id,
    a.version,
    a.form_id,
    a.template,
    a.question,
    a.answered_at,
    (a.answered_at at time zone (select z.time_zone from operational.clinic as z))::date as answered_on,
    a.number,
    a.choice,
    a.body,
    a.day
from operational.form_answer as a
where
    a.deleted_at is null
    and not exists (
        select from operational.registration as g
        where g.clinic_id = a.clinic_id and g.patient_id = a.patient_id and g.deleted_at is not null
    )
    and not exists (
        select from operational.form as f
        where f.clinic_id = a.clinic_id and f.form_id = a.form_id and f.deleted_at is not null
    )
"""

ADHERENCE_ROWS = """
select
    a.patient_id,
    a.plan_id,
    a.day,
    a.version,
    a.prescribed,
    a.done
from operational.adherence as a
where
    a.deleted_at is null
    and not exists (
        select from operational.registration as g
        where g.clinic_id = a.clinic_id and g.patient_id = a.patient_id and g.deleted_at is not null
    )
    and not exists (
        select from operational.treatment_plan as p
        where p.clinic_id = a.clinic_id and p.plan_id = a.plan_id and p.deleted_at is not null
    )
"""

SOURCES = {
    Asset.PATIENTS: (Source(PATIENTS, PATIENT_ROWS, ("version", "profile_shared")),),
    Asset.APPOINTMENTS: (Source(APPOINTMENTS, APPOINTMENT_ROWS),),
    Asset.FORMS: (Source(FORMS, FORM_ROWS, ("version", "status")), Source(ANSWERS, ANSWER_ROWS)),
    Asset.ADHERENCE: (Source(ADHERENCE, ADHERENCE_ROWS),),
}

# The outbox's word for what an asset brings up to date.
ENTITY = {
    Asset.PATIENTS: "patient",
    Asset.APPOINTMENTS: "appointment",
    Asset.FORMS: "form",
    Asset.ADHERENCE: "adherence",
}
