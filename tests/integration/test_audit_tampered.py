"""What a superuser does to pulls, impersonations and all events at once: verifying names the first bad index."""

from collections.abc import Iterator

import pytest
from sealed_log import Log

from infra.audit_tree.streams import IMPERSONATION
from infra.database import Server
from infra.errors import Refused


@pytest.fixture(scope="module")
def log(module_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(module_server, tmp_path_factory.mktemp("log"))


@pytest.fixture
def changed(log: Log) -> Iterator[Log]:
    yield log
    log.restore()


@pytest.mark.check(24)
@pytest.mark.parametrize(
    "statement",
    [
        "delete from audit.disclosure_chunk",
        "update audit.disclosure_chunk set patients = patients[2:]",
        "update audit.disclosure_chunk set patients = patients || (prefix || right(event_id::text, 33))::uuid",
        "update audit.disclosure_chunk set clinic_id = 2",
        "update audit.disclosure_chunk set prefix = '123'",
    ],
    ids=["all", "one", "more", "clinic", "prefix"],
)
def test_a_pull_whose_patients_were_changed_is_named(changed: Log, statement: str) -> None:
    changed.change(statement)
    with pytest.raises(Refused, match=rf"^index {changed.index(changed.pull)}: the event is not the one that was"):
        changed.verified()


@pytest.mark.check(24)
@pytest.mark.parametrize("index", [1, 15])
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update audit.impersonation_event set reason = 'fault' where event_id = %s", "not the one that was sealed"),
        ("update audit.impersonation_event set actor_id = subject_id where event_id = %s",
         "not the one that was sealed"),
        ("delete from audit.impersonation_event where event_id = %s", "not there any more, only its hash"),
        ("delete from audit.leaf where stream = 'impersonation' and event_id = %s", "the leaf is not there"),
    ],
    ids=["reason", "actor", "delete", "leaf"],
)  # fmt: skip
def test_what_was_edited_or_deleted_of_impersonations_is_named(
    changed: Log, index: int, statement: str, reason: str
) -> None:
    assert changed.impersonations().events == 16
    changed.change(statement.replace("%s", f"'{changed.event(index, IMPERSONATION)}'"))
    with pytest.raises(Refused, match=rf"^index {index}: .*{reason}"):
        changed.impersonations()
    changed.verified()


@pytest.mark.check(24)
def test_impersonations_that_changed_places_or_were_cut_off_are_named(changed: Log) -> None:
    one, other = (changed.event(index, IMPERSONATION) for index in (7, 8))
    changed.change(
        "update audit.leaf set index = index + 100000 where stream = 'impersonation' and index in (7, 8)",
        f"update audit.leaf set index = 8 where event_id = '{one}' and stream = 'impersonation'",
        f"update audit.leaf set index = 7 where event_id = '{other}' and stream = 'impersonation'",
    )
    with pytest.raises(Refused, match=r"^index 7: the event is not the one that was sealed"):
        changed.impersonations()
    changed.restore()
    changed.change(
        "delete from audit.impersonation_event as e using audit.leaf as l"
        " where l.event_id = e.event_id and l.stream = 'impersonation' and l.index >= 3",
        "delete from audit.leaf where stream = 'impersonation' and index >= 3",
        "delete from audit.checkpoint where stream = 'impersonation' and size > 3",
    )
    with pytest.raises(Refused, match=r"^index 3: the log ends here, and had 6 leaves: its tail was cut"):
        changed.impersonations()


@pytest.mark.check(24)
def test_with_its_events_alone_emptied_the_first_is_named(changed: Log) -> None:
    """The leaves and checkpoints stay as they were."""
    changed.change("truncate audit.access_event", "truncate audit.impersonation_event")
    for verifying in (changed.verified, changed.impersonations):
        with pytest.raises(Refused, match=r"^index 0: the event is not there any more, only its hash"):
            verifying()
