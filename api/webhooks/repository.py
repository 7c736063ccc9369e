"""Webhooks as managers see and change them: of their own clinic, by row-level security and by every statement."""

from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import Grant, Work
from api.idempotency import ALONE
from api.sealing import purpose_keys
from api.webhooks.queue import PURPOSE, TABLE
from infra.encryption.codec import Place
from infra.encryption.field_codec import FieldCodec
from infra.errors import NotThere, Refused

MOST_WEBHOOKS = 20
_WEBHOOKS = sql.SQL("""
select
    e.endpoint_id as webhook_id, e.url, e.segments, e.kinds, e.created_at, e.disabled_at, e.disabled_by,
    e.failing_since, e.version,
    case when e.previous_until > statement_timestamp() then e.previous_until end as previous_until,
    (select count(*) from operational.webhook_delivery as d
     where d.endpoint_id = e.endpoint_id and d.state = 'pending') as waiting,
    (select count(*) from operational.webhook_delivery as d
     where d.endpoint_id = e.endpoint_id and d.state = 'dead' and d.kind <> 'test') as dead
from operational.webhook_endpoint as e
where
    e.clinic_id = %(event__clinic_id)s and e.deleted_at is null
    and (%(all)s or e.endpoint_id = %(webhook)s::uuid)""")
# The row of the webhook stands beside each delivery, so that one that is not there is known from one without any.
_DELIVERIES = sql.SQL("""
select e.endpoint_id as webhook_id, d.*
from operational.webhook_endpoint as e
left join lateral (
    select
        d.delivery_id, d.position, d.kind, d.state, d.attempts, d.created_at, d.first_tried_at,
        case when d.state = 'pending' then d.next_try_at end as next_try_at, d.ended_at, d.answered, d.failure
    from operational.webhook_delivery as d
    where
        d.endpoint_id = e.endpoint_id and (%(before)s::bigint is null or d.position < %(before)s::bigint)
        and (%(state)s::text is null or d.state = %(state)s)
    order by d.position desc
    limit %(limit)s
) as d on true
where e.clinic_id = %(event__clinic_id)s and e.endpoint_id = %(webhook)s::uuid and e.deleted_at is null""")
_FEED = sql.SQL("""
select
    c.run,
    (select count(*) from segment where segment_id = any(%(segments)s::uuid[]) and archived_at is null) as known
from segment_clock as c""")
_COUNT = sql.SQL("""
select count(*) as webhooks from operational.webhook_endpoint
where clinic_id = operational.context_clinic() and deleted_at is null""")
_ADD = sql.SQL("""
insert into operational.webhook_endpoint
    (clinic_id, endpoint_id, url, segments, kinds, secret, followed_run, followed_segment, followed_patient, created_by)
values (operational.context_clinic(), %(webhook)s, %(url)s, %(segments)s, %(kinds)s, %(secret)s, %(run)s,
    'ffffffff-ffff-ffff-ffff-ffffffffffff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', %(by)s)""")
_HOLD = sql.SQL("""
select endpoint_id, url, segments, kinds, secret, version, disabled_at
from operational.webhook_endpoint
where clinic_id = operational.context_clinic() and endpoint_id = %(webhook)s::uuid and deleted_at is null
for no key update""")
_CHANGE = sql.SQL("""
update operational.webhook_endpoint
set url = %(url)s, segments = %(segments)s, kinds = %(kinds)s, version = version + 1
where endpoint_id = %(webhook)s""")
# What waits or is dead and is not asked for any more.
_NARROW = sql.SQL("""
update operational.webhook_delivery
set state = 'void', ended_at = coalesce(ended_at, statement_timestamp()),
    run = null, segment_id = null, patient_id = null
where
    endpoint_id = %(webhook)s and state in ('pending', 'dead') and kind <> 'test'
    and not (coalesce(segment_id = any(%(segments)s::uuid[]), true) and kind = any(%(kinds)s::text[]))""")
_DELETE = sql.SQL("""
update operational.webhook_endpoint
set deleted_at = statement_timestamp(), deleted_by = %(by)s, version = version + 1
where endpoint_id = %(webhook)s""")
_DROP = sql.SQL("""
update operational.webhook_delivery
set state = 'void', ended_at = coalesce(ended_at, statement_timestamp()),
    run = null, segment_id = null, patient_id = null
where endpoint_id = %(webhook)s and state in ('pending', 'dead')""")
_DISABLE = sql.SQL("""
update operational.webhook_endpoint
set disabled_at = statement_timestamp(), disabled_by = 'manager', version = version + 1
where endpoint_id = %(webhook)s and disabled_at is null""")
_ENABLE = sql.SQL("""
update operational.webhook_endpoint
set disabled_at = null, disabled_by = null, failing_since = null, version = version + 1
where endpoint_id = %(webhook)s and disabled_at is not null""")
_AFRESH = sql.SQL("""
update operational.webhook_delivery
set attempts = 0, first_tried_at = null, next_try_at = statement_timestamp()
where endpoint_id = %(webhook)s and state = 'pending'""")
_ROTATE = sql.SQL("""
update operational.webhook_endpoint
set secret = %(secret)s, previous_secret = %(previous)s,
    previous_until = statement_timestamp() + interval '24 hours', version = version + 1
where endpoint_id = %(webhook)s""")
_TEST = sql.SQL("""
insert into operational.webhook_delivery (clinic_id, endpoint_id, delivery_id, kind)
values (operational.context_clinic(), %(webhook)s, %(delivery)s, 'test')
on conflict (endpoint_id) where kind = 'test' and state = 'pending' do nothing
returning delivery_id""")
_REDELIVER = sql.SQL("""
update operational.webhook_delivery
set state = 'pending', ended_at = null, attempts = 0, first_tried_at = null, next_try_at = statement_timestamp(),
    position = default
where endpoint_id = %(webhook)s and delivery_id = %(delivery)s::uuid and state = 'dead' and kind <> 'test'
returning delivery_id""")


