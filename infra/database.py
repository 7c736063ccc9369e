"""Connections: one login a service, and the role switches that put a wall behind each of them."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import conninfo, sql

from infra.errors import DatabaseUnavailable, Misconfigured
from infra.private_file import read_private, write_once
from infra.roles import ClinicKind, Login, RoleNames, clinic_schema
from infra.settings import Settings, settings

EMBEDDED_DATABASE = "cloister"


@dataclass(frozen=True)
class Server:
    """Where the database is and as whom its administrator connects, as libpq parameters."""

    admin: dict[str, str]
    roles: RoleNames
    secrets_folder: Path

    @classmethod
    def of(cls, chosen: Settings) -> "Server":
        """The server that the settings name.

        Raises:
            Misconfigured: `DATABASE_URL` cannot be read.
        """
        if chosen.database_url:
            try:
                admin = {k: str(v) for k, v in conninfo.conninfo_to_dict(chosen.database_url).items() if v}
            except psycopg.Error:
                raise Misconfigured("DATABASE_URL is no PostgreSQL connection string") from None
        else:
            # Late: only an embedded instance needs the server's binaries.
            from infra.postgres.embedded import socket_folder

            admin = {"host": str(socket_folder(chosen.home)), "dbname": EMBEDDED_DATABASE, "user": "postgres"}
        return cls(admin, RoleNames(chosen.role_prefix), chosen.home / "secrets")

    def parameters(self, login: Login) -> dict[str, Any]:
        """Libpq parameters for one login; its password lies in the secrets folder."""
        return {
            **self.admin,
            "user": self.roles.of(login),
            "password": self.password(login),
            "application_name": f"cloister-{login.value}",
            "options": "-c timezone=UTC -c datestyle=ISO",
        }

    def password(self, login: Login) -> str:
        """The password of a login, made at first use.

        Raises:
            Misconfigured: the file can be read by others.
        """
        return read_secret(self.secrets_folder / self.roles.of(login))


def read_secret(path: Path) -> str:
    """Read a secret from its file, making file and secret if there are none yet.

    Raises:
        Misconfigured: other users can read the file.
    """
    if not path.exists():
        write_once(path, secrets.token_urlsafe(32))
    return read_private(path).strip()


def server() -> Server:
    """The server of this process's settings."""
    return Server.of(settings())


def connect(login: Login, *, at: Server | None = None, autocommit: bool = False) -> psycopg.Connection:
    """Connect as one login.

    Raises:
        DatabaseUnavailable: no server answers, or it does not know the login.
    """
    place = at or server()
    try:
        return psycopg.connect(**place.parameters(login), autocommit=autocommit)
    except psycopg.OperationalError as error:
        raise unavailable(error) from None


def connect_admin(at: Server | None = None, *, dbname: str | None = None) -> psycopg.Connection:
    """Connect as the administrator, for set-up only: the embedded superuser or `DATABASE_URL`'s role."""
    place = at or server()
    parameters: dict[str, Any] = {**place.admin, "dbname": dbname or place.admin.get("dbname", "postgres")}
    try:
        return psycopg.connect(**parameters, autocommit=True)
    except psycopg.OperationalError as error:
        raise unavailable(error) from None


def unavailable(error: psycopg.OperationalError) -> DatabaseUnavailable:
    """Say in one line why no connection came about."""
    text = str(error)
    if "password authentication" in text or "does not exist" in text:
        return DatabaseUnavailable("the database is not set up for this instance", hint="run `cloister migrate`")
    return DatabaseUnavailable("the database does not answer", hint="run `cloister up`")


def become_clinic(connection: psycopg.Connection, roles: RoleNames, slug: str, kind: ClinicKind) -> None:
    """Switch the running transaction to a clinic's role and schema; its end switches back."""
    connection.execute(sql.SQL("set local role {}").format(sql.Identifier(roles.clinic(slug, kind))))
    connection.execute(sql.SQL("set local search_path = {}, pg_temp").format(sql.Identifier(clinic_schema(slug))))


@contextmanager
def clinic_transaction(
    connection: psycopg.Connection, roles: RoleNames, slug: str, kind: ClinicKind
) -> Iterator[psycopg.Connection]:
    """A transaction under a clinic's own role, in its own schema."""
    with connection.transaction():
        become_clinic(connection, roles, slug, kind)
        yield connection


def lock_clinic(connection: psycopg.Connection, slug: str) -> None:
    """Take the clinic's one writer's lock until the transaction ends."""
    connection.execute("select operational.lock_clinic(%s)", [slug])


def set_context(connection: psycopg.Connection, *, clinic_id: int | None = None, person_id: UUID | None = None) -> None:
    """Tell row-level security for which clinic or person this transaction works."""
    connection.execute(
        "select set_config('cloister.clinic_id', %s, true), set_config('cloister.person_id', %s, true)",
        ["" if clinic_id is None else str(clinic_id), "" if person_id is None else str(person_id)],
    )


def set_clinics(connection: psycopg.Connection, clinic_ids: Iterable[int]) -> None:
    """Tell row-level security which clinics an import's transaction may touch."""
    listed = ",".join(str(clinic_id) for clinic_id in sorted(clinic_ids))
    connection.execute("select set_config('cloister.clinic_ids', %s, true)", [listed])
