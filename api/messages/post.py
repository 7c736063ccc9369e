"""The messenger's set-up, and what operators ask about the queue."""

from api.database import make_pool
from api.identity.sealed import codec_of
from api.messages.mail import Sender
from api.messages.sender import Post
from api.messages.transports import Transport
from infra.audit import record_process
from infra.database import Server, connect
from infra.roles import Login
from infra.settings import Settings
from policies.words import ProcessAction

CONNECTIONS = 4


def open_post(at: Server, chosen: Settings, transport: Transport | None) -> Post:
    """The messenger of an instance, its connections not open yet.

    Raises:
        Misconfigured: the key provider cannot be used as it is set.
    """
    pool = make_pool(at, timeout_ms=chosen.statement_timeout_ms, size=CONNECTIONS, login=Login.MESSENGER)
    return Post(pool, codec_of(at), transport, Sender(chosen.mail_from, chosen.issuer))


def survey(at: Server) -> list[tuple[str, str, str | None, int]]:
    """State, kind, failure and number of messages."""
    with connect(Login.MESSENGER, at=at) as connection:
        return connection.execute(
            "select state, kind, failure, count(*) from operational.message group by 1, 2, 3 order by 1, 2, 3"
        ).fetchall()


def revive(at: Server) -> int:
    """Have dead messages tried again, from the start; how many."""
    with connect(Login.MESSENGER, at=at) as connection:
        done = connection.execute(
            "update operational.message set state = 'pending', attempts = 0, next_try_at = statement_timestamp()"
            " where state = 'dead' and (content is not null or kind = 'consent_request')"
        ).rowcount
        record_process(connection, role="operator", action=ProcessAction.MESSAGE_RETRY, resource_type="message")
    return done
