"""`cloister serve` starts where it may, and nowhere else."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli.main import build
from infra.database import Server
from infra.errors import Misconfigured
from infra.settings import settings

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


@pytest.mark.parametrize(("trusted", "believed"), [("", False), ("10.0.0.1,10.1.0.0/16, ::1", True)])
def test_only_named_proxies_say_where_a_request_came_from(
    monkeypatch: pytest.MonkeyPatch, trusted: str, believed: bool
) -> None:
    monkeypatch.setenv("CLOISTER_TRUSTED_PROXIES", trusted)
    monkeypatch.setenv("CLOISTER_MODE", "demo")
    settings.cache_clear()
    asked: dict[str, object] = {}
    monkeypatch.setattr("api.app.create_app", lambda **_: None)
    monkeypatch.setattr("api.messages.post.open_post", lambda *_: None)
    monkeypatch.setattr("infra.log.configure", lambda: None)
    monkeypatch.setattr("infra.audit.note_start", lambda _: None)
    monkeypatch.setattr("uvicorn.run", lambda _app, **given: asked.update(given))
    assert CliRunner().invoke(build(), ["serve", "--no-seal"], catch_exceptions=False).exit_code == 0
    assert (asked["proxy_headers"], asked["forwarded_allow_ips"]) == (believed, trusted)


@pytest.mark.parametrize("trusted", ["*", "0.0.0.0/0", "::/0", "10.0.0.1, *", "10.0.0.1/8", "proxy"])
def test_nobody_is_believed_who_might_be_anybody(monkeypatch: pytest.MonkeyPatch, trusted: str) -> None:
    monkeypatch.setenv("CLOISTER_TRUSTED_PROXIES", trusted)
    settings.cache_clear()
    with pytest.raises(Misconfigured, match="trusted_proxies"):
        settings()


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_taken_port_is_one_clear_line_before_anything_else(command: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        chosen = {"CLOISTER_HOME": str(tmp_path / "home"), "CLOISTER_MODE": "demo", "CLOISTER_PORT": str(port)}
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli", command],
            env={**os.environ, **chosen}, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == f"cloister: 127.0.0.1:{port} is in use (stop what runs there, or set CLOISTER_PORT)\n"
    assert not (tmp_path / "home" / "postgres").exists()
