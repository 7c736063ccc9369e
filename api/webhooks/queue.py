"""Endpoints and deliveries as the courier works through them. None of its rows says what is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from api.database import Connection
from api.webhooks.feed import Change
from api.webhooks.transport import Answer
from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS, stored_keys
from infra.encryption.field_codec import FieldCodec

PURPOSE = "webhook"
TABLE = "operational.webhook_endpoint"
TRIED_FOR = timedelta(hours=24)
GIVEN_UP_AFTER = timedelta(days=5)
# What is sent next: a test first, since whoever asks for one waits for it.
_HEAD = """
select d.* from operational.webhook_delivery as d
where d.endpoint_id = e.endpoint_id and d.state = 'pending' and (e.disabled_at is null or d.kind = 'test')
order by (d.kind = 'test') desc, d.position limit 1"""
_DUE = f"""
select e.endpoint_id, c.slug
from operational.webhook_endpoint as e
inner join operational.clinic as c on c.clinic_id = e.clinic_id and c.archived_at is null
left join lateral ({_HEAD}) as d on true
where
    e.deleted_at is null
    and case when d.delivery_id is not null then d.next_try_at <= statement_timestamp()
        else e.disabled_at is null and (%(everywhere)s or c.slug = any(%(clinics)s::text[])) end
order by e.endpoint_id"""  # nosec B608 # a constant
_NEXT = f"""
select
    e.*, e.previous_until > statement_timestamp() as signs_too, c.slug,
    d.delivery_id, d.kind, d.run, d.segment_id, d.patient_id, d.attempts,
    d.next_try_at <= statement_timestamp() as due, k.*
from operational.webhook_endpoint as e
inner join operational.clinic as c on c.clinic_id = e.clinic_id and c.archived_at is null
cross join lateral (
    select {KEY_ARRAYS} from operational.data_key where purpose = '{PURPOSE}' and retired_at is null
) as k
left join lateral ({_HEAD}) as d on true
where e.endpoint_id = %s and e.deleted_at is null"""  # nosec B608 # constants
_ADD = """
insert into operational.webhook_delivery (clinic_id, endpoint_id, delivery_id, kind, run, segment_id, patient_id)
select %(clinic)s, %(endpoint)s, d.*
from unnest(
    %(ids)s::uuid[], %(kinds)s::text[], %(runs)s::bigint[], %(segments)s::uuid[], %(patients)s::uuid[]
) as d"""
# Not of what a manager has changed meanwhile.
_FOLLOWED = """
update operational.webhook_endpoint
set followed_run = %(run)s, followed_segment = %(segment)s, followed_patient = %(patient)s
where
    endpoint_id = %(endpoint)s and segments is not distinct from %(chosen)s::uuid[] and kinds = %(told)s::text[]
    and deleted_at is null"""
_TRYING = """
update operational.webhook_delivery
set attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, statement_timestamp())
where delivery_id = %s and state = 'pending'"""
_DELIVERED = """
update operational.webhook_delivery
set state = 'delivered', ended_at = statement_timestamp(), answered = %s, failure = null,
    run = null, segment_id = null, patient_id = null
where delivery_id = %s and state = 'pending'"""
_VOID = """
update operational.webhook_delivery
set state = 'void', ended_at = coalesce(ended_at, statement_timestamp()),
    run = null, segment_id = null, patient_id = null
where delivery_id = any(%s::uuid[]) and state in ('pending', 'dead')"""
# The last try is at the very end of the time; a test has one alone.
_FAILED = """
update operational.webhook_delivery as d
set answered = %(answered)s, failure = %(failure)s,
    state = case when x.over then 'dead' else 'pending' end,
    ended_at = case when x.over then statement_timestamp() end,
    next_try_at = least(statement_timestamp() + %(wait)s, d.first_tried_at + %(tried_for)s)
from (
    select delivery_id, kind = 'test' or statement_timestamp() >= first_tried_at + %(tried_for)s as over
    from operational.webhook_delivery where delivery_id = %(delivery)s and state = 'pending'
) as x
where d.delivery_id = x.delivery_id
returning x.over"""
_TAKES = """
update operational.webhook_endpoint set failing_since = null
where endpoint_id = %s and failing_since is not null"""
_FAILING = """
update operational.webhook_endpoint
set failing_since = coalesce(failing_since, statement_timestamp())
where endpoint_id = %(endpoint)s
returning failing_since <= statement_timestamp() - %(given_up_after)s as given_up"""
_DISABLE = """
update operational.webhook_endpoint set disabled_at = statement_timestamp(), disabled_by = %s
where endpoint_id = %s and disabled_at is null"""
_END_OVERLAP = """
update operational.webhook_endpoint set previous_secret = null, previous_until = null
where endpoint_id = %s and previous_until <= statement_timestamp()"""
_KEPT = """
select d.delivery_id, d.run, d.segment_id, d.patient_id, d.kind
from operational.webhook_delivery as d
inner join operational.clinic as c on c.clinic_id = d.clinic_id and c.slug = %s
where d.patient_id is not null"""
_KEEPING = """
select distinct c.slug
from operational.clinic as c
inner join operational.webhook_delivery as d on d.clinic_id = c.clinic_id and d.patient_id is not null
where c.slug = any(%(clinics)s::text[]) or %(everywhere)s"""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as the courier finds it, with its secrets in clear, the newest first."""

    clinic_id: int
    clinic: str
    endpoint_id: UUID
    url: str
    segments: list[UUID] | None
    kinds: list[str]
    enabled: bool
    followed: Change
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """One delivery that waits; a test has no change to tell of."""

    delivery_id: UUID
    change: Change | None
    attempts: int
    due: bool


