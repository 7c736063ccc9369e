"""The command line as an operator meets it: one clear line, an exit code, nothing of a patient."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psycopg
import pytest
from operational_rows import Rows

from infra.database import Server

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def cloister(server: Server, tmp_path: Path) -> Run:
    """Run `cloister` on the test's own database."""
    environment = {
        **os.environ,
        "CLOISTER_HOME": str(server.secrets_folder.parent),
        "CLOISTER_MODE": "demo",
        "CLOISTER_ROLE_PREFIX": server.roles.prefix,
        "DATABASE_URL": f"postgresql://{server.admin['user']}@/{server.admin['dbname']}?host={server.admin['host']}",
    }

    def run(*arguments: str, **overrides: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", *arguments],
            env={**environment, **overrides},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_clinics_and_segments_from_files_to_counts(cloister: Run, tmp_path: Path) -> None:
    assert "made clinic 'east'" in cloister("clinic", "add", "east", "--name", "East").stdout
    assert "was there already" in cloister("clinic", "add", "east").stdout
    added = cloister("segment", "add", "--all", "samples/mission.rules.json")
    assert "3 segments in 3 clinics: 9 added" in added.stdout, added.stderr
    again = cloister("segment", "add", "--clinic", "north", "samples/mission.rules.json")
    assert "3 unchanged" in again.stdout
    counts = json.loads(cloister("segment", "counts", "--json").stdout)
    assert len(counts) == 9
    assert counts[0] == {"clinic": "east", "segment": "high-pain-not-seen", "members": 0}


def test_marts_are_built_for_the_day_that_is_named(cloister: Run, admin: psycopg.Connection, tmp_path: Path) -> None:
    for clinic in ("north", "south"):
        Rows(admin).patient(clinic, birth_date=date(1950, 6, 30))
    (tmp_path / "rule.json").write_text(
        '{"slug": "old", "name": "Old", "rule": {"measure": "age", "op": ">=", "value": 65}}'
    )
    assert cloister("segment", "add", "--all", str(tmp_path / "rule.json")).returncode == 0
    for day, members in (("2015-06-29", 0), ("2015-06-30", 1)):
        said = cloister("materialize", "--as-of", day)
        assert "2 built" in said.stdout, said.stderr
        counts = json.loads(cloister("segment", "counts", "--json").stdout)
        assert counts == [{"clinic": clinic, "segment": "old", "members": members} for clinic in ("north", "south")]
    assert "does not match the format" in cloister("materialize", "--as-of", "30.06.2015").stderr


def test_a_changed_rule_becomes_a_new_version(cloister: Run, tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    for age in (65, 70):
        rule = {"slug": "old", "name": "Old", "rule": {"measure": "age", "op": ">", "value": age}}
        path.write_text(json.dumps(rule))
        said = cloister("segment", "add", "--clinic", "north", str(path)).stdout
        assert ("1 added" if age == 65 else "1 changed") in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("clinic", "add", "No Slug"), "slug: 'No Slug' is no clinic slug"),
        (("clinic", "add", "x", "--time-zone", "Mars/Base"), "time_zone: 'Mars/Base' is no time zone"),
        (("segment", "add", "samples/mission.rules.json"), "clinic: say which clinics"),
        (("segment", "add", "--clinic", "west", "samples/mission.rules.json"), "there is no clinic 'west'"),
        (("segment", "add", "--all", "nothing.json"), "nothing.json cannot be read"),
        (("import", "csv", "nothing.csv", "--mapping", "samples/noshow.mapping.yml"), "there is no file"),
        (("import", "csv", "nothing.csv", "--mapping", "nothing.yml"), "No such file"),
        (("materialize", "--clinic", "west"), "there is no clinic 'west'"),
        (("token", "--login", "nobody"), "there is no such login"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(cloister: Run, arguments: tuple[str, ...], said: str) -> None:
    done = cloister(*arguments)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" in cloister("--debug", *arguments).stderr


def test_a_rule_that_is_none_names_the_place(cloister: Run, tmp_path: Path) -> None:
    path = tmp_path / "rule.json"
    rule = {"all": [{"measure": "adherance.rate", "op": "<", "value": 0.5}]}
    path.write_text(json.dumps([{"slug": "x", "name": "X", "rule": rule}]))
    done = cloister("segment", "add", "--all", str(path))
    assert done.returncode == 1
    assert "0.rule.all.0" in done.stderr
    assert "did you mean 'adherence.completion_rate'?" in done.stderr


def test_production_refuses_what_only_a_demo_may(cloister: Run) -> None:
    refused = cloister("demo", CLOISTER_MODE="production")
    assert refused.returncode == 1
    assert "production mode" in refused.stderr
    up = cloister("up", CLOISTER_MODE="production")
    assert up.returncode == 1
    assert "encryption at rest" in up.stderr


def test_status_says_what_runs_and_what_encrypts_the_disks(cloister: Run) -> None:
    said = cloister("status", CLOISTER_AT_REST="luks").stdout
    assert "running" in said
    assert "luks" in said


def test_a_setting_that_is_none_is_named(cloister: Run) -> None:
    done = cloister("status", CLOISTER_MODE="toy")
    assert done.returncode == 1
    assert "mode" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.check(43)
def test_an_import_names_the_rows_it_refused_and_fails_if_all_are(cloister: Run, tmp_path: Path) -> None:
    (tmp_path / "map.yml").write_text(
        "source: desk\nfiles:\n  - entities:\n      - entity: patient\n"
        "        fields: {source_id: id, name: name, registered_on: since}\n"
    )
    bad = "".join(f"{number},Canary {number},2026-13-01\n" for number in range(12))
    (tmp_path / "p.csv").write_text("id,name,since\n" + bad)
    arguments = ("import", "csv", str(tmp_path / "p.csv"), "--mapping", str(tmp_path / "map.yml"), "--clinic", "north")
    done = cloister(*arguments)
    assert done.returncode == 1 and "12 rows read: nothing; 12 in quarantine" in done.stdout
    assert "  p.csv:2: registered_on: is no date\n" in done.stderr and "  and 2 more\n" in done.stderr
    assert "Canary" not in done.stdout + done.stderr
    (tmp_path / "p.csv").write_text("id,name,since\n" + bad + "99,Ada Wren,2026-01-01\n")
    assert cloister(*arguments).returncode == 0


def test_outside_of_an_instance_the_folder_is_what_is_missing(cloister: Run, tmp_path: Path) -> None:
    done = cloister("keys", "status", CLOISTER_HOME=str(tmp_path / "nowhere"))
    assert done.returncode == 1 and "there is no instance in" in done.stderr and "keyring" not in done.stderr
