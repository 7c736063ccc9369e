"""Links for forgotten passwords: the same statements keep and send one, and run alike without an account."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from psycopg import sql

from api.gateway import Work
from api.messages.port import Message, MessageKind
from api.messages.queueing import PURPOSE, queued_row
from api.sealing import purpose_keys
from infra.encryption.field_codec import FieldCodec

GOOD_FOR = timedelta(minutes=30)
# In an hour and in a day, whoever asks.
MOST_LINKS = 5
MOST_LINKS_A_DAY = 15
# As many accounts are tried at least, whether or not so many have the email: how long it takes tells nothing.
AT_LEAST = 4
# A statement of its own: of two that ask at once the second counts the first's only if it looks once it holds.
_HOLD = sql.SQL("select from operational.principal where person_id = %(person)s for no key update")
_SEND = sql.SQL("""
with account as (
    select p.principal_id from operational.principal as p
    where p.person_id = %(person)s and p.disabled_at is null
),
link as (
    insert into operational.password_link (token_hash, principal_id, expires_at)
    select %(hash)s, a.principal_id, statement_timestamp() + %(good_for)s
    from account as a
    cross join lateral (
        select
            count(*) filter (where l.created_at > statement_timestamp() - interval '1 hour') as of_hour,
            count(*) as of_day
        from operational.password_link as l
        where l.principal_id = a.principal_id and l.created_at > statement_timestamp() - interval '1 day'
    ) as sent
    where sent.of_hour < %(most)s and sent.of_day < %(most_a_day)s
    returning principal_id
)
insert into operational.message (message_id, kind, person_id, content)
select %(message)s, %(kind)s, %(person)s, %(content)s from link""")


async def send_links(work: Work, codec: FieldCodec, people: Sequence[UUID]) -> None:
    """Send each of the people a link that sets the password of their account, which the mail does not name."""
    (newest, *_) = await purpose_keys(work, codec, PURPOSE)
    for person in [*people, *[None] * (AT_LEAST - len(people))]:
        token = secrets.token_urlsafe(32)
        told = Message(MessageKind.PASSWORD_LINK, person or UUID(int=0), link=f"/password/{token}")
        row = queued_row(codec, newest, told)
        await work.serve(person)
        work.later(_HOLD, person=person)
        work.later(
            _SEND, person=person, hash=hashlib.sha256(token.encode()).digest(), good_for=GOOD_FOR, most=MOST_LINKS,
            most_a_day=MOST_LINKS_A_DAY,
            message=row["message_id"], kind=row["kind"], content=row["content"],
        )  # fmt: skip
