"""One dbt run for any number of clinics.

dbt runs as a process of its own: it keeps process-wide state, and its password stays out of our
environment. Its log and artifacts go to the instance's home. They hold statements and counts:
what fails inside a clinic is caught in the database (dbt_project/macros/each_clinic.sql).
"""

import json
import os
import subprocess  # nosec B404 # our own interpreter, fixed arguments
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import uuid4

from infra.database import Server
from infra.errors import CloisterError
from infra.roles import Login
from orchestration import ledger
from orchestration.clinics import ClinicDay

PROJECT = Path(__file__).parent.parent / "dbt_project"
TIMEOUT_SECONDS = 6 * 3600


class DbtFailed(CloisterError):
    """dbt itself failed, for all clinics: its log says why."""


def run_dbt(
    at: Server,
    clinics: list[ClinicDay],
    *,
    run_id: str | None = None,
    full_refresh: bool = False,
    select: list[str] | None = None,
) -> ledger.Ledger:
    """Build the models and run their tests in every clinic given; how each step of the run went.

    A clinic that failed earlier in the run `run_id`, in whatever step, is left out.

    Raises:
        DbtFailed: the project does not compile, or the database went away.
    """
    run_id = run_id or str(uuid4())
    arguments = ["build", "--exclude-resource-type", "unit_test", *(["--select", *select] if select else [])]
    dbt(at, [*arguments, *(["--full-refresh"] if full_refresh else [])], variables(at, clinics, run_id))
    return ledger.read(at, run_id)


def variables(at: Server, clinics: list[ClinicDay], run_id: str) -> dict[str, object]:
    """The vars of dbt_project.yml for one run."""
    return {
        "clinics": [{"slug": clinic.slug, "as_of": clinic.as_of.isoformat()} for clinic in clinics],
        "role_prefix": at.roles.prefix,
        "run_id": run_id,
        "run_at": datetime.now(UTC).isoformat(),
    }


def dbt(at: Server, arguments: list[str], given: dict[str, object]) -> None:
    """Run one dbt command.

    Raises:
        DbtFailed: it ended with an error.
    """
    folder = dbt_folder(at)
    fixed = ["--log-level-file", "info", "--log-path", str(folder / "logs")]
    places = ["--target-path", str(folder / "target"), "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    order = {"logging": fixed, "places": places, "command": [*arguments, "--vars", json.dumps(given)]}
    done = subprocess.run(  # nosec B603 # dbt, with arguments of ours
        [sys.executable, "-m", "orchestration.dbt_process"],
        input=json.dumps(order).encode(),
        env=_environment(at),
        cwd=folder,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode:
        raise DbtFailed(f"dbt {arguments[0]} failed", hint=f"see {folder / 'logs' / 'dbt.log'}")


def dbt_folder(at: Server) -> Path:
    """Where dbt keeps its log and artifacts, beside the instance's secrets."""
    folder = at.secrets_folder.parent / "dbt"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _environment(at: Server) -> dict[str, str]:
    parameters = at.parameters(Login.PIPELINE)
    named = {
        "CLOISTER_DBT_HOST": parameters.get("host", "localhost"),
        "CLOISTER_DBT_PORT": parameters.get("port", "5432"),
        "CLOISTER_DBT_USER": parameters["user"],
        "CLOISTER_DBT_DBNAME": parameters.get("dbname", "postgres"),
        "CLOISTER_DBT_SSLMODE": parameters.get("sslmode", "prefer"),
        # dbt keeps variables with this prefix out of its logs.
        "DBT_ENV_SECRET_PASSWORD": parameters["password"],
        "DO_NOT_TRACK": "1",
    }
    return {**{name: value for name, value in os.environ.items() if not name.startswith("PG")}, **named}


def today_everywhere(slugs: list[str], as_of: date) -> list[ClinicDay]:
    """The same day for each of the clinics."""
    return [ClinicDay(slug, as_of) for slug in slugs]
