"""Where ciphertexts stand: every encrypted column of the database, and whose key opens it.

A rotation re-encrypts what is listed here and retires a key only when nothing here stands under it. A
test compares the list with the catalogue, so that a new column cannot be forgotten.
"""

from dataclasses import dataclass

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


# Under a person's data keys; the row is the person.
PROFILE = Encrypted("profile", "person_id", ("phone", "email", "address", "policy_number", "emergency_contacts"))
# Under a purpose's.
PURPOSES: dict[str, tuple[Encrypted, ...]] = {
    "quarantine": (Encrypted("quarantine", "quarantine_id", ("content",)),),
    "profile_history": (Encrypted("profile_history", "history_id", ("previous",)),),
    "issuer": (Encrypted("issuer_key", "key_id", ("private_jwk",)),),
    "totp": (
        Encrypted("principal", "principal_id", ("totp_secret",)),
        Encrypted("session", "session_id", ("totp_pending",)),
    ),
}


def key_of(column: sql.Composable) -> sql.Composed:
    """The data key id in a ciphertext, as 16 bytes; see `codec` for the layout."""
    return sql.SQL("substr({}, 2, 16)").format(column)
