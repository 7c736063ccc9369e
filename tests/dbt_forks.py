"""Runs dbt in forks of a process that has read dbt once: reading it takes half as long as a small run.

Usage: python -m tests.dbt_forks
Each line of its input is the JSON of a run's input, environment and folder, and gets a line with how that run ended.
"""

import json
import os
import sys
from functools import cached_property
from pathlib import Path
from subprocess import DEVNULL, PIPE, CompletedProcess, Popen
from typing import Any

ROOT = Path(__file__).parent.parent
READ = ["-m", "orchestration.dbt_process"]


class Forks:
    """Stands where dbt is run for `subprocess`; the process ends with the one that asks."""

    @cached_property
    def _process(self) -> Popen[str]:
        command = [sys.executable, "-m", "tests.dbt_forks"]
        return Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True)

    def run(self, command: list[str], **asked: Any) -> CompletedProcess[bytes]:
        assert command[1:] == READ and self._process.stdin and self._process.stdout
        run = {"given": asked["input"].decode(), "env": asked["env"], "cwd": str(asked["cwd"])}
        self._process.stdin.write(json.dumps(run) + "\n")
        self._process.stdin.flush()
        return CompletedProcess(command, int(self._process.stdout.readline()))


def ended(given: str, env: dict[str, str], cwd: str) -> int:
    """How one run ended."""
    from orchestration.dbt_process import main

    process = os.fork()
    if process == 0:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # for what dbt says: the answers are lines of their own
        os.environ.clear()
        os.environ.update(env)
        os.chdir(cwd)
        try:
            os._exit(main(**json.loads(given)))
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(f"{ended(**json.loads(line))}\n")
        sys.stdout.flush()
