"""What an operator does for an account on this machine: identities elsewhere, and codes. Each is an event."""

from uuid import UUID

import psycopg

from api.accounts import note
from api.identity import second_factor
from api.identity.passwords import END_SESSIONS
from api.identity.principals import NEXT_SECOND
from api.identity.sealed import Sealed, codec_of
from api.identity.second_factor import Secret
from infra.database import Server, connect
from infra.errors import InvalidInput, Refused
from infra.roles import Login
from infra.settings import settings
from policies.text import fault_of_text
from policies.words import AccountAction

# What takes codes away: of sessions and tokens none is left that began with one.
CODES_AWAY = (
    f"""
update operational.principal set totp_secret = null, totp_failures = 0, totp_locked_until = null,
    tokens_valid_from = {NEXT_SECOND}
where principal_id = %(principal)s""",  # nosec B608 # a constant
    """
update operational.recovery_code set replaced_at = statement_timestamp()
where principal_id = %(principal)s and replaced_at is null""",
    END_SESSIONS,
)


def link(at: Server, login: str, subject: str, issuer: str | None = None) -> None:
    """Let tokens of an issuer's subject stand for an account.

    Raises:
        InvalidInput: no such login, no issuer, or a subject that is none.
        Refused: the subject is linked with another account.
    """
    issuer = _issuer(issuer)
    if not subject or fault_of_text(subject):
        raise InvalidInput("no subject", place="subject")
    with connect(Login.SERVICE, at=at) as connection:
        principal_id = _principal(connection, login)
        row = connection.execute(
            "insert into operational.external_identity as e (issuer, subject, principal_id) values (%s, %s, %s)"
            " on conflict (issuer, subject) do update"
            " set unlinked_at = null, principal_id = excluded.principal_id, linked_at = statement_timestamp()"
            " where e.unlinked_at is not null or e.principal_id = excluded.principal_id returning 1",
            [issuer, subject, principal_id],
        ).fetchone()
        if row is None:
            raise Refused("the subject is linked with another account", hint="`cloister user unlink` first")
        note(connection, AccountAction.IDENTITY_LINK, "principal", str(principal_id), None)


def unlink(at: Server, subject: str, issuer: str | None = None) -> None:
    """Let tokens of an issuer's subject stand for nobody.

    Raises:
        InvalidInput: the subject is not linked.
    """
    with connect(Login.SERVICE, at=at) as connection:
        row = connection.execute(
            "update operational.external_identity set unlinked_at = statement_timestamp()"
            " where issuer = %s and subject = %s and unlinked_at is null returning principal_id",
            [_issuer(issuer), subject],
        ).fetchone()
        if row is None:
            raise InvalidInput("that subject is not linked", place="subject")
        note(connection, AccountAction.IDENTITY_UNLINK, "principal", str(row[0]), None)


def reset_codes(at: Server, login: str) -> None:
    """Take an account's codes away, say of a lost phone; it sets up new ones at its next sign-in.

    Raises:
        InvalidInput: no such login.
    """
    with connect(Login.SERVICE, at=at) as connection:
        principal_id = _principal(connection, login)
        for statement in CODES_AWAY:
            connection.execute(statement, {"principal": principal_id})
        note(connection, AccountAction.SECOND_FACTOR_RESET, "principal", str(principal_id), None)


def enrol(at: Server, login: str, secret: Secret) -> None:
    """Set up codes for an account of a demo, whose secret is no secret.

    Raises:
        InvalidInput: no such login.
    """
    with connect(Login.SERVICE, at=at) as connection:
        sealed = Sealed.opened(connection, codec_of(at), second_factor.PURPOSE)
        principal_id = _principal(connection, login)
        connection.execute(
            "update operational.principal set totp_secret = %s, totp_last_step = null where principal_id = %s",
            [second_factor.seal(sealed, principal_id, secret), principal_id],
        )
        note(connection, AccountAction.SECOND_FACTOR_ENROL, "principal", str(principal_id), None)


def _principal(connection: psycopg.Connection, login: str) -> UUID:
    row = connection.execute(
        "select principal_id from operational.principal where login = %s and kind = 'human'", [login]
    ).fetchone()
    if row is None:
        raise InvalidInput("there is no such login", place="login", hint="`cloister user add`")
    found: UUID = row[0]
    return found


def _issuer(issuer: str | None) -> str:
    chosen = issuer or settings().oidc_issuer
    if not chosen:
        raise InvalidInput("say whose subject it is", place="issuer", hint="--issuer, or set CLOISTER_OIDC_ISSUER")
    return chosen
