"""A principal: an identity, how it signed in, and its roles."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from api.database import Connection
from policies.access.model import KeyScope, Resource, Subject, roles
from policies.words import PERSONAL_ROLES, PLATFORM_ROLES, SECOND_FACTOR_ROLES, Role

# From when on tokens of a `principal` are good once all before have ended. They tell whole seconds: those of this very
# second are bad as well, and so are those of the next one, if that is when they were good from until now.
NEXT_SECOND = """
    greatest(date_trunc('second', statement_timestamp()), principal.tokens_valid_from) + interval '1 second'"""
# The organisation of whoever asks in a role of the platform; no clinic can be called so.
PLATFORM_ORGANISATION = "the platform"

_ROLES = """
(
    select coalesce(jsonb_agg(jsonb_build_array(r.role, c.slug)), '[]')
    from operational.principal_role as r
    left join operational.clinic as c on c.clinic_id = r.clinic_id
    where r.principal_id = p.principal_id and r.revoked_at is null
) as roles"""
COLUMNS = (
    f"p.principal_id, p.kind, p.login, p.display_name, p.person_id, p.totp_secret is not null as enrolled,"
    f" p.tokens_valid_from, {_ROLES}"
)


@dataclass(frozen=True)
class Acting:
    """An admin who acts as the principal, and the impersonation that lets them."""

    impersonation_id: UUID
    actor_id: UUID


@dataclass(frozen=True)
class Principal:
    """Who asks. `session_id` names the session, token or key it came with."""

    principal_id: UUID
    kind: str
    login: str
    display_name: str
    roles: frozenset[tuple[Role, str | None]]
    session_id: str
    key: KeyScope | None = None
    # Whose own records these are, for patients and guardians.
    person_id: UUID | None = None
    # Whether a code is set up; whether one was given is the session's to know.
    enrolled: bool = False
    # Who asks in truth, where the principal is impersonated.
    acting: Acting | None = None
    # From when on its tokens were good when it asked: another time once its password or codes are others.
    since: datetime | None = None

    @classmethod
    def of(cls, row: dict[str, Any], session_id: str) -> "Principal":
        """The principal of a row with `COLUMNS`."""
        held = roles(tuple(pair) for pair in row["roles"])
        return cls(
            row["principal_id"],
            row["kind"],
            row["login"],
            row["display_name"],
            held,
            session_id,
            person_id=row["person_id"],
            enrolled=row["enrolled"],
            since=row["tokens_valid_from"],
        )

    def with_key(self, key: KeyScope) -> "Principal":
        """The same principal, limited to what a key reaches."""
        return replace(self, roles=frozenset(), key=key)

    @property
    def needs_code(self) -> bool:
        """Whether a password alone does not do: by role, as it is now, or because codes are set up."""
        return self.enrolled or any(role in SECOND_FACTOR_ROLES for role, _ in self.roles)

    @property
    def subject(self) -> Subject:
        """The principal as the policies see it."""
        person = None if self.person_id is None else str(self.person_id)
        return Subject(str(self.principal_id), self.roles, self.key, person, self.acting is not None)

    @property
    def actor_id(self) -> UUID:
        """Whoever asks in truth: the admin who acts as the principal, or else the principal."""
        return self.acting.actor_id if self.acting else self.principal_id

    def role_for(self, resource: Resource) -> str:
        """The role that an event names: the one held at that clinic, or else the widest one; of an actor their own."""
        return self._held_for(resource)[0]

    def organisation_for(self, resource: Resource) -> str | None:
        """For whom they ask in that role: a clinic, the platform, or nobody but themselves."""
        role, clinic = self._held_for(resource)
        return PLATFORM_ORGANISATION if role in PLATFORM_ROLES else clinic

    def _held_for(self, resource: Resource) -> tuple[str, str | None]:
        if self.acting is not None:
            return Role.PLATFORM_ADMIN.value, None
        if self.key is not None:
            return Role.AUTOMATION_SYSTEM.value, self.key.clinic
        near = {resource.clinic: 0, None: 1}
        held = sorted((near.get(clinic, 2), role.value, clinic) for role, clinic in self.roles)
        return held[0][1:] if held else ("none", None)


# Who asks without having signed in.
NOBODY = Principal(UUID(int=0), "unknown", "", "", frozenset(), "")


async def by_id(
    connection: Connection, principal_id: UUID, session_id: str, issued_at: int | None = None
) -> Principal | None:
    """The principal with that id, unless disabled; None for a token that was issued before its account was reset."""
    found = await connection.execute(
        f"select {COLUMNS} from operational.principal as p"  # nosec B608 # a constant
        " where p.principal_id = %(principal)s and p.disabled_at is null"
        " and (%(issued_at)s::bigint is null or p.tokens_valid_from is null"
        " or p.tokens_valid_from <= to_timestamp(%(issued_at)s::bigint))",
        {"principal": principal_id, "issued_at": issued_at},
    )
    row = await found.fetchone()
    return Principal.of(row, session_id) if row else None


async def human(connection: Connection, principal_id: UUID | None) -> Principal | None:
    """The human with that id, disabled or not: to be decided about."""
    query = f"select {COLUMNS} from operational.principal as p where p.principal_id = %s and p.kind = 'human'"  # nosec B608 # constants
    row = await (await connection.execute(query, [principal_id])).fetchone()
    return Principal.of(row, "") if row else None


async def by_login(connection: Connection, login: str) -> Principal | None:
    """The human with that login, unless disabled."""
    found = await connection.execute(
        f"select {COLUMNS} from operational.principal as p"  # nosec B608 # a constant
        " where p.login = %s and p.kind = 'human' and p.disabled_at is null",
        [login],
    )
    row = await found.fetchone()
    return Principal.of(row, "") if row else None


async def logins(connection: Connection, ids: list[UUID]) -> dict[UUID, str]:
    """Logins by principal id."""
    found = await connection.execute(
        "select principal_id, login from operational.principal where principal_id = any(%s)", [ids]
    )
    return {row["principal_id"]: row["login"] for row in await found.fetchall()}


# Patients and guardians reach nobody's data but their family's; a key reaches what its own line says.
_RIGHTS = """
select
    p.principal_id, p.login as principal, p.kind, r.role, r.clinic_id, c.slug as clinic, r.granted_at as since,
    k.prefix as key, coalesce(k.fields, '{}') as scope, k.purpose, k.expires_at,
    k.last_used_at as key_used_at
from operational.principal_role as r
inner join operational.principal as p on p.principal_id = r.principal_id
left join operational.clinic as c on c.clinic_id = r.clinic_id
left join operational.api_key as k
    on k.principal_id = p.principal_id and k.clinic_id = r.clinic_id and r.role = 'automation_system'
    and k.revoked_at is null and k.expires_at > statement_timestamp()
where
    r.revoked_at is null and p.disabled_at is null and r.role <> all(%(personal)s)
    and (%(clinic)s::integer is null or r.clinic_id = %(clinic)s)
    and (r.role <> 'automation_system' or k.key_id is not null)
order by c.slug nulls first, r.role, p.login, k.prefix"""


async def rights(connection: Connection, clinic_id: int | None) -> list[dict[str, Any]]:
    """Who holds which role, at one clinic or anywhere, with live keys; people's own rights to their data apart."""
    personal = sorted(PERSONAL_ROLES)
    return await (await connection.execute(_RIGHTS, {"clinic": clinic_id, "personal": personal})).fetchall()
