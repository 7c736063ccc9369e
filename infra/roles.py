"""Names of database roles and schemas: one place that makes them, always from checked parts."""

import re
from dataclasses import dataclass
from enum import StrEnum

from infra.errors import InvalidInput

SLUG = re.compile(r"[a-z0-9_]{1,40}")

# Unit tests of dbt models need relations somewhere: tables of the clinic series, without rows.
STRUCTURE_SCHEMA = "structure"


class Login(StrEnum):
    """Logins with a password of their own, one a service."""

    PROVISIONER = "provisioner"
    SERVICE = "service"
    PIPELINE = "pipeline"
    IMPORTER = "importer"
    ROTATOR = "rotator"
    MESSENGER = "messenger"
    SEALER = "sealer"
    COURIER = "courier"


class Group(StrEnum):
    """Roles without a login: owners, groups and what a login may switch to."""

    OWNER = "owner"
    BUILDERS = "builders"
    READERS = "readers"
    TELLERS = "tellers"
    AUDITOR = "auditor"
    VIEWER = "viewer"
    FAMILY = "family"


class ClinicKind(StrEnum):
    """The roles of each clinic."""

    BUILDER = "builder"
    READER = "reader"
    TELLER = "teller"  # of what webhooks are told, and nothing else


def check_slug(slug: str) -> str:
    """Return the slug of a clinic if it is one.

    Raises:
        InvalidInput: not 1 to 40 of `[a-z0-9_]`.
    """
    if not SLUG.fullmatch(slug):
        raise InvalidInput(f"'{slug[:60]}' is no clinic slug", place="slug", hint="use 1 to 40 of a-z, 0-9 and _")
    return slug


def clinic_schema(slug: str) -> str:
    """Schema of a clinic's mart."""
    return f"clinic_{check_slug(slug)}"


@dataclass(frozen=True)
class RoleNames:
    """The role names of one instance. The longest fits PostgreSQL's 63 bytes: 6 + 8 + 40 + 8 = 62."""

    prefix: str

    def of(self, role: Login | Group) -> str:
        """Name of a platform role."""
        return f"{self.prefix}_{role.value}"

    def clinic(self, slug: str, kind: ClinicKind) -> str:
        """Name of a clinic's role."""
        return f"{self.prefix}_clinic_{check_slug(slug)}_{kind.value}"

    def platform(self) -> dict[str, str]:
        """Every platform role by its short name, for the migrations."""
        return {role.value: self.of(role) for role in (*Login, *Group)}
