"""What the catalogue says of every table of the operational zone: what is only added to, deleted softly, documented."""

import pytest
from access_world import World

from tests.conftest import ROOT
from tests.unit.test_docs import named, rows

ONLY_ADDED_TO = ["appointment_event", "consent_event", "consent_text", "form_template", "profile_history"]
# What speaks of somebody and is never marked as deleted, and what ends it instead.
NEVER_DELETED = {
    "account_contact": "taken out or replaced by another",
    "blind_index": "forgotten with the contact that it is of",
    "consent": "what its events add up to",
    "consent_event": "a revocation, which is another event",
    "consent_propagation": "done",
    "data_key": "retired",
    "exercise": "with its plan",
    "exercise_done": "with its plan; taken back by none times",
    "guardian_invitation": "used, revoked, or over",
    "guardianship": "a day, by whom and why",
    "impersonation": "an hour at most",
    "merge_case": "decided",
    "message": "sent, withheld or dead",
    "message_refusal": "a signature for communications that is newer",
    "outbox": "taken by the worker",
    "patient_source": "nothing: an id stands for whom it stood for",
    "person_source": "nothing: an id stands for whom it stood for",
    "principal": "disabled",
    "profile": "with its person",
    "profile_fact": "until when it is so, by the file",
    "profile_history": "nothing: it is what was",
    "profile_tombstone": "cleared by another signature",
    "sharing_limit": "an end of its own",
    "verification": "answered, or over",
    "webhook_delivery": "delivered or dead",
}


@pytest.mark.check(35)
def test_what_is_only_added_to_is_changed_by_no_runtime_role(world: World) -> None:
    """But sealed anew under another key."""
    owner, rotator = (f"{world.server.roles.prefix}_{name}" for name in ("owner", "rotator"))
    found = world.look(
        "select c.relname::text, r.rolname::text, a.attname::text from pg_attribute as a"
        " inner join pg_class as c on c.oid = a.attrelid and c.relnamespace = 'operational'::regnamespace"
        " cross join pg_roles as r where c.relname = any(%s) and a.attnum > 0 and not a.attisdropped"
        " and starts_with(r.rolname, %s) and has_column_privilege(r.oid, c.oid, a.attnum, 'update')",
        ONLY_ADDED_TO, f"{world.server.roles.prefix}_",
    )  # fmt: skip
    assert {table for table, role, _ in found if role == owner} == set(ONLY_ADDED_TO)
    assert [row for row in found if row[1] != owner] == [("profile_history", rotator, "previous")]


@pytest.mark.check(34)
def test_what_speaks_of_somebody_is_deleted_softly_or_named(world: World) -> None:
    found = world.look(
        "select table_name::text, bool_or(column_name = 'deleted_at') from information_schema.columns"
        " inner join pg_tables on (schemaname, tablename) = (table_schema, table_name)"
        " where table_schema = 'operational' group by 1"
        " having bool_or(column_name ~ '(patient|person|guardian|dependent)_id$')"
    )
    assert {table for table, softly in found if not softly} == NEVER_DELETED.keys() and len(found) > len(NEVER_DELETED)


def test_every_table_is_documented_and_nothing_else(world: World) -> None:
    there = {table for (table,) in world.look("select tablename::text from pg_tables where schemaname = 'operational'")}
    documented = [name for row in rows((ROOT / "docs" / "patients.md").read_text(), "Tables") for name in named(row[0])]
    assert sorted(documented) == sorted(there)
