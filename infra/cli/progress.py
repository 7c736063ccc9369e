"""Progress bars for long work; silent where nobody looks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# On the error stream, so that what a command prints can be piped.
_CONSOLE = Console(stderr=True)


@contextmanager
def counting(what: str, size: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Count something of unknown number; yields a function that takes how many more are done, and of how many bytes.

    With the `size` of all files that it comes from, in bytes, a bar shows how much of them was read.
    """
    counted = SpinnerColumn(), TextColumn("{task.fields[count]:,} {task.description}")
    read = (BarColumn(), DownloadColumn(), TimeRemainingColumn()) if size else ()
    shown = {"console": _CONSOLE, "transient": True, "disable": not _CONSOLE.is_terminal}
    with Progress(*counted, *read, TimeElapsedColumn(), **shown) as progress:  # type: ignore[arg-type]
        task, count = progress.add_task(what, total=size, count=0), 0

        def more(done: int, size: int) -> None:
            nonlocal count
            count += done
            progress.update(task, advance=size, count=count)

        yield more


@contextmanager
def stages() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Bars one below the other: yields a function that begins the next, and returns where to count."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=_CONSOLE, transient=True, disable=not _CONSOLE.is_terminal) as progress:

        def begin(what: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(what, total=total)
            return lambda more: progress.update(task, advance=more)

        yield begin
