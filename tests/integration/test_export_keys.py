"""The key that exports are signed with is rotated under a running service: nothing that was signed is lost by it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import access_world
import pytest
from access_world import Api, World
from exporting import export
from handing_over import shown
from typer.testing import CliRunner

from infra.audit_tree.keys import EXPORTS_FILE, AuditKeys
from infra.cli.main import build
from infra.database import connect
from infra.errors import Refused
from infra.exports.keys import ExportKeys, public_keys
from infra.exports.verify import verify_export
from infra.roles import Login


@pytest.fixture(autouse=True, scope="module")
def keyring(world: World, api: Api) -> Iterator[None]:
    """Other modules' services sign with the same one, which they find as it was."""
    path = world.server.secrets_folder / EXPORTS_FILE
    before = path.read_bytes()
    yield
    path.write_bytes(before)


def saved(folder: Path, archive: bytes) -> Path:
    path = folder / "export.zip"
    path.write_bytes(archive)
    return path


def test_a_running_service_signs_with_the_new_key_and_what_the_old_one_signed_stays_good(
    world: World, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.database.server", lambda: world.server)
    now, before = datetime.now(UTC), export(api, "finch", "north")
    (old,) = public_keys(world.server)
    told = CliRunner().invoke(build(), ["export", "rotate-key"])
    assert told.exit_code == 0, told.output
    after = export(api, "finch", "north")
    new, same = public_keys(world.server)
    assert same.verifier == old.verifier and (old.until, same.until, new.until) == (None, new.since, None)
    assert new.verifier.split("+")[1] in told.output
    assert AuditKeys.load(world.server.secrets_folder, EXPORTS_FILE).keys[1:] == (), "signs nothing any more"

    for made, key, other in ((before, old, new), (after, new, old)):
        assert verify_export(saved(tmp_path, made.archive), [key.verifier], now)
        with pytest.raises(Refused, match="no issuer that is trusted"):
            verify_export(saved(tmp_path, made.archive), [other.verifier], now)
        assert shown(api, "finch", made.archive)["issuer"] == before.manifest["issuer"]
    listed = api.get("/v1/audit/keys", headers=access_world.sign_in(api, "finch")).json()["keys"]
    assert {old.verifier, new.verifier} <= set(listed)
    printed = CliRunner().invoke(build(), ["export", "keys"])
    assert printed.stdout.split() == [new.verifier, old.verifier]
    assert printed.stderr.count("until") == 1 and printed.stderr.count("signs now") == 1
    events = "select role, resource_id from audit.access_event where action = 'key.rotate'"
    assert world.look(events) == [("operator", EXPORTS_FILE)]


def test_whoever_starts_later_finds_every_key_and_makes_none(world: World, api: Api) -> None:
    known = public_keys(world.server)
    with connect(Login.SERVICE, at=world.server) as connection:
        keys = ExportKeys.load(connection, world.server.secrets_folder)
    assert [str(key) for key in keys.own] == [key.verifier for key in known]
    assert public_keys(world.server) == known
