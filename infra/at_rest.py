"""What encrypts the disks under each data path: as the operator declares it, else as the kernel shows it.

Volumes that a cloud encrypts and pg_tde cannot be seen from here; they are declared.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from infra.errors import Misconfigured
from infra.settings import Mode, Settings

NONE = "none"
# Folders of the home, each of which may be a mount of its own or lead elsewhere.
_OF_HOME = {
    "secrets": "secrets", "audit archive": "archive", "pipeline's runs": "dagster", "pipeline's files": "dbt",
    "samples": "sample",
}  # fmt: skip
_OCTAL = re.compile(r"\\([0-7]{3})")
_BLOCK = Path("/sys/class/block")


@dataclass(frozen=True)
class DataPath:
    """Where data lies, and what encrypts it there."""

    name: str
    where: str
    mechanism: str
    declared: bool


def data_paths(chosen: Settings) -> list[DataPath]:
    """Every place where this instance keeps data, with its mechanism.

    Raises:
        Misconfigured: pg_tde is declared for the embedded server, which has none.
    """
    if chosen.embedded and chosen.at_rest == "pg_tde":
        raise Misconfigured("the embedded PostgreSQL has no pg_tde", hint="set CLOISTER_AT_REST to what it has")
    declared = chosen.home_at_rest or (chosen.at_rest if chosen.embedded else None)
    own = {"home": chosen.home, **{name: chosen.home / folder for name, folder in _OF_HOME.items()}}
    if chosen.embedded:
        own = {"database": chosen.home / "postgres", "write-ahead log": chosen.home / "postgres" / "pg_wal", **own}
        database = []
    else:
        database = [DataPath("database", "the server's disks", chosen.at_rest or NONE, chosen.at_rest is not None)]
    return database + [_own(name, path, declared) for name, path in own.items()]


def refuse_bare_disks(chosen: Settings, **more: Path) -> None:
    """Production mode starts on encrypted disks only, and writes to them alone: `more` are folders by name.

    Raises:
        Misconfigured: nothing encrypts them.
    """
    if chosen.effective_mode is not Mode.PRODUCTION:
        return
    wanted = [_own(name, path, chosen.home_at_rest) for name, path in more.items()]
    bare = [path.name for path in [*data_paths(chosen), *wanted] if path.mechanism == NONE]
    if bare:
        raise Misconfigured(
            f"production mode needs encryption at rest, and nothing encrypts: {', '.join(bare)}",
            hint="set CLOISTER_AT_REST and CLOISTER_HOME_AT_REST to what encrypts the disks",
        )


def _own(name: str, path: Path, declared: str | None) -> DataPath:
    if declared is not None:
        return DataPath(name, str(path), declared, declared=True)
    mounts = Path("/proc/self/mountinfo")
    source = mount_source(mounts.read_text(), path.resolve()) if mounts.exists() else None
    seen = encryption_of(Path(source).resolve().name, _BLOCK) if source else NONE
    return DataPath(name, str(path), seen, declared=False)


def mount_source(mounts: str, path: Path) -> str | None:
    """The device that a path lies on, out of the text of /proc/self/mountinfo (proc(5)); None if it is no device."""
    best: tuple[int, str] = (-1, "")
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        point = Path(_unescaped(left.split(" ")[4]))
        # Of two mounts at one point the later hides the earlier.
        if path.is_relative_to(point) and len(point.parts) >= best[0]:
            best = (len(point.parts), _unescaped(right.split(" ")[1]))
    return best[1] if best[1].startswith("/dev/") else None


def encryption_of(device: str, block: Path) -> str:
    """`luks`, `dm-crypt` or `none`: a stack of devices is as good as the worst of its lowest.

    `block` is /sys/class/block: device-mapper's uuid begins with the kind of its target, and `slaves` names
    what lies below.
    """
    here = block / device
    uuid = (here / "dm" / "uuid").read_text() if (here / "dm" / "uuid").exists() else ""
    if uuid.startswith("CRYPT-"):
        return "luks" if uuid.startswith("CRYPT-LUKS") else "dm-crypt"
    below = [path.name for path in (here / "slaves").iterdir()] if (here / "slaves").exists() else []
    found = {encryption_of(name, block) for name in below} or {NONE}
    return next(kind for kind in (NONE, "dm-crypt", "luks") if kind in found)


def _unescaped(text: str) -> str:
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), text)
