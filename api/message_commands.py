"""Commands for messages: sending, what waits, and trying dead ones again."""

import asyncio

import typer

messages = typer.Typer(no_args_is_help=True, help="Messages to people.")


@messages.command("send")
def send() -> None:
    """Send the messages that are due; `cloister serve` does the same all the time."""
    from api.messages.asking_again import ask_again
    from api.messages.post import open_post  # late, like every heavy import here: the command line starts fast
    from api.messages.transports import transport_of
    from infra.database import server
    from infra.settings import settings

    async def all_due() -> int:
        post, sent = open_post(server(), settings(), transport_of(settings())), 0
        async with post.pool:
            await ask_again(post.pool)
            while found := await post.send_due():
                sent += found
        return sent

    typer.echo(f"{asyncio.run(all_due())} taken up")


@messages.command("status")
def status() -> None:
    """Show how many messages are in which state, and why those that failed did."""
    from api.messages.post import survey
    from infra.database import server

    for state, kind, failure, count in survey(server()):
        typer.echo(f"{state:<12} {kind:<22} {failure or '':<20} {count:>8,}")


@messages.command("retry")
def retry() -> None:
    """Try the dead messages again."""
    from api.messages.post import revive
    from infra.database import server

    typer.echo(f"{revive(server())} will be tried again")
