"""An external issuer on this machine: a key set over real HTTP, and tokens signed with its keys."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

AUDIENCE = "https://api.example.test"


def rsa(key_id: str) -> RSAKey:
    return RSAKey.generate_key(2048, parameters={"kid": key_id, "use": "sig"})


@dataclass
class Idp:
    """What the issuer publishes now, and what it was asked."""

    url: str = ""
    keys: list[RSAKey] = field(default_factory=lambda: [rsa("first")])
    asked: list[str] = field(default_factory=list)
    # Instead of the true answer, for a path.
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def claims(self, **other: Any) -> dict[str, Any]:
        now = int(time.time())
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "subject-1", "iat": now, "nbf": now, "exp": now + 300}
        return {name: value for name, value in {**good, "jti": "j", **other}.items() if value is not None}

    def token(self, key: RSAKey | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        key = key or self.keys[0]
        return jwt.encode({"alg": "RS256", "kid": key.kid, **(header or {})}, self.claims(**claims), key)

    def document(self, path: str) -> dict[str, Any]:
        if path == "/keys":
            return {"keys": [key.as_dict(private=False) for key in self.keys]}
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}


@contextmanager
def running() -> Iterator[Idp]:
    idp = Idp()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            idp.asked.append(self.path)
            status, body = idp.answers.get(self.path) or (200, json.dumps(idp.document(self.path)).encode())
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    idp.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=[0.01], daemon=True)
    thread.start()
    try:
        yield idp
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
