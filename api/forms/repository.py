"""Forms in the database: whose they are, answered in a sealed draft, completed for good."""

from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.forms.statements import ENTRY, FORM
from api.gateway import Grant, PersonGrant, Work
from api.me.statements import WHOSE
from api.profiles.columns import TREATED
from api.recording import recorded_by_state
from api.sealing import purpose_keys
from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS
from infra.encryption.field_codec import FieldCodec
from infra.errors import Refused
from policies.access.states import FACTS
from policies.forms.answers import AnswerRow
from policies.words import Action

PURPOSE = "forms"
TABLE = "operational.form_sealed"

# What was answered: as it was given, or as an import brought it; and the keys that open the former.
_WHOLE = sql.SQL("""
f.clinic_id, f.patient_id, f.version, t.kind, t.purpose, t.questions, t.scores, s.content, k.key_ids, k.wrapped,
k.kek_ids, k.kek_versions, coalesce(i.answers, '{}') as imported""")
_CONTENT = sql.SQL(f"""
left join operational.form_sealed as s on s.clinic_id = f.clinic_id and s.form_id = f.form_id
left join lateral (
    select {KEY_ARRAYS} from operational.data_key as d where d.purpose = '{PURPOSE}' and d.retired_at is null
) as k on s.content is not null
left join lateral (
    select jsonb_object_agg(
        a.question, coalesce(to_jsonb(a.number), to_jsonb(coalesce(a.choice, a.body)), to_jsonb(a.day))
    ) as answers
    from operational.form_answer as a
    where a.clinic_id = f.clinic_id and a.form_id = f.form_id and a.deleted_at is null
) as i on s.content is null""")  # nosec B608 # constants
_OWN_LIST = sql.SQL("""
select w.*, (
    select coalesce(jsonb_agg(o order by o.assigned_on desc, o.id), '[]')
    from (
        select c.slug as clinic, f.confidential, {entry}
        from operational.registration as r
        inner join {form} on f.clinic_id = r.clinic_id and f.patient_id = r.patient_id
        where r.person_id = w.person_id and r.deleted_at is null and f.deleted_at is null
    ) as o
) as forms
from {whose} as w""")
# The text that a consent form shows is the clinic's own newest.
_OWN_FORM = sql.SQL("""
select w.*, c.slug as clinic, f.confidential, {entry}, {whole}, n.text_version, n.body as text, n.sha256
from {whose} as w
inner join operational.registration as r on r.person_id = w.person_id and r.deleted_at is null
inner join {form} on f.clinic_id = r.clinic_id and f.patient_id = r.patient_id
{content}
left join lateral (
    select v.text_version, v.body, v.sha256
    from operational.consent_text as v
    where v.clinic_id = f.clinic_id and v.purpose = t.purpose and not v.imported
    order by v.created_at desc, v.text_version desc limit 1
) as n on true
where f.form_id = %(form)s and f.deleted_at is null""")
_OF_PATIENT = sql.SQL("""
select
    r.person_id, null::uuid as acting_for, null::uuid as consent_event_id, {treated} as treated, f.confidential,
    c.slug as clinic, {entry}, {whole}
from {form}
inner join operational.registration as r on r.clinic_id = f.clinic_id and r.patient_id = f.patient_id
inner join operational.person as p on p.person_id = r.person_id
{content}
where
    f.clinic_id = %(event__clinic_id)s and f.form_id = %(form)s
    and f.deleted_at is null and r.deleted_at is null and p.deleted_at is null""")
_HOW_FAR = sql.SQL("""
select r.patient_id, e.*
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id
left join lateral (
    select {entry} from {form} where f.clinic_id = r.clinic_id and f.patient_id = r.patient_id and f.deleted_at is null
) as e on true
where
    r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s
    and r.deleted_at is null and p.deleted_at is null""").format(entry=ENTRY, form=FORM)
_PATIENT = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, null::uuid as consent_event_id, false as treated,
    coalesce(n.confidential, false) as confidential, n.known,
    (statement_timestamp() at time zone c.time_zone)::date as today
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id
inner join operational.clinic as c on c.clinic_id = r.clinic_id
cross join lateral (
    select bool_or(o.confidential) as confidential, array_agg(o.template) as known
    from (
        select distinct on (t.template) t.template, t.confidential
        from operational.form_template as t
        where t.clinic_id = r.clinic_id and t.template = any(%(templates)s::text[])
        order by t.template, t.template_version desc
    ) as o
) as n
where
    r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s
    and r.deleted_at is null and p.deleted_at is null""")
_BEGIN = sql.SQL("""
update operational.form set status = 'in_progress'
where
    clinic_id = operational.context_clinic() and form_id = %(form)s and version = %(version)s
    and status in ('pending', 'in_progress')
returning version""")
# First of all, as in a booking; in a statement of its own.
_HOLD_DAYS = sql.SQL("select operational.hold_days_soon(operational.context_clinic())")
_COMPLETE = sql.SQL("""
update operational.form
set status = 'completed', completed_at = statement_timestamp(), consent_event_id = %(consent)s
where
    clinic_id = operational.context_clinic() and form_id = %(form)s and version = %(version)s
    and status in ('pending', 'in_progress')
returning completed_at, version""")
_SEAL = sql.SQL("""
insert into operational.form_sealed (clinic_id, form_id, content)
values (operational.context_clinic(), %(form)s, %(content)s)
on conflict (clinic_id, form_id) do update set content = excluded.content""")
_ANSWERS = sql.SQL("""
insert into operational.form_answer
    (clinic_id, patient_id, form_id, template, question, answered_at, number, choice, day)
