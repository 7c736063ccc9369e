"""Rooms of video consultations: links that open one room, for one visit, until shortly after its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.jwk import OctKey

from infra.database import Server, read_secret
from infra.settings import Settings

ALGORITHM = "HS256"  # what Jitsi's token authentication takes with a shared secret
AUDIENCE = "jitsi"


@dataclass(frozen=True)
class Visitor:
    """Who enters a room; a moderator lets others in and ends the visit."""

    moderator: bool


class VideoProvider(Protocol):
    """Makes links; calls nobody."""

    def link(self, room: str, visitor: Visitor, begins: datetime, ends: datetime) -> str:
        """A link to a room that is good from `begins` to `ends`."""
        ...


class Jitsi:
    """A Jitsi server with token authentication: rooms come to be when somebody enters."""

    def __init__(self, url: str, app: str, secret: str) -> None:
        self._url = url.rstrip("/")
        self._app = app
        self._key = OctKey.import_key(secret)

    @classmethod
    def of(cls, chosen: Settings, at: Server) -> "Jitsi | None":
        """The server of the settings, with the secret of `secrets/jitsi`; None if there is none.

        Raises:
            Misconfigured: others can read the secret.
        """
        if chosen.jitsi_url is None:
            return None
        return cls(chosen.jitsi_url, chosen.jitsi_app, read_secret(at.secrets_folder / "jitsi"))

    def link(self, room: str, visitor: Visitor, begins: datetime, ends: datetime) -> str:
        """The room's address with a token; its claims are those of Jitsi's `token` authentication, and name nobody."""
        claims = {
            "iss": self._app,
            "aud": AUDIENCE,
            "sub": urlsplit(self._url).hostname,
            "room": room,
            "nbf": int(begins.timestamp()),
            "exp": int(ends.timestamp()),
            "context": {"user": {"moderator": visitor.moderator}},
        }
        token = jwt.encode({"alg": ALGORITHM, "typ": "JWT"}, claims, self._key, algorithms=[ALGORITHM])
        return f"{self._url}/{room}?jwt={token}"
