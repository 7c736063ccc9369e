"""What stands under which version of which key, and which rotations are open."""

from dataclasses import dataclass

import psycopg

from infra.encryption.columns import INDEXES
from infra.encryption.keyring import KeyProvider
from infra.encryption.rotation import purposes
from infra.encryption.rotation.book import Kind, find_open


@dataclass(frozen=True)
class Line:
    """One version of one key: how many rows stand under it, and what it is for now."""

    what: str
    version: str
    rows: int
    state: str


def survey(connection: psycopg.Connection, provider: KeyProvider) -> list[Line]:
    """Every key's versions with their counts; values and patients are not in it."""
    return [*_keks(connection, provider), *_people(connection), *_purposes(connection), *_indexes(connection)]


def open_rotations(connection: psycopg.Connection) -> dict[str, str]:
    """The rotations that were begun and not finished, with the time they began."""
    found = {kind: find_open(connection, kind) for kind in Kind}
    return {kind.value: f"{of.started_at:%Y-%m-%d %H:%M:%S} UTC" for kind, of in found.items() if of}


def _keks(connection: psycopg.Connection, provider: KeyProvider) -> list[Line]:
    counts = {(row[0], row[1]): row[2] for row in connection.execute(_KEKS)}
    counts.setdefault(provider.current(), 0)
    return [
        Line("key-encryption key", f"{kek_id}/{version}", rows,
             "newest" if (kek_id, version) == provider.current() else "old")
        for (kek_id, version), rows in sorted(counts.items())
    ]  # fmt: skip


def _people(connection: psycopg.Connection) -> list[Line]:
    return [
        Line("data key of a person", str(version), rows, "retired" if retired else "live")
        for version, retired, rows in connection.execute(_PEOPLE)
    ]


def _purposes(connection: psycopg.Connection) -> list[Line]:
    found = []
    for purpose, key_id, version, retired in connection.execute(_PURPOSES).fetchall():
        rows = purposes.count_under(connection, purpose, key_id)
        found.append(Line(f"data key of {purpose}", str(version), rows, "retired" if retired else "live"))
    return found


def _indexes(connection: psycopg.Connection) -> list[Line]:
    rotated = {index.field for index in INDEXES}
    return [
        Line(
            f"blind index of {field}",
            str(version),
            rows,
            "retired" if retired else "live" if field in rotated else "live, not rotated",
        )
        for field, version, retired, rows in connection.execute(_INDEXES)
    ]


_KEKS = "select kek_id, kek_version, count(*) from operational.data_key group by 1, 2"
_PEOPLE = """
select key_version, retired_at is not null as retired, count(*) from operational.data_key
where person_id is not null group by 1, 2 order by 1, 2
"""
_PURPOSES = """
select purpose, data_key_id, key_version, retired_at is not null from operational.data_key
where purpose is not null and not starts_with(purpose, 'index.') order by purpose, key_version
"""
_INDEXES = """
select substr(k.purpose, 7) as field, k.key_version, k.retired_at is not null, count(i.person_id)
from operational.data_key as k
left join operational.blind_index as i on i.field = substr(k.purpose, 7) and i.key_version = k.key_version
where starts_with(k.purpose, 'index.')
group by 1, 2, 3 order by 1, 2
"""
