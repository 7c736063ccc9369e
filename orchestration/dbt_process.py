"""The process that dbt runs in: `python -m orchestration.dbt_process`.

Standard input gives a JSON object with three lists of arguments: logging, places, command. As an
argument of the process, the vars of some thousands of clinics would be longer than Linux allows.

Every run has vars of its own, and dbt would parse the whole project again for that alone. So the
project is parsed first without vars, which dbt caches, and the command runs on that manifest: no
var is read before a model is executed.
"""

import json
import sys

from dbt.cli.main import dbtRunner


def main(logging: list[str], places: list[str], command: list[str]) -> int:
    """Parse, then run one command; 0 if both went well."""
    parsed = dbtRunner().invoke(["--quiet", *logging, "parse", *places])
    if not parsed.success:
        return 1
    return 0 if dbtRunner(manifest=parsed.result).invoke([*logging, *command, *places]).success else 1  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main(**json.load(sys.stdin)))
