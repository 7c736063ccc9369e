"""What auditors look through: how much is accessed, who may, and what is unusual. Each review is an event."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from api.audit import review_repository as repository
from api.audit.review_schemas import By, Count, Counts, Finding, Findings, Reason, Right, Rights
from api.audit.schemas import Filters
from api.audit.service import only_clinic
from api.gateway import Access, Caller
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource
from policies.words import Action

# Beside a day's visits, of which a specialist rarely has more than 30: more patients than that within one hour.
BULK_PATIENTS = 50
# Night work of the German Working Time Act (ArbZG, section 2 (3)): 23:00 to 06:00, in the clinic's time.
NIGHT_FROM, NIGHT_UNTIL = 23, 6
# Seen before means in the year before.
LOOK_BACK = timedelta(days=365)
LONGEST = timedelta(days=31)
USUAL = timedelta(days=7)
COUNTED = timedelta(days=30)
SAYS = {
    Reason.SAME_NAME: "Actor and patient have the same family name.",
    Reason.BULK: f"{BULK_PATIENTS} or more patients within one hour.",
    Reason.NIGHT: f"Between {NIGHT_FROM}:00 and {NIGHT_UNTIL}:00 in the clinic's time.",
    Reason.FIRST_ACCESS: f"The actor saw this patient for the first time in {LOOK_BACK.days} days.",
}


async def count(serving: Services, caller: Caller, clinic: str | None, filters: Filters, by: By) -> Counts:
    """How many events there were, by day or by actor; of the last 30 days unless told otherwise.

    Raises:
        NotThere: not the caller's log, or no such clinic.
    """
    if filters.since is None:
        filters = filters.model_copy(update={"since": _earlier(filters.until or datetime.now(UTC), COUNTED)})
    async with serving.gateway.open(caller, _review(caller, clinic)) as grant:
        rows = await repository.counts(grant, filters, by)
    logins = await serving.logins({row["principal_id"] for row in rows if row.get("principal_id")})
    named = [row | {"principal": logins.get(row["principal_id"])} if by is By.ACTOR else row for row in rows]
    return Counts(counts=[Count(**row) for row in named])


async def rights(serving: Services, caller: Caller, clinic: str | None) -> Rights:
    """Who has access to patients today, and when they last used it.

    Raises:
        NotThere: not the caller's log, or no such clinic.
    """
    async with serving.gateway.open(caller, _review(caller, clinic)) as grant:
        held = await serving.rights(grant.clinic.clinic_id if grant.clinic else None)
        last = await repository.last_events(grant, [_held(row) for row in held])
    # Events are a system's, whichever of its keys was used.
    used = [row["key_used_at"] if row["key"] else last.get(_held(row)) for row in held]
    return Rights(rights=[Right(**row, last_event_at=at) for row, at in zip(held, used, strict=True)])


async def unusual(
    serving: Services,
    caller: Caller,
    clinic: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
) -> Findings:
    """Accesses of a clinic's staff that are worth a look: of the last week unless told otherwise, a page of them.

    Raises:
        NotThere: not the caller's log, or no such clinic; the cursor is none of this list.
        InvalidInput: no clinic is named, or a time longer than a month.
    """
    access, after = _review(caller, clinic), None
    bound_to = ("unusual", access.resource.clinic, caller.principal.principal_id)
    async with serving.gateway.open(caller, access) as grant:
        if cursor:
            since, until, after = _position(serving.cursors.open(cursor, *bound_to))
        until = until or datetime.now(UTC)
        since = since or _earlier(until, USUAL)
        if grant.clinic is None:
            raise InvalidInput("of which clinic", place="query.clinic", rule="missing")
        if not timedelta(0) < until - since <= LONGEST:
            raise InvalidInput(f"at most {LONGEST.days} days", place="query.since", rule="too_long")
        found = await repository.pairs(
            grant, clinic=grant.clinic.clinic_id, zone=grant.clinic.time_zone, since=since, until=until,
            look_back=LOOK_BACK, night_from=NIGHT_FROM, night_until=NIGHT_UNTIL, bulk=BULK_PATIENTS,
        )  # fmt: skip
    pairs = [row for row in found if row["kind"] == "pair"]
    async with serving.gateway.work(caller, access) as work:
        await work.record()
        namesakes = await repository.of_same_name(work, pairs)
    logins = await serving.logins({row["principal_id"] for row in found})
    findings = sorted(_findings(found, namesakes, logins), key=_place)
    page, more = _page(findings, after, limit)
    return Findings(
        findings=page,
        counted=Counter(finding.reason for finding in findings),
        next=serving.cursors.seal(_sealed(since, until, page[-1]), *bound_to) if more else None,
    )


def _earlier(time: datetime, by: timedelta) -> datetime:
    """A time in UTC so much earlier, or the calendar's first."""
    return time - min(by, time - datetime.min.replace(tzinfo=UTC))


def _findings(
    found: list[dict[str, Any]], namesakes: set[tuple[UUID, UUID]], logins: dict[UUID, str]
) -> Iterable[Finding]:
    for row in found:
        for reason, events in _reasons(row, namesakes):
            named = {"reason": reason, "says": SAYS[reason], "principal": logins.get(row["principal_id"])}
            yield Finding(**{**row, **named, "events": events})


# By reason, the latest first; no two findings have one place.
Place = tuple[int, float, str, str, str]


def _place(finding: Finding) -> Place:
    ids = str(finding.principal_id), str(finding.patient_id or "")
    return list(Reason).index(finding.reason), -finding.last_at.timestamp(), *ids, finding.first_at.isoformat()


def _page(findings: list[Finding], after: Place | None, limit: int) -> tuple[list[Finding], bool]:
    """Those behind a place, at most so many, and whether there are more."""
    rest = [finding for finding in findings if after is None or _place(finding) > after]
    return rest[:limit], len(rest) > limit


def _sealed(since: datetime, until: datetime, last: Finding) -> str:
    """The time that is looked through, and the place of a finding in it."""
    return " ".join([since.isoformat(), until.isoformat(), *(str(part) or "-" for part in _place(last))])


def _position(text: str) -> tuple[datetime, datetime, Place]:
    try:
        since, until, reason, at, principal, patient, first_at = text.split(" ")
        place = (int(reason), float(at), principal, "" if patient == "-" else patient, first_at)
        return datetime.fromisoformat(since), datetime.fromisoformat(until), place
    except ValueError:
        raise NotThere("no cursor of this list") from None


def _reasons(row: dict[str, Any], namesakes: set[tuple[UUID, UUID]]) -> Iterable[tuple[Reason, int]]:
    """Why a pair, or an hour, is worth a look, and how many of its events are."""
    if row["kind"] == "hour":
        yield Reason.BULK, row["events"]
        return
    if (row["principal_id"], row["patient_id"]) in namesakes:
        yield Reason.SAME_NAME, row["events"]
    if row["at_night"]:
        yield Reason.NIGHT, row["at_night"]
    if row["is_first"]:
        yield Reason.FIRST_ACCESS, row["events"]


def _review(caller: Caller, clinic: str | None) -> Access:
    return Access(Action.AUDIT_REVIEW, Resource(clinic or only_clinic(caller)))


def _held(row: dict[str, Any]) -> tuple[UUID, str, int | None]:
    return row["principal_id"], row["role"], row["clinic_id"]