async def due(connection: Connection, clinics: Sequence[str], *, everywhere: bool) -> list[tuple[UUID, str]]:
    """Endpoints whose next delivery is due, and those of these clinics, or of all, which may have one to come; each
    with its clinic.
    """
    rows = await connection.execute(_DUE, {"clinics": list(clinics), "everywhere": everywhere})
    return [(row["endpoint_id"], row["slug"]) for row in await rows.fetchall()]


async def next_of(connection: Connection, codec: FieldCodec, endpoint: UUID) -> tuple[Endpoint, Delivery | None] | None:
    """An endpoint with what it is sent next, if anything waits; None if there is none of that id any more."""
    row = await (await connection.execute(_NEXT, [endpoint])).fetchone()
    if row is None:
        return None
    return _endpoint(row, codec), _delivery(row)


async def add(connection: Connection, endpoint: Endpoint, found: Sequence[Change], reached: Change) -> bool:
    """Have these changes delivered, and follow the feed on from there, unless the endpoint asks for others by now."""
    at = {"run": reached.run, "segment": reached.segment_id, "patient": reached.patient_id}
    at |= {"endpoint": endpoint.endpoint_id, "chosen": endpoint.segments, "told": endpoint.kinds}
    if (await connection.execute(_FOLLOWED, at)).rowcount == 0:
        return False
    values = {"ids": [uuid4() for _ in found], "kinds": [change.kind for change in found]}
    values |= {"runs": [change.run for change in found], "segments": [change.segment_id for change in found]}
    values |= {"patients": [change.patient_id for change in found]}
    if found:
        await connection.execute(_ADD, {"clinic": endpoint.clinic_id, "endpoint": endpoint.endpoint_id, **values})
    return True


async def trying(connection: Connection, delivery: UUID) -> None:
    """Count an attempt that is about to be made."""
    await connection.execute(_TRYING, [delivery])


async def delivered(connection: Connection, endpoint: UUID, delivery: Delivery, answer: Answer) -> None:
    """Mark a delivery as taken: whom it was about is the log's to know."""
    # The endpoint first, as a manager's change does.
    if delivery.change is not None:
        await connection.execute(_TAKES, [endpoint])
    await connection.execute(_END_OVERLAP, [endpoint])
    await connection.execute(_DELIVERED, [answer.status, delivery.delivery_id])


async def failed(connection: Connection, endpoint: UUID, delivery: Delivery, answer: Answer, wait: timedelta) -> bool:
    """Have a delivery tried again, or let it be dead; whether with that one the endpoint has failed for too long."""
    values = {"answered": answer.status, "failure": answer.failure, "wait": wait, "tried_for": TRIED_FOR}
    given_up_after = {"endpoint": endpoint, "given_up_after": GIVEN_UP_AFTER}
    failing = None
    if delivery.change is not None:
        failing = await (await connection.execute(_FAILING, given_up_after)).fetchone()
    tried = await (await connection.execute(_FAILED, {"delivery": delivery.delivery_id, **values})).fetchone()
    return bool(tried and tried["over"] and failing and failing["given_up"])


async def disable(connection: Connection, endpoint: UUID, because: str) -> bool:
    """Send nothing more there; whether that was news."""
    return (await connection.execute(_DISABLE, [because, endpoint])).rowcount > 0


async def void(connection: Connection, deliveries: Sequence[UUID]) -> None:
    """Drop deliveries that are not to be told any more."""
    if deliveries:
        await connection.execute(_VOID, [list(deliveries)])


async def keeping(connection: Connection, clinics: Sequence[str], *, everywhere: bool) -> list[str]:
    """Those of these clinics, or of all, with deliveries that are not told yet."""
    rows = await connection.execute(_KEEPING, {"clinics": list(clinics), "everywhere": everywhere})
    return [row["slug"] for row in await rows.fetchall()]


async def kept(connection: Connection, clinic: str) -> dict[UUID, Change]:
    """Changes that deliveries of a clinic still name: what waits, and what is dead."""
    rows = await (await connection.execute(_KEPT, [clinic])).fetchall()
    return {row["delivery_id"]: _change(row) for row in rows}


def _endpoint(row: dict[str, Any], codec: FieldCodec) -> Endpoint:
    keys = stored_keys(row)

    def opened(column: str) -> str:
        return codec.open(keys, Place(TABLE, column, str(row["endpoint_id"])), row[column]).decode()

    signing = ("secret", "previous_secret") if row["signs_too"] else ("secret",)
    followed = Change(row["followed_run"], row["followed_segment"], row["followed_patient"])
    return Endpoint(
        row["clinic_id"], row["slug"], row["endpoint_id"], row["url"], row["segments"], row["kinds"],
        row["disabled_at"] is None, followed, tuple(opened(name) for name in signing),
    )  # fmt: skip


def _delivery(row: dict[str, Any]) -> Delivery | None:
    if row["delivery_id"] is None:
        return None
    return Delivery(row["delivery_id"], _change(row) if row["kind"] != "test" else None, row["attempts"], row["due"])


def _change(row: dict[str, Any]) -> Change:
    return Change(row["run"], row["segment_id"], row["patient_id"], row["kind"])
