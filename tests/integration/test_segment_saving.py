"""Segments as commands save them: versions, what depends on profiles, and what does not fit together."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from infra.database import Server, connect_admin
from infra.errors import InvalidInput
from infra.segments import add_segments
from policies.segments.definition import SegmentDefinition
from policies.segments.text import read


@pytest.fixture(scope="module")
def connection(module_server: Server) -> Iterator[psycopg.Connection]:
    with connect_admin(module_server) as admin:
        yield admin


@pytest.fixture
def at(module_server: Server, connection: psycopg.Connection) -> Server:
    connection.execute("truncate clinic_north.segment cascade")
    return module_server


def put(at: Server, *, fires: bool = False, **rules: str) -> dict[str, int]:
    wanted = [SegmentDefinition(slug=slug, name=slug, rule=read(rule)) for slug, rule in rules.items()]
    return add_segments(at, ["north"], wanted, fires=fires)


def versions(connection: psycopg.Connection, slug: str) -> list[tuple[Any, ...]]:
    return connection.execute(
        "select v.version, v.profile_dependent, v.fires from clinic_north.segment_version as v"
        " inner join clinic_north.segment as s using (segment_id) where s.slug = %s order by 1",
        [slug],
    ).fetchall()


def test_another_rule_is_a_new_version_and_nothing_else_is(at: Server, connection: psycopg.Connection) -> None:
    assert put(at, old="age > 65") == {"added": 1, "changed": 0, "unchanged": 0}
    assert put(at, old="age  >  65") == {"added": 0, "changed": 0, "unchanged": 1}
    renamed = SegmentDefinition(slug="old", name="Elderly", rule=read("age > 65"))
    assert add_segments(at, ["north"], [renamed])["changed"] == 1
    assert versions(connection, "old") == [(1, True, False)]
    put(at, old="age > 70", fires=True)
    assert versions(connection, "old") == [(1, True, False), (2, True, True)]


def test_what_was_archived_comes_back_as_a_new_version(at: Server, connection: psycopg.Connection) -> None:
    put(at, old="age > 65")
    connection.execute(
        "update clinic_north.segment"
        " set archived_at = now(), archived_by = gen_random_uuid(), archive_reason = 'mistake'"
    )
    assert put(at, old="age > 65")["changed"] == 1
    assert [version for version, *_ in versions(connection, "old")] == [1, 2]
    archived = "select num_nonnulls(archived_at, archived_by, archive_reason) from clinic_north.segment"
    assert connection.execute(archived).fetchone() == (0,)


def test_an_edit_makes_those_who_name_it_depend_on_profiles(at: Server, connection: psycopg.Connection) -> None:
    put(at, watched='in_segment("frail")', frail="appointments.count > 3")
    assert versions(connection, "watched") == [(1, False, False)]
    put(at, frail="age > 65")
    assert versions(connection, "watched") == [(1, True, False)]
    assert versions(connection, "frail") == [(1, False, False), (2, True, False)]
    put(at, frail="appointments.count > 4")
    # What the version told while it depended on them, it has told; the segment itself does so no more.
    assert versions(connection, "watched") == [(1, True, False)]
    now = connection.execute("select slug, profile_dependent from clinic_north.segment").fetchall()
    assert set(now) == {("watched", False), ("frail", False)}


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"a": 'in_segment("b")', "b": 'in_segment("a")'}, "a → b → a"),
        ({"a": 'in_segment("known")', "known": "age > 1"}, ""),
        ({"a": 'in_segment("knwon")', "known": "age > 1"}, "did you mean 'known'"),
        ({"a": 'in_segment("archived")'}, "'archived', which is not there"),
    ],
    ids=["a circle", "all is well", "a slip", "archived"],
)
def test_segments_that_do_not_fit_together_are_refused_whole(
    at: Server, connection: psycopg.Connection, rules: dict[str, str], said: str
) -> None:
    put(at, archived="age > 65")
    connection.execute("update clinic_north.segment set archived_at = now()")
    if not said:
        assert put(at, **rules)["added"] == 2
        return
    with pytest.raises(InvalidInput, match=said):
        put(at, **rules)
    assert connection.execute("select count(*) from clinic_north.segment").fetchone() == (1,)
