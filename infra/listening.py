"""Whether an address is free to listen on."""

import errno
import socket

from infra.errors import Refused


def refuse_taken_port(host: str, port: int) -> None:
    """Say so at once where a server could not listen, instead of after everything else.

    Raises:
        Refused: something listens there already, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as asked:
        asked.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            asked.bind((host, port))
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            what = "is in use" if taken else f"cannot be listened on: {error.strerror or 'unknown'}"
            raise Refused(f"{host}:{port} {what}", hint="stop what runs there, or set CLOISTER_PORT") from None
