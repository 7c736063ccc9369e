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
    fresh = _beside(path, text)
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()
    _sync(path.parent)


def replace_private(path: Path, text: str) -> None:
    """Put a private file in another's place, whole and on the disk before the old one goes."""
    _beside(path, text).replace(path)
    _sync(path.parent)


def read_private(path: Path) -> str:
    """Read a private file.

    Raises:
        Misconfigured: other users could read it, too.
    """
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Misconfigured(f"{path} can be read by others", hint=f"chmod 600 {path}")
    return path.read_text()


def _beside(path: Path, text: str) -> Path:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        # What these keys encrypt may be committed a moment later.
        os.fsync(file.fileno())
    return fresh


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
