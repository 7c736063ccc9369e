"""A request for access, in this project's words."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from policies.classification import categories
from policies.words import Action, Purpose, Role


@dataclass(frozen=True)
class KeyScope:
    """What one API key reaches: one clinic, some or all segments, some fields, one purpose."""

    clinic: str
    fields: frozenset[str]
    purpose: Purpose
    segments: frozenset[str] | None = None


@dataclass(frozen=True)
class Subject:
    """Who asks: a human with roles (`clinic` is None for a platform role), or a key with its scope."""

    id: str
    roles: frozenset[tuple[Role, str | None]] = frozenset()
    key: KeyScope | None = None

    def clinics(self, role: Role) -> list[str]:
        """Slugs of the clinics where the subject has this role, sorted."""
        return sorted(clinic for held, clinic in self.roles if held is role and clinic is not None)

    def has(self, role: Role) -> bool:
        """Whether the subject has this role anywhere."""
        return any(held is role for held, _ in self.roles)


@dataclass(frozen=True)
class Resource:
    """What is asked for: the platform (no clinic), a clinic, or a segment of a clinic."""

    clinic: str | None = None
    segment: str | None = None

    @property
    def type(self) -> str:
        """The resource's type, as the audit log names it."""
        if self.segment is not None:
            return "segment"
        return "platform" if self.clinic is None else "clinic"


PLATFORM = Resource()


@dataclass(frozen=True)
class Request:
    """One question to the policies."""

    subject: Subject
    action: Action
    resource: Resource
    purpose: Purpose
    fields: frozenset[str] = field(default_factory=frozenset)

    @property
    def categories(self) -> list[str]:
        """Categories of the fields asked for, sorted."""
        return categories(self.fields)


def roles(pairs: Iterable[tuple[str, str | None]]) -> frozenset[tuple[Role, str | None]]:
    """Roles from their stored names.

    Raises:
        ValueError: a name that is no role.
    """
    return frozenset((Role(name), clinic) for name, clinic in pairs)
