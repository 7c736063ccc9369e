"""A sealer in a process beside this one."""

import os
import subprocess  # nosec B404: this program's own commands
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sealer_beside() -> Iterator[None]:
    """Have the audit log sealed while the block runs; the sealer ends with this process, however that ends."""
    command = [sys.executable, "-m", "infra.cli", "seal", "--attached", str(os.getpid())]
    sealer = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # nosec B603
    try:
        yield
    finally:
        sealer.terminate()
        sealer.wait()
