"""A service whose policies are not valid does not start: real processes, with policies of their own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.database import Server
from tests.conftest import ROOT

# One that does not parse, and one that breaks the schema; test_access_policies.py has every way to be wrong.
BROKEN = {
    "no syntax": "permit (principal, action, resource",
    "unknown action": '@id("x") permit (principal, action == Cloister::Action::"profile.steal", resource);',
}


def serve(server: Server, folder: Path) -> "subprocess.Popen[str]":
    """`cloister serve` with the policies that lie in a folder."""
    url = f"postgresql://{server.admin['user']}@/{server.admin['dbname']}?host={server.admin['host']}"
    return subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "serve", "--port", "0"],
        env={**os.environ, "CLOISTER_MODE": "demo", "CLOISTER_HOME": str(server.secrets_folder.parent),
             "CLOISTER_ROLE_PREFIX": server.roles.prefix, "DATABASE_URL": url, "PYTHONPATH": str(folder)},
        cwd=folder, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with the code, whose policies a test may change."""
    for name in ("api", "infra", "orchestration", "policies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_service_with_valid_policies_starts(server: Server, own: Path) -> None:
    process = serve(server, own)
    try:
        assert process.stderr is not None
        assert "Serving on" in process.stderr.readline()
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_a_service_with_an_invalid_policy_does_not_start(server: Server, own: Path, text: str) -> None:
    (own / "policies" / "access" / "later.cedar").write_text(text)
    process = serve(server, own)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the access policies are invalid" in said and "Serving" not in said
    assert "Traceback" not in said


def test_a_service_whose_schema_lacks_an_action_does_not_start(server: Server, own: Path) -> None:
    path = own / "policies" / "access" / "schema.cedarschema"
    path.write_text(path.read_text().replace('"profile.read"', '"profile.write"'))
    process = serve(server, own)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "the access policies are invalid" in said) == (1, True)
