"""`python -m infra.cli` is `cloister`."""

from infra.cli.main import run

run()
