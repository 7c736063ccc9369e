"""`cloister demo`: from nothing to pages that one can look at.

It runs the same commands that an operator would, one after the other, and says so: each belongs to
the layer that registered it.
"""

import importlib.resources
import json
import os
import subprocess  # nosec B404 # this program's own commands
import sys
from pathlib import Path
from typing import Annotated

import typer

from infra.errors import CloisterError, Refused
from infra.listening import refuse_taken_port
from infra.settings import Mode, Settings, settings

SAMPLES = Path(__file__).parent.parent.parent / "samples"


def demo(
    patients: Annotated[int, typer.Option(help="Size of the sample.")] = 5000,
    clinics: Annotated[int, typer.Option(help="Number of clinics in it.")] = 8,
    seed: Annotated[int, typer.Option(help="The same seed makes the same sample.")] = 7,
    serve: Annotated[bool, typer.Option(help="Serve the pages afterwards, until interrupted.")] = True,
) -> None:
    """Set up a demonstration with synthetic data, and serve its pages."""
    chosen = settings()
    if chosen.effective_mode is not Mode.DEMO:
        raise Refused("this instance is in production mode", hint="a demo needs CLOISTER_MODE=demo")
    if serve:
        refuse_taken_port(chosen.host, chosen.port)
    _step("up")
    if not _imported(chosen):
        folder = str(chosen.home / "sample")
        _step(
            "sample",
            "--patients",
            str(patients),
            "--clinics",
            str(clinics),
            "--seed",
            str(seed),
            "--out",
            folder,
        )
        _step("import", "csv", folder, "--mapping", str(SAMPLES / "sample.mapping.yml"))
        _step("segment", "add", "--all", str(SAMPLES / "mission.rules.json"))
        for clinic in _clinics():
            _step("clinic", "configure", clinic, str(SAMPLES / "bookings.yml"), "--specialists-of-records")
        (chosen.home / "demo-imported").touch()
    _step("materialize")
    _step("user", "demo")
    typer.echo(_welcome(chosen, serve=serve))
    if serve:
        # In place of this process: who stops the demo stops the server.
        os.execv(sys.executable, _command("serve", "--with-live"))  # nosec B606 # this program itself


def _clinics() -> list[str]:
    from infra.database import server  # late: the command line starts fast
    from infra.segments import all_clinics

    return all_clinics(server())


def _imported(chosen: Settings) -> bool:
    return (chosen.home / "demo-imported").exists()


def _step(*arguments: str) -> None:
    typer.echo(f"$ cloister {' '.join(arguments)}", err=True)
    done = subprocess.run(_command(*arguments), check=False)  # nosec B603 # this program itself
    if done.returncode:
        raise CloisterError(f"`cloister {arguments[0]}` failed", hint="its message stands above")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "infra.cli", *arguments]


def _welcome(chosen: Settings, *, serve: bool) -> str:
    accounts = json.loads((chosen.home / "demo-accounts.json").read_text())
    listed = "\n".join(
        f"  {found['role']:<18} {found['clinic'] or '':<20} {found['login']:<34} {found['secret']}"
        f"{'  + code' if found.get('totp') else ''}"
        for found in accounts
    )
    address = f"http://{chosen.host}:{chosen.port}"
    text = importlib.resources.files("infra.cli").joinpath("welcome.txt").read_text()
    key = next(found for found in accounts if found["role"] == "automation_system")
    command = os.path.relpath(Path(sys.executable).with_name("cloister"))
    state = f"is about to serve {address}" if serve else f"is prepared; `{command} serve` serves {address}"
    return text.format(
        state=state, address=address, accounts=listed, command=command, clinic=key["clinic"], key=key["secret"]
    )