select operational.context_clinic(), %(patient)s, %(form)s, %(template)s, a.question, %(at)s, a.number, a.choice, a.day
from unnest(%(questions)s::text[], %(numbers)s::double precision[], %(choices)s::text[], %(days)s::date[])
    as a (question, number, choice, day)""")


async def patient(work: Work, patient_id: UUID | None, templates: Sequence[str]) -> dict[str, Any]:
    """A patient whom forms are to be assigned to: `person_id`, `today`, and which of the templates are `known`.

    Raises:
        NotThere: no such patient of the clinic, or not the caller's to assign to.
    """
    return await work.find(_patient(), patient=patient_id, templates=list(templates))


async def how_far(grant: Grant, patient_id: UUID | None) -> list[dict[str, Any]]:
    """A row for each form of a patient, without answers; one without an id if there is none; no row if no patient."""
    return await grant.disclose(_HOW_FAR, sql.SQL("assigned_on desc, id"), patient=patient_id)


async def of_patient(grant: PersonGrant, form: UUID | None) -> dict[str, Any]:
    """One form of a patient of the clinic, whole.

    Raises:
        NotThere: no such form of the clinic, or not of a patient whom the caller treats.
    """
    return await grant.disclose(_of_patient(), form=form)


async def own_list(grant: PersonGrant, dependent: UUID | None, *, own: bool) -> list[dict[str, Any]]:
    """The forms of the caller or a dependent at all clinics, the newest first; not what is hidden from guardians.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    row = await grant.disclose(_own_list(own), me=grant.caller.principal.person_id, dependent=dependent)
    found: list[dict[str, Any]] = row["forms"]
    return found


async def own_form(grant: PersonGrant, dependent: UUID | None, form: UUID | None, *, own: bool) -> dict[str, Any]:
    """One form of the caller or a dependent, whole, with the consent's text that it shows.

    Raises:
        NotThere: no such form, or it is hidden from the caller.
    """
    statement = _own_form(own, Action.OWN_RECORD_READ)
    return await grant.disclose(statement, me=grant.caller.principal.person_id, dependent=dependent, form=form)


async def to_answer(work: Work, dependent: UUID | None, form: UUID | None, *, own: bool) -> dict[str, Any]:
    """The same form, to be answered: the work goes on for its clinic and person.

    Raises:
        NotThere: no such form, or it is hidden from the caller.
    """
    statement = _own_form(own, Action.FORM_ANSWER)
    return await work.find(statement, me=work.caller.principal.person_id, dependent=dependent, form=form)


async def begin(work: Work, row: dict[str, Any]) -> int:
    """Mark a form as in progress, which holds it until the work ends; its new version.

    Raises:
        Refused: it was changed since it was found.
    """
    version: int = _unless_changed(await work.run(_BEGIN, form=row["id"], version=row["version"]))["version"]
    return version


def hold_days(work: Work) -> None:
    """Have the clinic's time zone, by which the day of a completion is told, stay until the work ends."""
    work.later(_HOLD_DAYS)


async def complete(work: Work, row: dict[str, Any], answers: Sequence[AnswerRow], consent: UUID | None) -> int:
    """Complete a form for good, with the typed answers that segments read; its new version.

    Raises:
        Refused: it was changed since it was found.
    """
    done = await work.run(_COMPLETE, form=row["id"], version=row["version"], consent=consent)
    at, version = _unless_changed(done)["completed_at"], done[0]["version"]
    columns: dict[str, Any] = {
        "questions": [a.question for a in answers], "numbers": [a.number for a in answers],
        "choices": [a.choice for a in answers], "days": [a.day for a in answers],
    }  # fmt: skip
    await work.run(_ANSWERS, patient=row["patient_id"], form=row["id"], template=row["template"], at=at, **columns)
    return int(version)


async def seal(work: Work, codec: FieldCodec, form: UUID, content: bytes) -> None:
    """Keep the answers to a form that this work holds, encrypted."""
    newest, *_ = await purpose_keys(work, codec, PURPOSE)
    await work.run(_SEAL, form=form, content=codec.seal(newest, Place(TABLE, "content", str(form)), content))


def _unless_changed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if not rows:
        raise Refused("changed at the same time", place="form", rule="changed")
    return rows[0]


@cache
def _patient() -> str:
    return recorded_by_state(_PATIENT, FACTS[Action.FORM_ASSIGN], in_clinic=True)


@cache
def _of_patient() -> str:
    query = _OF_PATIENT.format(treated=TREATED, entry=ENTRY, whole=_WHOLE, form=FORM, content=_CONTENT)
    return recorded_by_state(query, FACTS[Action.RECORD_READ], in_clinic=True)


@cache
def _own_list(own: bool) -> str:
    query = _OWN_LIST.format(entry=ENTRY, form=FORM, whose=WHOSE[own])
    return recorded_by_state(query, FACTS[Action.OWN_RECORD_READ], in_clinic=False)


@cache
def _own_form(own: bool, action: Action) -> str:
    query = _OWN_FORM.format(entry=ENTRY, whole=_WHOLE, whose=WHOSE[own], form=FORM, content=_CONTENT)
    return recorded_by_state(query, FACTS[action], in_clinic=False, at_clinic=True)
