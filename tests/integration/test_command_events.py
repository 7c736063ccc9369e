"""Commands leave their events in the log: each is run, and its words are looked for."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from access_world import PASSWORD, Api, World
from test_fail_closed import nothing_recorded, state
from typer.testing import CliRunner, Result

from infra.cli.main import build
from policies.words import AccountAction, ProcessAction
from tests.conftest import ROOT
from tests.integration.sealing import seal_all

RULE = {"slug": "fresh", "name": "Fresh", "rule": {"measure": "registration.days", "op": ">=", "value": 3}}
ISSUER = "--subject someone --issuer https://issuer.example"
NEW_ACCOUNT = {AccountAction.PRINCIPAL_ADD, AccountAction.ROLE_GRANT}
# In this order: a key is rotated before it is revoked.
LEFT: dict[str, set[AccountAction | ProcessAction]] = {
    "clinic add west": {ProcessAction.CLINIC_ADD},
    "clinic configure north {samples}/bookings.yml": {ProcessAction.CLINIC_CONFIGURE},
    "clinic consent-grace north 30": {ProcessAction.CLINIC_CONFIGURE},
    "segment add {rule} --clinic north": {ProcessAction.SEGMENT_SAVE},
    "segment counts --clinic north": {ProcessAction.SEGMENT_COUNTS},
    "messages retry": {ProcessAction.MESSAGE_RETRY},
    "user add new.north --name New --role clinic_manager --clinic north --password-stdin": NEW_ACCOUNT,
    "user specialist other.north --clinic north --name Other": {AccountAction.SPECIALIST_LINK},
    "user reset-codes auditor.north": {AccountAction.SECOND_FACTOR_RESET},
    "user booking-page north": NEW_ACCOUNT,
    "user booking-page north --close": {AccountAction.API_KEY_REVOKE},
    f"user link staff.north {ISSUER}": {AccountAction.IDENTITY_LINK},
    f"user unlink {ISSUER}": {AccountAction.IDENTITY_UNLINK},
    "api-key add crm.north --clinic north": {*NEW_ACCOUNT, AccountAction.API_KEY_ADD},
    "api-key rotate {key}": {AccountAction.API_KEY_ROTATE},
    "api-key revoke {key}": {AccountAction.API_KEY_REVOKE},
    "issuer rotate": {AccountAction.ISSUER_KEY_ROTATE},
    "token --login manager.north": {AccountAction.TOKEN_ISSUE},
    "audit key rotate": {ProcessAction.KEY_ROTATE},
    "export rotate-key": {ProcessAction.KEY_ROTATE},
}

# What is made before the record: roles and an empty schema, which are no clinic's until then, and taken up again.
PREPARED = {"clinic add west": ["operational.provision_request", "schemas and roles"]}


@pytest.fixture(autouse=True, scope="module")
def secrets(world: World, api: Api) -> Iterator[None]:
    """Other modules' services sign with the same keys, which they find as they were."""
    before = {path: path.read_bytes() for path in world.server.secrets_folder.iterdir() if path.is_file()}
    yield
    for path, content in before.items():
        path.write_bytes(content)


def count(world: World) -> dict[str, int]:
    """How many events of each action there are."""
    return dict(world.look("select action, count(*) from audit.access_event group by action"))


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Result]:
    """A command, run against the world."""
    monkeypatch.setattr("infra.database.server", lambda: world.server)
    rule = tmp_path / "rule.json"
    rule.write_text(json.dumps(RULE))
    key = world.keys["north.messages"].split("_")[1]
    seal_all(world.server)  # or there would be no key to rotate

    def run(command: str) -> Result:
        arguments = command.format(samples=ROOT / "samples", rule=rule, key=key).split()
        return CliRunner().invoke(build(), arguments, input=f"{PASSWORD}\n")

    return run


def everything(world: World) -> dict[str, object]:
    """Digests of all tables and files that a command may change, the clinics and roles that there are."""
    secrets = {path.name: path.read_bytes() for path in world.server.secrets_folder.iterdir() if path.is_file()}
    made = world.look("select nspname::text from pg_namespace union all select rolname::text from pg_roles order by 1")
    return {**state(world, but=()), **secrets, "schemas and roles": made}


@pytest.mark.check(22)
@pytest.mark.parametrize("command", LEFT)
def test_a_command_that_cannot_be_recorded_does_nothing(
    world: World, run: Callable[[str], Result], command: str
) -> None:
    before = everything(world)
    with nothing_recorded(world):
        done = run(command)
    after = everything(world)
    assert done.exit_code != 0, done.output
    assert [name for name in after if after[name] != before.get(name)] == PREPARED.get(command, [])


@pytest.mark.check(21)
@pytest.mark.parametrize("command", LEFT)
def test_a_command_leaves_its_events_and_no_other(world: World, run: Callable[[str], Result], command: str) -> None:
    before = count(world)
    done = run(command)
    assert done.exit_code == 0, done.output
    after = count(world)
    assert {action for action, events in after.items() if events > before.get(action, 0)} == LEFT[command]
