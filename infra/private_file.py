"""Files that only their owner may read: passwords, keyrings."""

import contextlib
import os
import secrets
import stat
from pathlib import Path

from infra.errors import Misconfigured


def write_once(path: Path, text: str) -> None:
    """Write a private file unless it exists; of two writers at once, the first wins whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_text(text)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()


def read_private(path: Path) -> str:
    """Read a private file.

    Raises:
        Misconfigured: other users could read it, too.
    """
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Misconfigured(f"{path} can be read by others", hint=f"chmod 600 {path}")
    return path.read_text()


def replace_private(path: Path, text: str) -> None:
    """Put a private file in another's place, whole and on the disk before the old one goes."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
