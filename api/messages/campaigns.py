"""What the messenger knows of campaigns: each message is taken once, for somebody who may be written to right now.

It is marked as under way before it is sent. Whoever finds that mark of another sender, which was killed in
between, does not know whether it left, and sends nothing: a patient gets a campaign at most once.
"""

import hashlib
import json
import secrets
from typing import Any

from api.database import Connection
from api.messages.addresses import MESSAGE_KEYS, Queued, told_for
from api.messages.reach import REACH_OF, REACHED, Reach
from infra.encryption.codec import Place
from infra.encryption.data_keys import stored_keys
from infra.encryption.field_codec import FieldCodec

TABLE = "operational.campaign"
UNDER_WAY = "uncertain"
# The link of a message, by which somebody says that they want no more; of the token its digest alone is kept.
REFUSAL_PATH = "unsubscribe"

_TAKE = f"""
with patient as ({REACH_OF})
update operational.message as m set failure = %(under_way)s, refusal_digest = %(digest)s
from operational.campaign as c, patient as p, ({MESSAGE_KEYS}) as k
where
    case when m.copied_from is null then p.reach = any(%(reached)s::text[])
        else p.reach = '{Reach.GUARDIAN}' and {told_for("p.person_id", "m.person_id")} end
    and m.message_id = %(message)s and m.state = 'pending' and m.failure is distinct from %(under_way)s
    and c.clinic_id = m.clinic_id and c.campaign_id = m.about_id and c.stopped_at is null
returning c.content, k.*"""  # nosec B608 # constants
_WHY_NOT = f"""
select p.reach, c.stopped_at is not null as stopped, m.failure is not distinct from %(under_way)s as under_way
from operational.message as m
inner join operational.campaign as c on c.clinic_id = m.clinic_id and c.campaign_id = m.about_id
left join ({REACH_OF}) as p on true
where m.message_id = %(message)s"""  # nosec B608 # constants


class Withheld(Exception):
    """A message that is not sent: the state in which it ends, and why."""

    def __init__(self, state: str, word: str | None = None) -> None:
        super().__init__(state)
        self.state = state
        self.word = word


async def take(connection: Connection, codec: FieldCodec, found: Queued) -> dict[str, Any]:
    """What a campaign's message says, for the one sender who may send it now.

    Raises:
        Withheld: the patient may not be written to any more, the campaign is stopped, or it may have been sent.
    """
    row, token = found.row, secrets.token_urlsafe(24)
    asked = {"clinic": row["clinic_id"], "patients": [row["patient_id"]]}
    asked |= {"message": found.message_id, "under_way": UNDER_WAY}
    mark = {"digest": digest_of(token), "reached": list(REACHED)}
    taken = await (await connection.execute(_TAKE, {**asked, **mark})).fetchone()
    if taken is None:
        raise await _why_not(connection, asked)
    sealed = codec.open(stored_keys(taken), Place(TABLE, "content", str(row["about_id"])), taken["content"])
    return content_of(json.loads(sealed), f"{REFUSAL_PATH}/{token}")


async def _why_not(connection: Connection, asked: dict[str, Any]) -> Withheld:
    row = await (await connection.execute(_WHY_NOT, asked)).fetchone()
    if row is None or row["stopped"]:
        return Withheld("stopped")
    if row["reach"] not in REACHED:
        return Withheld("withheld", row["reach"])
    # Else it is a copy for who is no guardian any more.
    return Withheld("dead", UNDER_WAY) if row["under_way"] else Withheld("withheld", Reach.NO_CONTACT)


def content_of(said: dict[str, str], link: str) -> dict[str, Any]:
    """A campaign's subject and text as a message has its content."""
    return {**said, "link": link, "code": None, "calendar": None}


def digest_of(token: str) -> bytes:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode()).digest()
