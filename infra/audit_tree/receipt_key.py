"""The key that receipts of consents are signed with, and verifying a receipt that lies in a file."""

from collections.abc import Sequence
from pathlib import Path

import psycopg

from infra.audit_tree.keys import RECEIPTS_FILE, AuditKeys
from infra.audit_tree.verify_file import keys_in, text_of
from infra.errors import Refused
from policies.audit.note import BadNote, Signer
from policies.consent_receipt import STREAM, Receipt


def receipt_signer(connection: psycopg.Connection, folder: Path) -> Signer:
    """The key to sign with; where there has been none yet, one is made. The transaction is a clinic's builder's.

    Raises:
        Misconfigured: receipts have been signed before, and the keyring is missing, or others can read it.
    """
    known = (folder / RECEIPTS_FILE).exists()
    if known or connection.execute("select 1 from audit.receipt_signer limit 1").fetchone():
        return AuditKeys.load(folder, RECEIPTS_FILE).signers(STREAM)[0]
    return AuditKeys.create(folder, RECEIPTS_FILE).signers(STREAM)[0]


def public_keys(folder: Path) -> list[str]:
    """The public keys that receipts were ever signed with, newest first.

    Raises:
        Misconfigured: there is no keyring, or none that is private.
    """
    return [str(key) for key in AuditKeys.load(folder, RECEIPTS_FILE).verifiers(STREAM)]


def verify_receipt(path: Path, keys: Sequence[str]) -> Receipt:
    """The receipt in a file, signed by one of the keys: each in C2SP's form, or a file of such, one a line.

    It needs neither a database nor settings.

    Raises:
        Refused: changed, signed by another key, or no receipt; says which.
        InvalidInput: a key that is none.
        CloisterError: a file cannot be read.
    """
    note = text_of(path)
    known = keys_in(keys)
    try:
        return Receipt.open(note, known)
    except BadNote as error:
        raise Refused(str(error), place=path.name, rule="receipt_not_verified") from None
