"""Why a patient is in a segment, and for whom it is undecided: decided, read, recorded, then explained."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from api.gateway import Access, Caller
from api.profiles.service import as_id
from api.segments import explaining_repository as repository
from api.segments import explaining_schemas as schemas
from api.segments.explaining_rules import Rules, too_long
from api.segments.explaining_shown import explanation_of, missing_as, patient_of
from api.segments.trying_service import as_of_day
from api.services import Services
from infra.errors import NotThere
from policies.access.model import Resource
from policies.classification import Field, needs_consent
from policies.segments.condition import Condition
from policies.segments.explanation import explain
from policies.segments.missing import Missing, missing_by
from policies.segments.rule import RuleError
from policies.segments.text import write
from policies.words import Action

Rows = list[dict[str, Any]]
# The profile is asked for in any case; the event names it where something of it was shown.
_FIELDS = frozenset({"patient_id", "name", "records", *(field.value for field in Field if needs_consent(field))})


async def explain_patient(
    serving: Services, caller: Caller, clinic: str, segment: str, patient: str
) -> schemas.Explanation:
    """Why a patient is in a segment, or not, or is undecided.

    Raises:
        NotThere: no such segment or patient, or not the caller's.
        InvalidInput: it takes too long.
    """
    access = Access(Action.SEGMENT_EXPLAIN, Resource(clinic, segment), _FIELDS)
    async with serving.gateway.open(caller, access) as grant:
        rules = await repository.rules(grant)
        patient_id, as_of = as_id(patient), as_of_day(grant.clinic)
        expiring = await repository.expiring(grant, rules, patient_id, as_of)
        row = await repository.patient(grant, rules, patient_id)
        if row is None:
            raise NotThere("no such patient")
    # Ten years of days are looked at: not on the thread that serves everybody.
    try:
        found = await asyncio.to_thread(lambda: explain(rules.rule, patient_of(row, expiring), as_of, rules.segments))
    except RuleError:
        raise too_long() from None
    return explanation_of(segment, rules, row, as_of, found)


async def list_undecided(
    serving: Services, caller: Caller, clinic: str, segment: str, limit: int, cursor: str | None
) -> schemas.Undecided:
    """A page of the patients for whom a segment is undecided, and what all of them lack.

    Raises:
        NotThere: no such segment, or not the caller's; the cursor is none of this list.
        InvalidInput: it takes too long.
        Refused: the rule fails for somebody.
    """
    bound_to = ("undecided", clinic, segment, caller.principal.principal_id)
    async with serving.gateway.open(
        caller, Access(Action.SEGMENT_UNDECIDED, Resource(clinic, segment), _FIELDS)
    ) as grant:
        after = as_id(serving.cursors.open(cursor, *bound_to)) if cursor else None
        rules, as_of = await repository.rules(grant), as_of_day(grant.clinic)
        leaves = list({write(condition): condition for condition in rules.conditions}.values())
        rows = await repository.undecided(grant, rules, leaves, as_of, after, limit)
    # All patients count on each page: not on the thread that serves everybody.
    missing, patients = await asyncio.to_thread(_missing, _Lacking(rules, leaves), rows)
    following = serving.cursors.seal(str(rows[-1]["patient_id"]), *bound_to) if rows and rows[-1]["followed"] else None
    return schemas.Undecided(
        segment=segment,
        version=rules.version,
        as_of=as_of,
        total=sum(group["patients"] for group in _counted(rows)),
        missing=missing,
        patients=patients,
        next=following,
    )


def _counted(rows: Rows) -> Rows:
    return rows[0]["counted"] if rows else []


def _missing(lacking: "_Lacking", rows: Rows) -> tuple[list[schemas.MissingCount], list[schemas.UndecidedPatient]]:
    """What all undecided patients lack, and what each of a page does."""
    patients = [
        schemas.UndecidedPatient(
            patient_id=row["patient_id"],
            name=row["name"],
            missing=list(map(missing_as, lacking.of(row["verdicts"], shared=row["profile_shared"]))),
        )
        for row in rows
    ]
    return lacking.counts(_counted(rows)), patients


class _Lacking:
    """What patients lack, worked out once for equal verdicts."""

    def __init__(self, rules: Rules, leaves: list[Condition]) -> None:
        self._rules, self._texts = rules, list(map(write, leaves))
        self._known: dict[tuple[bool | None, ...], list[Missing]] = {}

    def of(self, verdicts: list[bool | None], *, shared: bool) -> list[Missing]:
        """What is missing for a patient with these verdicts: of the rule, and then of each leaf."""
        key = (shared, *verdicts)
        if key not in self._known:
            of_leaves = dict(zip(self._texts, verdicts[1:], strict=True))
            self._known[key] = missing_by(self._rules.rule, self._rules.segments, of_leaves, shared=shared)
        return self._known[key]

    def counts(self, groups: Iterable[dict[str, Any]]) -> list[schemas.MissingCount]:
        """How many patients of these groups lack what, most first."""
        tally: Counter[Missing] = Counter()
        for group in groups:
            for missing in self.of(group["verdicts"], shared=group["shared"]):
                tally[missing] += group["patients"]
        ordered = sorted(tally.items(), key=lambda item: (-item[1], item[0]))
        return [schemas.MissingCount(**missing_as(missing).model_dump(), patients=count) for missing, count in ordered]
