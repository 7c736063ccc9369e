"""Progress bars for long work; silent where nobody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

# On the error stream, so that what a command prints can be piped.
_CONSOLE = Console(stderr=True)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Count something of unknown number; yields a function that takes how many more are done."""
    columns = SpinnerColumn(), TextColumn("{task.completed:,} {task.description}"), TimeElapsedColumn()
    with Progress(*columns, console=_CONSOLE, transient=True, disable=not _CONSOLE.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda more: progress.update(task, advance=more)


@contextmanager
def stages() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Bars one below the other: yields a function that begins the next, and returns where to count."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_CONSOLE, transient=True, disable=not _CONSOLE.is_terminal) as progress:

        def begin(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda more: progress.update(task, advance=more)

        yield begin
