"""Plans in the database: exercises from a day to a day, what was done of them, and the sums of each day.

`adherence` holds a row for each day of a plan from the moment it is prescribed: a day on which nothing was ticked off
counts as one on which nothing was done. What changes exercises or ticks brings it up to date in the same transaction.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import PersonGrant, Work
from api.idempotency import Once, done_before
from api.me.statements import WHOSE
from api.plans.schemas import Prescribed
from api.profiles.columns import TREATED
from api.recording import recorded_by_state
from infra.errors import Refused
from policies.access.states import FACTS
from policies.words import Action

NEVER_BEGAN = "ended before it began"
_TODAY = sql.SQL("(statement_timestamp() at time zone c.time_zone)::date")
# The plans of a registration `r`.
_PLANS = sql.SQL("""
select
    t.plan_id as id, c.slug as clinic, t.title, t.prescribed_by, t.starts_on, t.ends_on, t.confidential,
    {today} as today,
    (
        select coalesce(jsonb_agg(
            jsonb_build_object(
                'id', e.exercise_id, 'name', e.name, 'instructions', e.instructions, 'times', e.times,
                'weekdays', e.weekdays, 'starts_on', e.starts_on, 'ends_on', e.ends_on,
                'done', coalesce(
                    (select jsonb_object_agg(d.day, d.times) from operational.exercise_done as d
                     where d.clinic_id = e.clinic_id and d.exercise_id = e.exercise_id and d.day >= {today} - 1), '{{}}'
                )
            ) order by e.name, e.exercise_id
        ), '[]')
        from operational.exercise as e
        where e.clinic_id = t.clinic_id and e.plan_id = t.plan_id and e.ends_on >= greatest(e.starts_on, {today} - 1)
    ) as exercises,
    (
        select coalesce(jsonb_agg(jsonb_build_object('day', a.day, 'prescribed', a.prescribed, 'done', a.done)), '[]')
        from operational.adherence as a
        where a.clinic_id = t.clinic_id and a.plan_id = t.plan_id and a.day <= {today} and a.deleted_at is null
    ) as days
from operational.treatment_plan as t
inner join operational.clinic as c on c.clinic_id = t.clinic_id
where t.clinic_id = r.clinic_id and t.patient_id = r.patient_id and t.deleted_at is null""").format(today=_TODAY)
_OWN_LIST = sql.SQL("""
select w.*, (
    select coalesce(jsonb_agg(o order by o.starts_on desc, o.id), '[]')
    from operational.registration as r
    cross join lateral ({plans}) as o
    where r.person_id = w.person_id and r.deleted_at is null
) as plans
from {whose} as w""")
_REGISTERED = sql.SQL("""
operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
inner join operational.clinic as c on c.clinic_id = r.clinic_id""")
_OF_PATIENT = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, null::uuid as consent_event_id, {treated} as treated,
    coalesce((l.plans @? '$[*] ? (@.confidential == true)'), false) as confidential, l.plans
from {registered}
cross join lateral (
    select coalesce(jsonb_agg(o order by o.starts_on desc, o.id), '[]') as plans from ({plans}) as o
) as l
where r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s and r.deleted_at is null""")
_PATIENT = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, null::uuid as consent_event_id, {treated} as treated,
    false as confidential, {today} as today, (
        select min(s.name) from operational.specialist_name as s
        where s.clinic_id = r.clinic_id and s.principal_id = %(event__principal_id)s and s.unlinked_at is null
    ) as specialist
from {registered}
where r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s and r.deleted_at is null""")
_PLAN = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, null::uuid as consent_event_id, {treated} as treated,
    t.confidential, {today} as today, t.plan_id, t.starts_on, t.ends_on, t.version
from {registered}
inner join operational.treatment_plan as t on t.clinic_id = r.clinic_id and t.patient_id = r.patient_id
where
    r.clinic_id = %(event__clinic_id)s and t.plan_id = %(plan)s and r.deleted_at is null and t.deleted_at is null""")
_EXERCISE = sql.SQL("""
select
    w.*, r.clinic_id, r.patient_id, e.plan_id, e.exercise_id, e.times, e.weekdays, e.starts_on, e.ends_on,
    {today} as today
from {whose} as w
inner join operational.registration as r on r.person_id = w.person_id and r.deleted_at is null
inner join operational.clinic as c on c.clinic_id = r.clinic_id
inner join operational.treatment_plan as t
    on t.clinic_id = r.clinic_id and t.patient_id = r.patient_id and t.deleted_at is null
inner join operational.exercise as e on e.clinic_id = t.clinic_id and e.plan_id = t.plan_id
where t.plan_id = %(plan)s and e.exercise_id = %(exercise)s""")

