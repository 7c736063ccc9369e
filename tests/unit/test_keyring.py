"""The file keyring: private, never made anew by accident, and shared by processes while it grows."""

import json
import stat
from pathlib import Path

import pytest

from infra.encryption.keyring import FileKeyring, WrappedKey
from infra.errors import Misconfigured

KEY = bytes(range(32))


@pytest.fixture
def ring(tmp_path: Path) -> FileKeyring:
    return FileKeyring.create(tmp_path / "ring.json")


def test_it_wraps_for_itself_and_its_context_alone(ring: FileKeyring, tmp_path: Path) -> None:
    other = FileKeyring.create(tmp_path / "other.json")
    wrapped = ring.wrap(KEY, b"context")
    assert KEY not in wrapped.wrapped
    assert ring.unwrap(wrapped, b"context") == KEY
    assert FileKeyring(ring.path).unwrap(wrapped, b"context") == KEY
    for provider, kept, context in (
        (ring, wrapped, b"other"),
        (other, wrapped, b"context"),
        (ring, WrappedKey(wrapped.wrapped, "cloud", 1), b"context"),
        (ring, WrappedKey(wrapped.wrapped, "file", 9), b"context"),
        (ring, WrappedKey(wrapped.wrapped[:-1] + bytes([wrapped.wrapped[-1] ^ 1]), "file", 1), b"context"),
    ):
        with pytest.raises(Misconfigured):
            provider.unwrap(kept, context)


def test_only_its_owner_may_read_it(ring: FileKeyring) -> None:
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    ring.renew()
    assert stat.S_IMODE(ring.path.stat().st_mode) == 0o600
    assert [path.name for path in ring.path.parent.iterdir()] == [ring.path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_one_that_others_can_read_is_refused(ring: FileKeyring, mode: int) -> None:
    ring.path.chmod(mode)
    with pytest.raises(Misconfigured, match="read by others"):
        FileKeyring(ring.path)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"current": 1, "keys": {}}', '{"current": 2, "keys": {"1": "00"}}', '{"current": 1, "keys": []}',
     '{"current": 1, "keys": {"1": "00"}}'],
)  # fmt: skip
def test_a_file_that_is_no_keyring_is_refused(ring: FileKeyring, text: str) -> None:
    ring.path.write_text(text)
    with pytest.raises(Misconfigured, match="is no keyring"):
        FileKeyring(ring.path)


def test_a_missing_one_is_an_error_and_not_a_new_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="is missing"):
        FileKeyring(tmp_path / "ring.json")
    assert list(tmp_path.iterdir()) == []


def test_making_one_that_is_there_leaves_it(ring: FileKeyring) -> None:
    before = ring.path.read_text()
    assert FileKeyring.create(ring.path).unwrap(ring.wrap(KEY, b""), b"") == KEY
    assert ring.path.read_text() == before


def test_a_new_version_wraps_and_the_old_one_still_unwraps(ring: FileKeyring) -> None:
    old = ring.wrap(KEY, b"")
    ring.renew()
    new = ring.wrap(KEY, b"")
    assert (old.kek_version, new.kek_version, ring.current()) == (1, 2, ("file", 2))
    assert ring.unwrap(old, b"") == ring.unwrap(new, b"") == KEY
    assert len(set(json.loads(ring.path.read_text())["keys"].values())) == 2


def test_a_process_that_runs_meets_the_new_version(ring: FileKeyring) -> None:
    running = FileKeyring(ring.path)
    ring.renew()
    assert running.unwrap(ring.wrap(KEY, b""), b"") == KEY
    ring.renew()
    assert running.wrap(KEY, b"").kek_version == 3
