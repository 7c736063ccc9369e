"""An instance as a whole: start it, stop it, say how it is."""

import psycopg

from infra.at_rest import DataPath, data_paths, refuse_bare_disks
from infra.audit_tree.status import oldest_unsealed
from infra.database import Server, connect_admin
from infra.encryption.provider import ensure_keyring
from infra.errors import CloisterError, Misconfigured
from infra.live_health import health
from infra.migrations.runner import heads
from infra.postgres.embedded import Embedded
from infra.provisioner import set_up
from infra.settings import Mode, Settings


def start(chosen: Settings) -> bool:
    """Start the embedded database, if it is ours to start, and migrate; False if it ran already.

    Raises:
        Misconfigured: production mode on disks that nothing encrypts.
    """
    refuse_bare_disks(chosen)
    started = _embedded(chosen).up() if chosen.embedded else False
    set_up(Server.of(chosen))
    ensure_keyring(chosen, Server.of(chosen))
    return started


def _embedded(chosen: Settings) -> Embedded:
    embedded = Embedded(chosen.home)
    if embedded.account.name == "nobody" and chosen.effective_mode is Mode.PRODUCTION:
        # Whatever else runs as nobody would be the database's administrator.
        raise Misconfigured("in production the server needs a user of its own", hint="create a system user 'cloister'")
    return embedded


def stop(chosen: Settings) -> bool:
    """Stop the embedded database; False if it did not run.

    Raises:
        Misconfigured: the database is not ours to stop.
    """
    if not chosen.embedded:
        raise Misconfigured("DATABASE_URL is set: that database is not ours to stop")
    return Embedded(chosen.home).down()


def describe(chosen: Settings) -> dict[str, str]:
    """What an operator wants to know at a glance."""
    found = {
        "mode": chosen.effective_mode.value,
        "home": str(chosen.home),
        "database": "embedded" if chosen.embedded else "DATABASE_URL",
        **{f"{path.name} at rest": _told(path) for path in data_paths(chosen)},
        "keys": chosen.key_provider.value,
    }
    try:
        with connect_admin(Server.of(chosen)) as admin:
            found["server"] = f"PostgreSQL {admin.info.parameter_status('server_version')}, running"
            if admin.execute("select to_regclass('migration.schema_revision')").fetchone() == (None,):
                return {**found, "schema": "not set up (run `cloister migrate`)"}
            revision = admin.execute("select version_num from migration.schema_revision").fetchone()
            found["schema"] = f"{revision[0] if revision else 'empty'} (newest {heads()['platform']})"
            clinics = admin.execute("select count(*) from operational.clinic").fetchone()
            found["clinics"] = str(clinics[0] if clinics else 0)
        found["live"] = _live(Server.of(chosen))
        found["sealed"] = _sealed(Server.of(chosen))
    except CloisterError as error:
        found["server"] = error.message + (f" ({error.hint})" if error.hint else "")
    return found


def _live(at: Server) -> str:
    try:
        found = health(at)
    except psycopg.errors.UndefinedTable:
        return "not set up (run `cloister migrate`)"
    worst = found.worst()
    waiting = f"{worst.waiting} changes wait" + (f", the oldest for {worst.oldest:.0f} s" if worst.waiting else "")
    broken = f"; broken: {', '.join(worst.broken)}" if worst.broken else ""
    return f"{found.workers} workers (`cloister live`); {waiting}; {worst.dead} dead{broken}"


def _sealed(at: Server) -> str:
    try:
        unsealed = oldest_unsealed(at)
    except psycopg.errors.UndefinedTable:
        return "not set up (run `cloister migrate`)"
    return f"the oldest event that is not sealed waits for {unsealed:.0f} s" if unsealed else "whole"


def _told(path: DataPath) -> str:
    return f"{path.mechanism}{', as declared' if path.declared else ''} ({path.where})"
