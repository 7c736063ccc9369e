"""Commands of ours in processes beside this one."""

import os
import subprocess  # nosec B404 # this program's own commands
import sys
from collections.abc import Iterator
from contextlib import contextmanager

ENDS_WITHIN = 10.0  # seconds, after which it is killed: none of these commands loses anything by that


@contextmanager
def beside(command: str) -> Iterator[None]:
    """Have `cloister COMMAND --attached` run while the block does; it ends with this process, however that ends."""
    started = subprocess.Popen(  # nosec B603 # this program itself
        [sys.executable, "-m", "infra.cli", command, "--attached", str(os.getpid())], stdin=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:  # whoever started us may have had us, and so it, ignore the signal
            started.kill()
            started.wait()
