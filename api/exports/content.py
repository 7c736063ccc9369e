"""A statement's row as what builders of documents and pages take: contacts and answers opened, days as texts."""

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from api.forms.repository import TABLE
from api.profiles.columns import shown
from infra.encryption.codec import Place
from infra.encryption.data_keys import StoredKey
from infra.encryption.field_codec import FieldCodec
from policies.classification import ProfileField
from policies.fhir.carried import Carried

Row = Mapping[str, Any]
# Where a typed answer stands, by the type of its question; what is none of these is a text.
_COLUMNS = {"number": "number", "scale": "number", "choice": "choice", "multi_choice": "choice", "date": "day"}


def carried_of(row: Row, fields: Sequence[ProfileField], codec: FieldCodec, author: str | None) -> Carried:
    """What a person carries away; a guardian those emergency contacts that they entered.

    Raises:
        Undecryptable: a contact or answer was altered, moved, or sealed with another key.
    """
    profile = shown(dict(row), fields, codec, author=author)
    born = profile.get(ProfileField.BIRTH_DATE.value)
    day = born.isoformat() if born else None
    keys = _keys(row["form_keys"])
    return Carried(
        clinic=row["clinic_name"],
        zone=ZoneInfo(row["time_zone"]),
        at=row["at"],
        profile={**profile, "birth_date": day, "birth_date_estimated": bool(row["estimated"] and day)},
        guardians=row["guardians"],
        appointments=row["appointments"],
        forms=[_form(form, keys, codec) for form in row["forms"]],
        plans=row["plans"],
        consents=row["consents"],
    )


def _form(row: Row, keys: Sequence[StoredKey], codec: FieldCodec) -> Row:
    if row["content"] is None:
        return row
    place = Place(TABLE, "content", row["form_id"])
    given = json.loads(codec.open(keys, place, b64decode(row["content"])))
    types = {question["id"]: question["type"] for question in row["questions"]}
    return {**row, "answers": [each for name, value in given.items() for each in _answers(name, value, types)]}


def _answers(question: str, value: Any, types: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of one answer: several options chosen are several."""
    column = _COLUMNS.get(types.get(question, ""), "body")
    return [{"question": question, column: each} for each in (value if isinstance(value, list) else [value])]


def _keys(row: Mapping[str, Any]) -> list[StoredKey]:
    names = ("key_ids", "wrapped", "kek_ids", "kek_versions")
    found = zip(*(row[name] or [] for name in names), strict=True)
    return [StoredKey(UUID(key_id), b64decode(wrapped), kek, version) for key_id, wrapped, kek, version in found]
