"""What encrypts the disks: seen in the kernel's tables, or declared; production refuses 'none'."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra import at_rest
from infra.at_rest import data_paths, encryption_of, mount_source, refuse_bare_disks
from infra.cli.main import build
from infra.errors import Misconfigured
from infra.settings import Mode, Settings, settings

MOUNTS = r"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/mapper/root rw
23 22 0:21 / /proc rw - proc proc rw
24 22 8:1 / /srv rw - ext4 /dev/sda1 rw
25 24 254:2 / /srv/data\040of\040ours rw - ext4 /dev/mapper/data rw
26 24 0:30 / /srv/memory rw - tmpfs tmpfs rw
27 22 8:2 / /srv rw - xfs /dev/sdb1 rw
""".strip()


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("/etc", "/dev/mapper/root"),
        ("/srv", "/dev/sdb1"),  # the later of two mounts at one point
        ("/srv/data of ours/x", "/dev/mapper/data"),
        ("/srv/datax", "/dev/sdb1"),
        ("/srv/memory", None),
    ],
)
def test_a_path_lies_on_the_innermost_mount(path: str, source: str | None) -> None:
    assert mount_source(MOUNTS, Path(path)) == source


@pytest.fixture
def block(tmp_path: Path) -> Path:
    """A /sys/class/block: name to device-mapper uuid, and what lies below."""
    devices = {
        "sda1": (None, []),
        "dm-0": ("CRYPT-LUKS2-0f-root", ["sda1"]),
        "dm-1": ("CRYPT-PLAIN-swap", ["sda1"]),
        "dm-2": ("LVM-abc", ["dm-0"]),
        "dm-3": ("LVM-def", ["dm-0", "sda1"]),
        "dm-4": ("LVM-ghi", ["dm-0", "dm-1"]),
    }
    for name, (uuid, below) in devices.items():
        (tmp_path / name / "slaves").mkdir(parents=True)
        if uuid:
            (tmp_path / name / "dm").mkdir()
            (tmp_path / name / "dm" / "uuid").write_text(f"{uuid}\n")
        for lower in below:
            (tmp_path / name / "slaves" / lower).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("device", "mechanism"),
    [("dm-0", "luks"), ("dm-1", "dm-crypt"), ("dm-2", "luks"), ("dm-3", "none"), ("dm-4", "dm-crypt"),
     ("sda1", "none"), ("gone", "none")],
)  # fmt: skip
def test_a_stack_of_devices_is_as_good_as_its_worst(block: Path, device: str, mechanism: str) -> None:
    assert encryption_of(device, block) == mechanism


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(at_rest, "_BLOCK", tmp_path / "no devices")


def chosen(home: Path, **more: object) -> Settings:
    return Settings.model_validate({"home": home, "mode": Mode.PRODUCTION, **more})


# Its folders: any of them may lie elsewhere.
HOME = ["home", "secrets", "audit archive", "pipeline's runs", "pipeline's files", "samples"]


@pytest.mark.parametrize(
    ("given", "bare"),
    [
        ({}, ["database", "write-ahead log", *HOME]),
        ({"at_rest": "luks"}, []),
        ({"at_rest": "none"}, ["database", "write-ahead log", *HOME]),
        ({"database_url": "postgresql://db/x"}, ["database", *HOME]),
        ({"database_url": "postgresql://db/x", "at_rest": "cloud-volume"}, HOME),
        ({"database_url": "postgresql://db/x", "at_rest": "pg_tde"}, HOME),
        ({"database_url": "postgresql://db/x", "home_at_rest": "luks"}, ["database"]),
        ({"database_url": "postgresql://db/x", "at_rest": "pg_tde", "home_at_rest": "dm-crypt"}, []),
    ],
)
def test_production_needs_every_data_path_encrypted(tmp_path: Path, given: dict[str, object], bare: list[str]) -> None:
    asked = chosen(tmp_path, **given)
    assert [path.name for path in data_paths(asked) if path.mechanism == "none"] == bare
    if bare:
        with pytest.raises(Misconfigured, match=f"nothing encrypts: {', '.join(bare)}$"):
            refuse_bare_disks(asked)
    else:
        refuse_bare_disks(asked)


@pytest.mark.parametrize("folder", ["secrets", "archive", "dagster", "dbt", "sample", "postgres", "postgres/pg_wal"])
def test_one_folder_on_another_disk_is_enough_to_refuse(
    tmp_path: Path, block: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A link, as well as a mount: what counts is where it leads."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (home / folder).parent.mkdir(parents=True)
    (home / folder).symlink_to(elsewhere)
    monkeypatch.setattr(at_rest, "_BLOCK", block)
    monkeypatch.setattr(at_rest, "mount_source", lambda _, path: "/dev/dm-0" if home in [path, *path.parents] else None)
    bare = [path for path in data_paths(chosen(home)) if path.mechanism == "none"]
    assert [path.where for path in bare] == [str(home / folder)] or folder == "postgres"
    with pytest.raises(Misconfigured, match=f"nothing encrypts: {bare[0].name}"):
        refuse_bare_disks(chosen(home))


@pytest.mark.parametrize(
    "command", ["serve", "seal", "seal --once", "live", "webhooks", "migrate", "up", "audit archive"]
)
def test_nothing_that_works_on_data_starts_on_bare_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    for name, value in (("MODE", "production"), ("HOME", str(tmp_path)), ("AT_REST", "none")):
        monkeypatch.setenv(f"CLOISTER_{name}", value)
    settings.cache_clear()
    with pytest.raises(Misconfigured, match="production mode needs encryption at rest"):
        CliRunner().invoke(build(), command.split(), catch_exceptions=False)


def test_a_log_is_archived_to_an_encrypted_disk_alone(
    tmp_path: Path, block: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setattr(at_rest, "_BLOCK", block)
    monkeypatch.setattr(at_rest, "mount_source", lambda _, path: "/dev/dm-0" if path.is_relative_to(home) else None)
    refuse_bare_disks(chosen(home), out=home / "archive")
    with pytest.raises(Misconfigured, match=r"nothing encrypts: out$"):
        refuse_bare_disks(chosen(home), out=tmp_path / "usb")


def test_a_demo_starts_anywhere(tmp_path: Path) -> None:
    refuse_bare_disks(chosen(tmp_path, mode=Mode.DEMO))


def test_the_embedded_server_has_no_pg_tde(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no pg_tde"):
        data_paths(chosen(tmp_path, at_rest="pg_tde"))


def test_what_the_kernel_shows_counts_where_nothing_is_declared(
    tmp_path: Path, block: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(at_rest, "_BLOCK", block)
    monkeypatch.setattr(at_rest, "mount_source", lambda *_: "/dev/dm-0")
    assert {(path.mechanism, path.declared) for path in data_paths(chosen(tmp_path))} == {("luks", False)}
