"""The lines of events, which are hashed and exported: an event's own fields, and what stands beside it elsewhere."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg

from infra.audit_tree.streams import OCCURRED_AT, Stream

# That lines hold at once in memory, but for one event of more.
PATIENTS = 100_000
# Of a leaf its place, its number among its clinic's, and the event's values of `Stream.selected`.
Leaf = tuple[int, int | None, Sequence[Any]]
_DISCLOSED = f"""
select event_id::text, {OCCURRED_AT}, clinic_id, array_agg(patient_id::text order by patient_id)
from audit.disclosed as e
where event_id = any(string_to_array(%s, ' ')::uuid[]) and occurred_at between %s and %s
group by event_id, occurred_at, clinic_id
"""  # nosec B608 # a constant
# Of a line for each row, asset and patient, in this order.
_MOVED = f"""
select event_id::text, {OCCURRED_AT}, clinic_id, encode(sha256(convert_to(
    string_agg(asset || ' ' || patient_id || chr(10), '' order by asset collate "C", patient_id), 'UTF8'
)), 'hex')
from audit.batch_patient as e
where event_id = any(string_to_array(%s, ' ')::uuid[]) and occurred_at between %s and %s
group by event_id, occurred_at, clinic_id
"""  # nosec B608 # a constant


def lines_of(connection: psycopg.Connection, stream: Stream, leaves: Iterable[Leaf]) -> Iterator[bytes]:
    """The lines of leaves, in their order, of so many patients at a time."""
    portion: list[Leaf] = []
    patients = 0
    for leaf in leaves:
        seen = stream.value(leaf[2], "patients") or 0
        if portion and patients + seen > PATIENTS:
            yield from _lines(connection, stream, portion)
            portion, patients = [], 0
        portion.append(leaf)
        patients += seen
    yield from _lines(connection, stream, portion)


def _lines(connection: psycopg.Connection, stream: Stream, leaves: list[Leaf]) -> list[bytes]:
    keys = [(*values[:2], stream.value(values, "clinic_id")) for _, _, values in leaves]
    batches = [key for key, (_, _, values) in zip(keys, leaves, strict=True) if stream.value(values, "batch_id")]
    patients = _beside(connection, _DISCLOSED, keys) if stream.discloses else {}
    moved = _beside(connection, _MOVED, batches)
    return [
        stream.line(index, values, patients.get(key), moved.get(key), number)
        for key, (index, number, values) in zip(keys, leaves, strict=True)
    ]


def _beside(connection: psycopg.Connection, query: str, events: list[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
    """What stands beside events in another table, by the event's id, time and clinic as lines write them."""
    if not events:
        return {}
    times = [event[1] for event in events]
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query, [" ".join(event[0] for event in events), min(times), max(times)])
        return {row[:3]: row[3] for row in rows}
