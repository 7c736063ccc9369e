"""Takes what a profile told of a patient out of a clinic's mart, and writes the receipts of what began and ended.

It belongs into the transaction that copied these patients' rows and evaluated their segments again, so that the mart
never stands half-way: stays in segments that depend on profiles go to the audit zone, the feed keeps one `forget`, and
the make-up of segments is counted anew. Who still is a member, by clinical records alone, begins a new stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import structlog
from psycopg.types.json import Jsonb

from infra.audit_tree.receipt_key import receipt_signer
from infra.errors import Misconfigured
from infra.event_ids import event_id
from infra.log import where
from orchestration.ingest.sources import PATIENT_ROWS, Asset
from orchestration.live.report import refresh_report
from policies.audit.note import Signer
from policies.classification import ASSET_CATEGORIES
from policies.consent_receipt import Outcome, Place, PropagationKind, Receipt
from policies.segments.reconcile import Program
from policies.words import ProcessAction, Purpose

# What a signature brings the profile to; the make-up of segments follows with the next build.
_BROUGHT_TO = (Place.READS, Place.MART, Place.FLIP_DAYS, Place.MEMBERS)
log = structlog.get_logger()


@dataclass(frozen=True)
class _Open:
    """A propagation that is not done yet."""

    propagation_id: UUID
    patient_id: UUID
    consent_event_id: UUID
    kind: PropagationKind
    since: datetime


def withdraw(
    connection: psycopg.Connection,
    clinic: str,
    program: Program,
    patients: Sequence[UUID],
    at: datetime,
    *,
    secrets: Path,
) -> int:
    """Finish what is open for these patients, at the instant `at` of the run; how much of it is open no more.

    The transaction is the clinic's builder's and holds the clinic's lock; these patients' rows were copied in it and
    their segments evaluated by the program. Patients for whom nothing is open cost one look; one whose row the mart
    does not have as it is now is left for later. The key of receipts lies in the folder of secrets; while their keyring
    is missing, only they wait.
    """
    waiting, marked = _waiting(connection, clinic, patients)
    if marked and connection.execute(_RAN_OUT, [list(marked)]).rowcount:
        waiting, marked = _waiting(connection, clinic, patients)
    if not waiting and not marked:
        return 0
    shared, instant = _settled(connection, clinic, [*{*marked, *(each.patient_id for each in waiting)}])
    ready = [each for each in waiting if each.patient_id in shared]
    leaving = {each.patient_id for each in ready if each.kind is not PropagationKind.SIGNED} | (marked & shared.keys())
    instants = dict.fromkeys((Place.MART, Place.FLIP_DAYS, Place.MEMBERS), instant)
    if leaving:
        instants |= _take_out(connection, clinic, program, list(leaving), at)
    gone = len(marked & leaving)
    if not ready:
        return gone
    try:
        signer = receipt_signer(connection, secrets)
    except Misconfigured as error:
        log.error("receipts wait to be signed", clinic=clinic, **where(error))
        return gone
    receipts = [_receipt(clinic, each, shared[each.patient_id], instants) for each in ready]
    _issue(connection, signer, ready, receipts)
    _record(connection, clinic, [each.patient_id for each in ready])
    return gone + len(ready)


def holds_too_much(connection: psycopg.Connection, clinic: str, patient: UUID) -> bool:
    """Whether the mart has a profile that is shared no more, or has not left everything of one yet.

    The transaction is the clinic's builder's and holds the clinic's lock.
    """
    shared, held, marked = _rows(connection, clinic, _HOLDS, patients=[patient])[0]
    return marked or (held and not shared)


def _waiting(connection: psycopg.Connection, clinic: str, patients: Sequence[UUID]) -> tuple[list[_Open], set[UUID]]:
    """What is open for the patients, and who of them has left the mart without all that the profile told."""
    rows = _rows(connection, clinic, _WAITING, patients=list(patients))
    found = [_Open(row[0], row[1], row[2], PropagationKind(row[3]), row[4]) for row in rows if row[0]]
    return found, {row[1] for row in rows if row[0] is None}


def _settled(connection: psycopg.Connection, clinic: str, patients: list[UUID]) -> tuple[dict[UUID, bool], datetime]:
    """Of whom the mart has the row as it is now: whether it is shared. And when that was seen."""
    rows = _rows(connection, clinic, _SETTLED, patients=patients)
    return {patient: shared for patient, shared, held, _ in rows if shared == held}, rows[0][3]


def _take_out(
    connection: psycopg.Connection, clinic: str, program: Program, patients: list[UUID], at: datetime
) -> dict[Place, datetime]:
    """Take out what the profile told of these patients; when each place was clean."""
    rows = _rows(connection, clinic, _STAYS, patients=patients, at=at, evaluated=Jsonb(program.segments))
    taken = _instant(connection)
    refresh_report(connection, clinic, [segment for (segment,) in rows])
    connection.execute("delete from withdrawal where patient_id = any(%s)", [patients])
    return {
        **dict.fromkeys((Place.MEMBERS, Place.FEED, Place.DAILY_COUNTS), taken),
        Place.REPORTS: _instant(connection),
    }


def _rows(connection: psycopg.Connection, clinic: str, text: str, **values: Any) -> list[tuple[Any, ...]]:
    # The clinic stands in the text: equal texts would share one plan, made anew whenever `search_path` changes.
    return connection.execute(f"/* {clinic} */ {text}", values, prepare=True).fetchall()


def _instant(connection: psycopg.Connection) -> datetime:
    row = connection.execute("select clock_timestamp()").fetchone()
    if row is None:
        raise AssertionError("a clock has a time")
    instant: datetime = row[0]
    return instant


def _receipt(clinic: str, each: _Open, shared: bool, instants: dict[Place, datetime]) -> Receipt:
    signed = each.kind is PropagationKind.SIGNED
    places = {place: max(each.since, instants.get(place, each.since)) for place in (_BROUGHT_TO if signed else Place)}
    return Receipt(
        clinic=clinic,
        patient_id=each.patient_id,
        consent_event_id=each.consent_event_id,
        kind=each.kind,
        outcome=Outcome.DONE if shared is signed else Outcome.SUPERSEDED,
        issued_at=max(places.values()),
        places=places,
    )


def _issue(connection: psycopg.Connection, signer: Signer, ready: list[_Open], receipts: list[Receipt]) -> None:
    """Sign the receipts, keep them, and note that these propagations are done."""
    connection.execute(_SIGNER, [str(signer.verifier)])
    rows = [
        [each.propagation_id, each.patient_id, each.consent_event_id, each.kind.value, receipt.issued_at,
         receipt.signed(signer)]
        for each, receipt in zip(ready, receipts, strict=True)
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(_RECEIPT, rows)
    connection.execute(_DONE, [[each.propagation_id for each in ready]])


def _record(connection: psycopg.Connection, clinic: str, patients: list[UUID]) -> None:
    """The event of it, which names the patients as a run of the pipeline does."""
    distinct = list(dict.fromkeys(patients))
    values = {
        "event": event_id(),
        "clinic": clinic,
        "action": ProcessAction.CONSENT_PROPAGATE.value,
        "purpose": Purpose.OPERATIONS.value,
        "categories": ASSET_CATEGORIES[Asset.PATIENTS],
        "batch": uuid4(),
        "count": len(distinct),
        "patients": distinct,
        "asset": Asset.PATIENTS.value,
    }
    connection.execute(_EVENT, values)


_WAITING = """
select propagation_id, patient_id, consent_event_id, kind, since
from operational.consent_propagation
where done_at is null and patient_id = any(%(patients)s)
union all
select null, patient_id, null, null, since from withdrawal where patient_id = any(%(patients)s)
order by since
"""
# Nobody writes that a signature has run out. Where its end was moved into the past, reads go by it since then.
_RAN_OUT = """
insert into operational.consent_propagation (clinic_id, patient_id, consent_event_id, kind, since)
select g.clinic_id, g.patient_id, c.event_id, 'expired', greatest(c.expires_at, l.changed_at)
from operational.registration as g
inner join operational.consent as c
    on c.clinic_id = g.clinic_id and c.person_id = g.person_id and c.purpose = 'profile_sharing'
