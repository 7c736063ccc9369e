"""The command line. Each layer registers its commands under the entry point group `cloister.commands`."""

import logging
import sys
from importlib.metadata import entry_points

import typer
from typer.exceptions import TyperException

from infra.errors import CloisterError, InvalidInput

GROUP = "cloister.commands"


def build() -> typer.Typer:
    """The whole command line, from the commands of every layer."""
    app = typer.Typer(
        name="cloister",
        help="A multi-clinic patient data platform.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_options)
    for point in sorted(entry_points(group=GROUP), key=lambda found: found.name):
        app.add_typer(point.load())
    return app


def _options(
    debug: bool = typer.Option(False, "--debug", help="Show a traceback when something fails."),
) -> None:
    logging.getLogger().setLevel(logging.DEBUG if debug else logging.WARNING)


def run() -> None:
    """Run one command; an error is one clear line and exit code 1, a traceback only with --debug."""
    debug = "--debug" in sys.argv
    # `--debug` may stand anywhere, though it belongs to the group.
    sys.argv = [sys.argv[0], *(["--debug"] if debug else []), *[a for a in sys.argv[1:] if a != "--debug"]]
    try:
        code = build()(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as error:
        message = error.format_message().strip()
        # Without arguments, the message is the help itself.
        typer.echo(message if "Usage:" in message else f"cloister: {message} (see `cloister --help`)", err=True)
        sys.exit(getattr(error, "exit_code", 2))
    except CloisterError as error:
        if debug:
            raise
        place = f"{error.place}: " if isinstance(error, InvalidInput) and error.place else ""
        hint = f" ({error.hint})" if error.hint else ""
        typer.echo(f"cloister: {place}{error.message}{hint}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        typer.echo("cloister: stopped", err=True)
        sys.exit(130)
    except Exception as error:  # the text of unknown errors may hold values of patients
        if debug:
            raise
        typer.echo(f"cloister: failed with {type(error).__name__} (run again with --debug)", err=True)
        sys.exit(1)