_PRESCRIBE = sql.SQL("""
insert into operational.treatment_plan
    (clinic_id, patient_id, title, prescribed_by, starts_on, ends_on, requested_by, key_digest, request_digest)
values (operational.context_clinic(), %(patient)s, %(title)s, %(specialist)s, %(starts_on)s, %(ends_on)s, %(by)s,
    %(key)s, %(request)s)
returning plan_id""")
_PRESCRIBED = sql.SQL("""
select plan_id as id, request_digest from operational.treatment_plan
where clinic_id = operational.context_clinic() and requested_by = %(by)s and key_digest = %(key)s""")
_RENEW = sql.SQL("""
update operational.treatment_plan
set
    ends_on = %(ends_on)s,
    deleted_at = case when %(never_began)s then statement_timestamp() end,
    deleted_by = case when %(never_began)s then %(by)s::uuid end,
    delete_reason = case when %(never_began)s then %(why)s end
where
    clinic_id = operational.context_clinic() and plan_id = %(plan)s and version = %(version)s and deleted_at is null
returning plan_id""")
_CUT = sql.SQL("""
update operational.exercise
set ends_on = greatest(%(from)s::date - 1, starts_on - 1), changed_at = statement_timestamp()
where clinic_id = operational.context_clinic() and plan_id = %(plan)s and ends_on >= %(from)s""")
_ADD = sql.SQL("""
insert into operational.exercise
    (clinic_id, patient_id, plan_id, name, instructions, times, weekdays, starts_on, ends_on)
values (operational.context_clinic(), %(patient)s, %(plan)s, %(name)s, %(instructions)s, %(times)s, %(weekdays)s,
    %(from)s, %(to)s)""")
_WITHOUT_DAYS = sql.SQL("""
update operational.adherence
set deleted_at = statement_timestamp(), deleted_by = %(by)s, delete_reason = 'the plan was changed'
where
    clinic_id = operational.context_clinic() and plan_id = %(plan)s and day >= %(from)s and deleted_at is null""")
_WITH_DAYS = sql.SQL("""
insert into operational.adherence as a (clinic_id, plan_id, day, patient_id, prescribed, done)
select e.clinic_id, e.plan_id, d.day::date, e.patient_id, sum(e.times), 0
from operational.exercise as e
cross join lateral generate_series(greatest(e.starts_on, %(from)s::date), e.ends_on, interval '1 day') as d (day)
where
    e.clinic_id = operational.context_clinic() and e.plan_id = %(plan)s
    and extract(isodow from d.day)::smallint = any(e.weekdays)
group by e.clinic_id, e.plan_id, d.day, e.patient_id
on conflict (clinic_id, plan_id, day) do update set
    prescribed = excluded.prescribed, done = least(a.done, excluded.prescribed),
    deleted_at = null, deleted_by = null, delete_reason = null""")
_HOLD_DAY = sql.SQL("""
select day from operational.adherence
where
    clinic_id = operational.context_clinic() and plan_id = %(plan)s and day = %(day)s and deleted_at is null
for update""")
_TICK = sql.SQL("""
insert into operational.exercise_done (clinic_id, exercise_id, day, patient_id, plan_id, times, done_by)
values (operational.context_clinic(), %(exercise)s, %(day)s, %(patient)s, %(plan)s, %(times)s,
    operational.context_actor())
on conflict (clinic_id, exercise_id, day) do update
    set times = excluded.times, done_by = excluded.done_by, changed_at = statement_timestamp()""")
_SUM_DAY = sql.SQL("""
update operational.adherence as a
set done = (
    select least(sum(d.times), a.prescribed) from operational.exercise_done as d
    where d.clinic_id = a.clinic_id and d.plan_id = a.plan_id and d.day = a.day
), presumed = false
where a.clinic_id = operational.context_clinic() and a.plan_id = %(plan)s and a.day = %(day)s
returning prescribed, done""")


async def own_list(grant: PersonGrant, dependent: UUID | None, *, own: bool) -> list[dict[str, Any]]:
    """The plans of the caller or a dependent at all clinics; not what is hidden from guardians.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    row = await grant.disclose(_own_list(own), me=grant.caller.principal.person_id, dependent=dependent)
    found: list[dict[str, Any]] = row["plans"]
    return found


async def of_patient(grant: PersonGrant, patient: UUID | None) -> list[dict[str, Any]]:
    """The plans of a patient of the clinic.

    Raises:
        NotThere: no such patient of the clinic, or not one whom the caller treats.
    """
    found: list[dict[str, Any]] = (await grant.disclose(_at_clinic(Action.RECORD_READ), patient=patient))["plans"]
    return found


async def patient(work: Work, patient: UUID | None) -> dict[str, Any]:
    """A patient who is prescribed something: `today` at the clinic, and the `specialist` as its records call them.

    Raises:
        NotThere: no such patient of the clinic, or not one whom the caller treats.
    """
    return await work.find(_at_clinic(Action.PLAN_SAVE), patient=patient)


async def plan(work: Work, plan: UUID | None) -> dict[str, Any]:
    """A plan that is to be changed.

    Raises:
        NotThere: no such plan of the clinic, or not of a patient whom the caller treats.
    """
    return await work.find(_of_plan(), plan=plan)


async def exercise(
    work: Work, dependent: UUID | None, plan: UUID | None, exercise: UUID | None, *, own: bool
) -> dict[str, Any]:
    """An exercise that is to be ticked off: the work goes on for its clinic and person.

    Raises:
        NotThere: no such exercise, or its plan is hidden from the caller.
    """
    me = work.caller.principal.person_id
    return await work.find(_exercise(own), me=me, dependent=dependent, plan=plan, exercise=exercise)


async def prescribed(work: Work, request: Once | None) -> UUID | None:
    """The plan that this request of the caller's has led to already: see `done_before`."""
    return await done_before(work, request, _PRESCRIBED, by=work.caller.principal.principal_id)


