"""`cloister serve` starts where it may, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.database import Server

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("mode", ["production", None], ids=["said so", "by default"])
def test_production_serves_from_encrypted_disks_only(server: Server, mode: str | None) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "serve", "--port", "0"],
        env={
            **os.environ,
            **({"CLOISTER_MODE": mode} if mode else {}),
            "CLOISTER_HOME": str(server.secrets_folder.parent),
            "CLOISTER_ROLE_PREFIX": server.roles.prefix,
            "CLOISTER_AT_REST": "none",
            "DATABASE_URL": f"postgresql://{server.admin['user']}@/{server.admin['dbname']}?host={server.admin['host']}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "production mode needs encryption at rest" in done.stderr
    assert "Serving" not in done.stderr
