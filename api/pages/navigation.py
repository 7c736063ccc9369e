"""Where each role's pages begin: what the head of every page offers, and where somebody lands."""

from dataclasses import dataclass

from api.pages.texts import N_
from policies.words import CLINIC_ROLES, PERSONAL_ROLES, Role


@dataclass(frozen=True)
class Area:
    """A part of the pages, and who has it."""

    key: str
    title: str
    path: str
    roles: frozenset[Role]


# In the order of the head; whoever has several roles lands in the first of theirs.
AREAS = (
    Area("agenda", N_("Agenda"), "/agenda", frozenset({Role.SPECIALIST})),
    Area(
        "clinics",
        N_("Clinics"),
        "/clinics",
        frozenset({*CLINIC_ROLES, Role.PLATFORM_ADMIN} - {Role.CLINIC_AUDITOR}),
    ),
    Area("audit", N_("Access log"), "/audit", frozenset({Role.CLINIC_AUDITOR, Role.PLATFORM_AUDITOR})),
    Area("me", N_("My pages"), "/me", frozenset(PERSONAL_ROLES)),
    Area("health", N_("Health"), "/admin", frozenset({Role.PLATFORM_ADMIN})),
    Area("accounts", N_("Accounts"), "/accounts", frozenset({Role.PLATFORM_ADMIN})),
    Area("impersonations", N_("Impersonations"), "/impersonations", frozenset({Role.PLATFORM_ADMIN})),
    Area("mailbox", N_("Mailbox"), "/mailbox", frozenset({Role.PLATFORM_ADMIN})),
)


def offered(roles: frozenset[Role], mailbox_here: bool) -> list[Area]:
    """The areas of somebody with these roles; the mailbox is a demo's."""
    return [area for area in AREAS if area.roles & roles and (mailbox_here or area.key != "mailbox")]