async def prescribe(work: Work, patient: dict[str, Any], asked: Prescribed, request: Once | None) -> UUID:
    """Store a plan with its exercises and days."""
    named = {"by": work.caller.principal.principal_id, **vars(request)} if request else {}
    rows = await work.run(
        _PRESCRIBE,
        patient=patient["patient_id"],
        title=asked.title,
        specialist=patient["specialist"],
        starts_on=asked.starts_on,
        ends_on=asked.ends_on,
        **{"by": None, "key": None, "request": None, **named},
    )
    plan_id: UUID = rows[0]["plan_id"]
    await _exercise_from(work, {**patient, "plan_id": plan_id}, asked.exercises, asked.starts_on, asked.ends_on)
    return plan_id


async def change(
    work: Work, plan: dict[str, Any], exercises: Sequence[Any], first: date, ends_on: date, *, never_began: bool = False
) -> None:
    """Have a plan consist of these exercises from a day on, and end on another; with none it ends the day before.

    Raises:
        Refused: it was changed since it was found.
    """
    by = work.caller.principal.principal_id
    values = {"plan": plan["plan_id"], "version": plan["version"], "ends_on": ends_on, "by": by}
    if not await work.run(_RENEW, **values, never_began=never_began, why=NEVER_BEGAN):
        raise Refused("changed at the same time", place="plan", rule="changed")
    await work.run(_CUT, **{"plan": plan["plan_id"], "from": first})
    await work.run(_WITHOUT_DAYS, **{"plan": plan["plan_id"], "from": first, "by": by})
    if exercises:
        await _exercise_from(work, plan, exercises, first, ends_on)


async def tick(work: Work, exercise: dict[str, Any], day: date, times: int) -> dict[str, Any]:
    """Say how often an exercise was done on a day; the day's `prescribed` and `done`.

    Raises:
        Refused: nothing is prescribed for that day any more.
    """
    values = {"plan": exercise["plan_id"], "day": day}
    # Two who tick off exercises of one day wait for each other, so that neither sum lacks the other's.
    if not await work.run(_HOLD_DAY, **values):
        raise Refused("nothing is prescribed for that day", place="day", rule="not_prescribed")
    await work.run(_TICK, **values, exercise=exercise["exercise_id"], patient=exercise["patient_id"], times=times)
    return (await work.run(_SUM_DAY, **values))[0]


async def _exercise_from(work: Work, plan: dict[str, Any], exercises: Sequence[Any], first: date, last: date) -> None:
    for each in exercises:
        values = {**each.model_dump(), "from": first, "to": last}
        await work.run(_ADD, patient=plan["patient_id"], plan=plan["plan_id"], **values)
    await work.run(_WITH_DAYS, **{"plan": plan["plan_id"], "from": first})


@cache
def _own_list(own: bool) -> str:
    query = _OWN_LIST.format(plans=_PLANS, whose=WHOSE[own])
    return recorded_by_state(query, FACTS[Action.OWN_RECORD_READ], in_clinic=False)


@cache
def _at_clinic(action: Action) -> str:
    text = _OF_PATIENT if action is Action.RECORD_READ else _PATIENT
    query = text.format(treated=TREATED, registered=_REGISTERED, plans=_PLANS, today=_TODAY)
    return recorded_by_state(query, FACTS[action], in_clinic=True)


@cache
def _of_plan() -> str:
    query = _PLAN.format(treated=TREATED, registered=_REGISTERED, today=_TODAY)
    return recorded_by_state(query, FACTS[Action.PLAN_SAVE], in_clinic=True)


@cache
def _exercise(own: bool) -> str:
    query = _EXERCISE.format(whose=WHOSE[own], today=_TODAY)
    return recorded_by_state(query, FACTS[Action.EXERCISE_TICK], in_clinic=False, at_clinic=True)
