"""What specialists prescribe, and patients and guardians tick off."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from api.gateway import Access, Caller
from api.idempotency import once
from api.me.service import person_of
from api.plans import repository
from api.plans.schemas import LONGEST_DAYS, Changed, DayDone, Plan, PlanId, Plans, Prescribed, Ticked
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, Refused
from policies.access.model import Resource
from policies.plans import Day, progress
from policies.words import Action

_OF_PATIENT = frozenset({"patient_id", "records"})
_OWN = frozenset({"records"})
_DAY = timedelta(days=1)


async def list_own(serving: Services, caller: Caller, dependent: str | None = None) -> Plans:
    """The plans of the caller or a dependent.

    Raises:
        NotThere: the caller is no patient; no such dependent, or not the caller's today.
    """
    grant = await serving.gateway.person(caller, Access(Action.OWN_RECORD_READ, person_of(caller, dependent), _OWN))
    return _plans(await repository.own_list(grant, as_id(dependent or ""), own=dependent is None))


async def list_plans(serving: Services, caller: Caller, clinic: str, patient: str) -> Plans:
    """The plans of a patient whom the caller treats.

    Raises:
        NotThere: no such patient, or not one of the caller's.
    """
    access = Access(Action.RECORD_READ, Resource(clinic, patient=True), _OF_PATIENT)
    return _plans(await repository.of_patient(await serving.gateway.person(caller, access), as_id(patient)))


async def prescribe(
    serving: Services, caller: Caller, clinic: str, patient: str, asked: Prescribed | None, key: str | None = None
) -> PlanId:
    """Prescribe a plan; by the same key once.

    Raises:
        NotThere: no such patient, or not one of the caller's.
        InvalidInput: no plan, or days that are past, turned round or too far apart; the key was another request's.
    """
    async with serving.gateway.work(caller, _saving(clinic)) as work:
        found = await repository.patient(work, as_id(patient))
        if asked is None:
            raise InvalidInput("no plan", place="body", rule="missing")
        request = once(serving.digests, key, "plan", patient, asked.model_dump_json())
        if (known := await repository.prescribed(work, request)) is not None:
            return PlanId(id=known)
        if asked.starts_on < found["today"]:
            raise InvalidInput("the plan begins in the past", place="starts_on", rule="past")
        _check_end(asked.starts_on, asked.ends_on)
        return PlanId(id=await repository.prescribe(work, found, asked, request))


async def change(serving: Services, caller: Caller, clinic: str, plan: str, asked: Changed | None) -> None:
    """Have a plan consist of other exercises, from tomorrow or its first day on.

    Raises:
        NotThere: no such plan, or not of a patient of the caller's.
        InvalidInput: no exercises, or a last day that is past or too far away.
        Refused: the plan is over, has no end that could be kept, or was changed at the same time.
    """
    async with serving.gateway.work(caller, _saving(clinic)) as work:
        found = await repository.plan(work, as_id(plan))
        if asked is None:
            raise InvalidInput("no exercises", place="exercises", rule="missing")
        first = max(found["today"] + _DAY, found["starts_on"])
        last = asked.ends_on or found["ends_on"]
        if last is None:
            raise InvalidInput("the plan has no last day yet", place="ends_on", rule="missing")
        if asked.ends_on is None and last < first:
            raise Refused("the plan is over", place="plan", rule="over")
        _check_end(first, last)
        await repository.change(work, found, asked.exercises, first, last)


async def end(serving: Services, caller: Caller, clinic: str, plan: str) -> None:
    """End a plan today; one that has not begun yet is deleted.

    Raises:
        NotThere: no such plan, or not of a patient of the caller's.
        Refused: the plan is over, or was changed at the same time.
    """
    async with serving.gateway.work(caller, _saving(clinic)) as work:
        found = await repository.plan(work, as_id(plan))
        today: date = found["today"]
        if found["ends_on"] is not None and found["ends_on"] < today:
            raise Refused("the plan is over", place="plan", rule="over")
        never_began = found["starts_on"] > today
        last = found["ends_on"] if never_began else today
        await repository.change(work, found, [], today + _DAY, last, never_began=never_began)


async def tick(
    serving: Services,
    caller: Caller,
    path: tuple[str, str, str],
    asked: Ticked | None,
    dependent: str | None = None,
) -> DayDone:
    """Say how often an exercise was done; `path` names plan, exercise and day.

    Raises:
        NotThere: no such exercise, or it is hidden from the caller.
        InvalidInput: neither today nor yesterday, or more often than prescribed.
        Refused: not prescribed for that day.
    """
    plan, exercise, day = path
    access = Access(Action.EXERCISE_TICK, person_of(caller, dependent), _OWN)
    async with serving.gateway.work(caller, access) as work:
        found = await repository.exercise(
            work, as_id(dependent or ""), as_id(plan), as_id(exercise), own=dependent is None
        )
        on = _day_of(day, found["today"])
        if asked is None:
            raise InvalidInput("how often", place="times", rule="missing")
        if not found["starts_on"] <= on <= found["ends_on"] or on.isoweekday() not in found["weekdays"]:
            raise Refused("not prescribed for that day", place="day", rule="not_prescribed")
        if asked.times > found["times"]:
            raise InvalidInput("more often than prescribed", place="times", rule="too_many")
        return DayDone.model_validate(await repository.tick(work, found, on, asked.times))


def _saving(clinic: str) -> Access:
    return Access(Action.PLAN_SAVE, Resource(clinic, patient=True), _OF_PATIENT)


def _check_end(first: date, last: date) -> None:
    if last < first:
        raise InvalidInput("the last day is before the first", place="ends_on", rule="too_early")
    if last - first >= timedelta(days=LONGEST_DAYS):
        raise InvalidInput("longer than a year", place="ends_on", rule="too_late")


def _day_of(text: str, today: date) -> date:
    for day in (today, today - _DAY):
        if text == day.isoformat():
            return day
    raise InvalidInput("neither today nor yesterday at the clinic", place="day", rule="not_today_or_yesterday")


def _plans(rows: Sequence[dict[str, Any]]) -> Plans:
    return Plans(plans=[_plan(row) for row in rows])


def _plan(row: dict[str, Any]) -> Plan:
    today = date.fromisoformat(row["today"])
    days = [Day(date.fromisoformat(day["day"]), day["prescribed"], day["done"]) for day in row["days"]]
    return Plan.model_validate({**row, "progress": asdict(progress(days, today))})