async def webhooks(grant: Grant, webhook: UUID | None = None, *, every: bool = False) -> list[dict[str, Any]]:
    """The webhook of that id, or every one of the clinic, the oldest first."""
    values = {"webhook": webhook, "all": every}
    return await grant.read(_WEBHOOKS, sql.SQL("created_at, webhook_id"), **values)


async def deliveries(
    grant: Grant, webhook: UUID | None, state: str | None, before: int | None, limit: int
) -> list[dict[str, Any]] | None:
    """Up to `limit` deliveries of a webhook, the newest first; None if there is no such webhook."""
    values = {"webhook": webhook, "state": state, "before": before, "limit": limit}
    rows = await grant.read(_DELIVERIES, sql.SQL("position desc"), **values)
    return [row for row in rows if row["delivery_id"] is not None] if rows else None


async def feed_of(work: Work, segments: list[UUID]) -> tuple[int, int]:
    """The last run of the clinic's feed, and how many of these segments the clinic has. As the clinic's reader."""
    (row,) = await work.run(_FEED, segments=segments)
    return row["run"], row["known"]


async def count(work: Work) -> int:
    """How many webhooks the clinic has; until the work ends nobody else adds one."""
    await work.run(ALONE, key=f"webhooks of {work.clinic_id}")
    found: int = (await work.run(_COUNT))[0]["webhooks"]
    return found


async def add(
    work: Work, codec: FieldCodec, url: str, segments: list[UUID] | None, kinds: list[str], run: int, secret: str
) -> UUID:
    """Add a webhook that follows the clinic's feed from behind a run."""
    webhook = uuid4()
    key = (await purpose_keys(work, codec, PURPOSE))[0]
    sealed = codec.seal(key, Place(TABLE, "secret", str(webhook)), secret.encode())
    values: dict[str, Any] = {"url": url, "segments": segments, "kinds": kinds, "run": run, "secret": sealed}
    await work.run(_ADD, webhook=webhook, by=work.caller.principal.principal_id, **values)
    return webhook


async def held(work: Work, webhook: UUID | None) -> dict[str, Any]:
    """A webhook of the clinic, which nobody else changes until the work ends.

    Raises:
        NotThere: there is none of that id.
    """
    rows = await work.run(_HOLD, webhook=webhook)
    if not rows:
        raise NotThere("no such webhook")
    return rows[0]


async def change(work: Work, webhook: UUID, url: str, segments: list[UUID] | None, kinds: list[str]) -> None:
    """Have it lead there and tell of these alone: what waits of others is dropped."""
    await work.run(_CHANGE, webhook=webhook, url=url, segments=segments, kinds=kinds)
    await work.run(_NARROW, webhook=webhook, segments=segments, kinds=kinds)


async def delete(work: Work, webhook: UUID) -> None:
    """Mark it as deleted, and drop what waits."""
    await work.run(_DELETE, webhook=webhook, by=work.caller.principal.principal_id)
    await work.run(_DROP, webhook=webhook)


async def disable(work: Work, webhook: UUID) -> None:
    """Switch it off."""
    await work.run(_DISABLE, webhook=webhook)


async def enable(work: Work, webhook: UUID) -> None:
    """Switch it on, with a day of its own for what waits."""
    await work.run(_ENABLE, webhook=webhook)
    await work.run(_AFRESH, webhook=webhook)


async def rotate(work: Work, codec: FieldCodec, before: dict[str, Any], secret: str) -> None:
    """Give a held webhook a new secret beside the one that it has."""
    keys = await purpose_keys(work, codec, PURPOSE)
    row = str(before["endpoint_id"])
    old = codec.open(keys, Place(TABLE, "secret", row), before["secret"])
    previous = codec.seal(keys[0], Place(TABLE, "previous_secret", row), old)
    fresh = codec.seal(keys[0], Place(TABLE, "secret", row), secret.encode())
    await work.run(_ROTATE, webhook=before["endpoint_id"], secret=fresh, previous=previous)


async def add_test(work: Work, webhook: UUID) -> UUID:
    """Have a test sent.

    Raises:
        Refused: one waits already.
    """
    rows = await work.run(_TEST, webhook=webhook, delivery=uuid4())
    if not rows:
        raise Refused("a test waits already", place="path.webhook", rule="test_waits")
    delivery: UUID = rows[0]["delivery_id"]
    return delivery


async def redeliver(work: Work, webhook: UUID, delivery: UUID | None) -> UUID:
    """Have a dead delivery sent again.

    Raises:
        NotThere: there is none of that id that is dead.
    """
    rows = await work.run(_REDELIVER, webhook=webhook, delivery=delivery)
    if not rows:
        raise NotThere("no such delivery")
    found: UUID = rows[0]["delivery_id"]
    return found