left join operational.sharing_limit as l
    on l.clinic_id = g.clinic_id and l.patient_id = g.patient_id and l.source = 'consent'
where g.patient_id = any(%s) and c.state = 'signed' and c.expires_at <= statement_timestamp()
on conflict do nothing
"""
_SETTLED = f"""
select chosen.patient_id, coalesce(live.profile_shared, false), coalesce(held.profile_shared, false), clock_timestamp()
from unnest(%(patients)s::uuid[]) as chosen (patient_id)
left join (select * from ({PATIENT_ROWS}) as patient where patient_id = any(%(patients)s)) as live using (patient_id)
left join raw_patients as held using (patient_id)
"""  # nosec B608 # constants
_HOLDS = f"""
select live.shared, live.held, exists (select from withdrawal where patient_id = any(%(patients)s))
from ({_SETTLED}) as live (patient_id, shared, held, at)
"""  # nosec B608 # constants
# Present stays are found through the few segments, so that their index serves each patient; in one that is broken, and
# was not evaluated, nobody goes on. Two runs: a position in the feed holds one change of a patient, and who goes on
# being a member is forgotten first.
_STAYS = """
with stay as materialized (
    select stay.*
    from segment
    inner join segment_stay as stay on stay.segment_id = segment.segment_id
    where stay.left_at is null and stay.patient_id = any(%(patients)s)
    union all
    select * from segment_stay where left_at is not null and patient_id = any(%(patients)s)
),
told as (
    select stay.*, left_at is null and segment_id not in (select segment_id from segment_broken) as goes_on
    from (select *, bool_or(profile_dependent) over (partition by segment_id, patient_id) as forgets from stay) as stay
    -- Whoever is told to forget somebody forgets a present stay too, though that one told nothing: it begins anew.
    where profile_dependent or (forgets and left_at is null)
),
this as (
    update segment_clock set run = run + 2, at = greatest(at, %(at)s)
    where exists (select from told)
    returning run - 1 as run, at
),
kept as (
    insert into audit.withdrawn_stay (clinic_id, segment_id, patient_id, entered_at, entered_run, entered_by, version,
        fires_in, left_at, left_run, left_by, left_version, fires_out, withdrawn_at)
    select (select operational.role_clinic()), segment_id, patient_id, entered_at, entered_run, entered_by, version,
        fires_in, left_at, left_run, left_by, left_version, fires_out, this.at
    from told cross join this
),
gone as (
    delete from segment_member as held
    using told
    where not told.goes_on and held.segment_id = told.segment_id
        and held.entered_run = told.entered_run and held.patient_id = told.patient_id
),
again as (
    update segment_member as held
    set entered_at = this.at, entered_run = this.run + 1, entered_by = 'consent', fires_in = false,
        version = coalesce(evaluated.version, told.version)
    from told
    cross join this
    left join jsonb_to_recordset(%(evaluated)s) as evaluated (segment_id uuid, version integer)
        on evaluated.segment_id = told.segment_id
    where told.goes_on and held.segment_id = told.segment_id
        and held.entered_run = told.entered_run and held.patient_id = told.patient_id
),
forgotten as (
    insert into segment_forget (segment_id, patient_id, run, at, version)
    select told.segment_id, told.patient_id, this.run, this.at, max(coalesce(told.left_version, told.version))
    from told cross join this
    group by told.segment_id, told.patient_id, this.run, this.at
    on conflict (segment_id, patient_id) do update
        set run = excluded.run, at = excluded.at, version = excluded.version
)
select distinct segment_id from stay
"""
_SIGNER = """
insert into audit.receipt_signer (verifier, since)
values (%s, statement_timestamp())
on conflict do nothing
"""
_RECEIPT = """
insert into audit.consent_receipt
    (propagation_id, clinic_id, patient_id, consent_event_id, kind, issued_at, note)
values (%s, (select operational.role_clinic()), %s, %s, %s, %s, %s)
"""
_DONE = "update operational.consent_propagation set done_at = clock_timestamp() where propagation_id = any(%s)"
_EVENT = """
with event as (
    insert into audit.access_event (event_id, occurred_at, principal_kind, role, organisation, action, resource_type,
        clinic_id, purpose, decision, policies, categories, batch_id, patients)
    values (%(event)s, now(), 'process', 'pipeline', %(clinic)s, %(action)s, 'consent',
        (select operational.role_clinic()), %(purpose)s, 'permit', '{}', %(categories)s, %(batch)s, %(count)s)
)
insert into audit.batch_patient (event_id, occurred_at, clinic_id, patient_id, asset)
select %(event)s, now(), (select operational.role_clinic()), patient_id, %(asset)s
from unnest(%(patients)s::uuid[]) as chosen (patient_id)
"""
