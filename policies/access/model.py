"""A request for access, in this project's words."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from policies.classification import categories
from policies.words import Action, Category, ConsentPurpose, Purpose, Role


@dataclass(frozen=True)
class KeyScope:
    """What one API key reaches: one clinic, some or all segments, some fields, one purpose."""

    clinic: str
    fields: frozenset[str]
    purpose: Purpose
    segments: frozenset[str] | None = None


@dataclass(frozen=True)
class Subject:
    """Who asks: a human with roles (`clinic` is None for a role at no clinic), or a key with its scope.

    `person` is the human that an account of a patient or guardian belongs to; `impersonated` says that
    an admin acts as them.
    """

    id: str
    roles: frozenset[tuple[Role, str | None]] = frozenset()
    key: KeyScope | None = None
    person: str | None = None
    impersonated: bool = False

    def clinics(self, role: Role) -> list[str]:
        """Slugs of the clinics where the subject has this role, sorted."""
        return sorted(clinic for held, clinic in self.roles if held is role and clinic is not None)

    def has(self, role: Role) -> bool:
        """Whether the subject has this role anywhere."""
        return any(held is role for held, _ in self.roles)


@dataclass(frozen=True)
class Resource:
    """What is asked for: the platform (nothing else given), a clinic, a segment or patient of it, a person, an account.

    Which patient is none of the policies' business, and no answer to them could hang on it: they judge by
    the clinic and the facts of the request. Nor is it which dependent: the person is then `DEPENDENT`.
    """

    clinic: str | None = None
    segment: str | None = None
    patient: bool = False
    person: str | None = None
    account: Subject | None = None

    @property
    def type(self) -> str:
        """The resource's type, as the audit log names it."""
        if self.account is not None:
            return "account"
        if self.person is not None:
            return "person"
        if self.segment is not None:
            return "segment"
        if self.patient:
            return "patient"
        return "platform" if self.clinic is None else "clinic"


PLATFORM = Resource()
DEPENDENT = "dependent"


@dataclass(frozen=True)
class Facts:
    """What the database alone knows of the one asked for; the read finds it out and decides by it.

    treated: by appointments or plans of the clinic, a patient of the specialist who asks; a brief's by its appointment.
    consents: what the patient signed for the clinic, and what stands now.
    guarded: a guardianship of the person who asks stands today.
    confidential: hidden from guardians.
    """

    treated: bool = False
    consents: frozenset[ConsentPurpose] = frozenset()
    guarded: bool = False
    confidential: bool = False


@dataclass(frozen=True)
class Terms:
    """How an impersonation would be: for how many minutes, with which reason and ticket; empty where there is none."""

    minutes: int = 0
    reason: str = ""
    ticket: str = ""


NO_TERMS = Terms()


@dataclass(frozen=True)
class Request:
    """One question to the policies."""

    subject: Subject
    action: Action
    resource: Resource
    purpose: Purpose
    fields: frozenset[str] = field(default_factory=frozenset)
    facts: Facts = Facts()
    terms: Terms = NO_TERMS

    @property
    def categories(self) -> list[str]:
        """Categories of the fields asked for, and whether it is confidential, sorted."""
        found = categories(self.fields)
        return sorted([*found, Category.CONFIDENTIAL.value]) if self.facts.confidential else found


def roles(pairs: Iterable[tuple[str, str | None]]) -> frozenset[tuple[Role, str | None]]:
    """Roles from their stored names.

    Raises:
        ValueError: a name that is no role.
    """
    return frozenset((Role(name), clinic) for name, clinic in pairs)
