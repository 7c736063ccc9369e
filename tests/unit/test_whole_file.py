"""An export of the log is there as a whole or not at all, whoever writes it at the same time."""

from pathlib import Path

import pytest

from infra.audit_tree.export import whole_file
from infra.errors import CloisterError


def fill_up(path: Path) -> None:
    with whole_file(path) as file:
        file.write(b"half")
        raise OSError(28, "No space left on device")


def test_two_that_write_one_file_at_once_each_leave_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    with whole_file(path) as slow:
        slow.write(b"slow, ")
        with whole_file(path) as quick:
            quick.write(b"quick")
        assert path.read_bytes() == b"quick"
        slow.write(b"whole")
    assert path.read_bytes() == b"slow, whole"
    assert (path.stat().st_mode & 0o777, list(tmp_path.iterdir())) == (0o600, [path])


def test_what_is_not_written_to_the_end_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    path.write_bytes(b"before")
    with pytest.raises(CloisterError):
        fill_up(path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"before", [path])
