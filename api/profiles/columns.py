"""The columns of a profile that a statement reads, and the fields they become: contacts opened with their keys."""

from collections.abc import Iterable
from typing import Any

from psycopg import sql

from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS, stored_keys
from infra.encryption.field_codec import FieldCodec
from policies.classification import ProfileField, is_contact, needs_consent
from policies.emergency_contacts import entered, visible

# A profile `q` as these columns, and the keys `k` that its contacts were sealed with.
_KEY_COLUMNS = sql.SQL("k.key_ids, k.wrapped, k.kek_ids, k.kek_versions")
KEYS = sql.SQL(f"""
left join lateral (
    select {KEY_ARRAYS} from operational.data_key as d where d.person_id = q.person_id and d.retired_at is null
) as k on true""")  # nosec B608 # a constant
_TABLE = "operational.profile"
# Of a registration `r`: an appointment or a plan names the specialist as this clinic's records call them.
TREATED = sql.SQL("""
exists (
    select from operational.specialist_name as s
    where
        s.clinic_id = r.clinic_id and s.principal_id = %(event__principal_id)s and s.unlinked_at is null
        and (
            exists (
                select from operational.appointment as a
                where
                    a.clinic_id = r.clinic_id and a.patient_id = r.patient_id and a.specialist = s.name
                    and a.status <> 'cancelled' and a.deleted_at is null
            )
            or exists (
                select from operational.treatment_plan as t
                where
                    t.clinic_id = r.clinic_id and t.patient_id = r.patient_id and t.prescribed_by = s.name
                    and t.deleted_at is null
            )
        )
)""")


def columns(fields: Iterable[ProfileField]) -> tuple[sql.Composable, sql.Composable]:
    """The columns of these fields, and the join that brings the keys, if any of them needs one."""
    shown = [sql.Identifier("q", field) for field in fields if needs_consent(field)]
    if not any(is_contact(field) for field in fields):
        return sql.SQL(", ").join([*shown, sql.SQL("null as key_ids")]), sql.SQL("")
    return sql.SQL(", ").join([*shown, _KEY_COLUMNS]), KEYS


def shown(
    row: dict[str, Any], fields: Iterable[ProfileField], codec: FieldCodec, *, author: str | None = None
) -> dict[str, Any]:
    """The fields of a row that was read with `columns`; of emergency contacts, of one guardian, theirs.

    Raises:
        Undecryptable: a contact was altered, moved, or sealed with another key.
    """
    keys, person = stored_keys(row), str(row["person_id"])

    def value(field: ProfileField) -> Any:
        stored = row[field]
        if stored is None or not is_contact(field):
            return stored
        text = codec.open(keys, Place(_TABLE, field.value, person), stored).decode()
        if field is not ProfileField.EMERGENCY_CONTACTS:
            return text
        return visible(text) if author is None else entered(text, author)

    return {field.value: value(field) for field in fields}
