"""Where ciphertexts stand: every encrypted column of the database, and whose key opens it.

A rotation re-encrypts what is listed here and retires a key only when nothing here stands under it. A
test compares the list with the catalogue, so that a new column cannot be forgotten.
"""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql


@dataclass(frozen=True)
class Encrypted:
    """Ciphertext columns of one table; `row` is the key column whose text names the place."""

    table: str
    row: str
    columns: tuple[str, ...]

    @property
    def place(self) -> str:
        """The table's name in places."""
        return f"operational.{self.table}"

    @property
    def relation(self) -> sql.Identifier:
        """The table in statements."""
        return sql.Identifier("operational", self.table)


@dataclass(frozen=True)
class Indexed:
    """A blind index: the column that it is made of, and, as SQL over the table as `p`, of which rows."""

    field: str
    of: Encrypted
    column: str
    where: LiteralString = "true"


# Under a person's data keys; the row is the person.
PROFILE = Encrypted("profile", "person_id", ("phone", "email", "address", "policy_number", "emergency_contacts"))
ACCOUNT_CONTACT = Encrypted("account_contact", "person_id", ("phone", "email"))
PEOPLE = (PROFILE, ACCOUNT_CONTACT)
# An account signs in by what it verified alone, and does not share with an older one. All who share an email are found
# to be sent a link by it.
INDEXES = (
    Indexed("phone", PROFILE, "phone"),
    Indexed("email", PROFILE, "email"),
    Indexed("account_phone", ACCOUNT_CONTACT, "phone", "p.phone_verified_at is not null and not p.phone_shared"),
    Indexed("account_email", ACCOUNT_CONTACT, "email", "p.email_verified_at is not null and not p.email_shared"),
    Indexed("shared_account_email", ACCOUNT_CONTACT, "email", "p.email_verified_at is not null and p.email_shared"),
)
# Of a guardian by law: where the code goes.
LEGAL_GUARDIAN = Encrypted("guardian_invitation", "invitation_id", ("contact",))
# Under a purpose's.
PURPOSES: dict[str, tuple[Encrypted, ...]] = {
    "quarantine": (Encrypted("quarantine", "quarantine_id", ("content",)),),
    "message": (
        Encrypted("message", "message_id", ("content", "address")),
        Encrypted("demo_mail", "message_id", ("content",)),
        Encrypted("campaign", "campaign_id", ("content",)),
    ),
    "profile_history": (Encrypted("profile_history", "history_id", ("previous",)),),
    "issuer": (Encrypted("issuer_key", "key_id", ("private_jwk",)),),
    "totp": (
        Encrypted("principal", "principal_id", ("totp_secret",)),
        Encrypted("session", "session_id", ("totp_pending",)),
    ),
    "verification": (Encrypted("verification", "verification_id", ("contact",)), LEGAL_GUARDIAN),
    "forms": (Encrypted("form_sealed", "form_id", ("content",)),),
    "brought": (Encrypted("brought_record", "brought_id", ("content",)),),
    "webhook": (Encrypted("webhook_endpoint", "endpoint_id", ("secret", "previous_secret")),),
}


def key_of(column: sql.Composable) -> sql.Composed:
    """The data key id in a ciphertext, as 16 bytes; see `codec` for the layout."""
    return sql.SQL("substr({}, 2, 16)").format(column)
