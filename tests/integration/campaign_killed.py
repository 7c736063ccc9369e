"""Sends what is due to a real mail server and kills itself once that took so many: see test_campaigns.py.

Usage: python -m tests.integration.campaign_killed <json of the server, the port and the number>
"""

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

from api.database import make_pool
from api.identity.sealed import codec_of
from api.messages.mail import Sender
from api.messages.sender import Post
from api.messages.transports import Smtp
from infra.database import Server
from infra.roles import Login, RoleNames


@dataclass
class Dying:
    """Hands mail over, and ends the process after the last that it is given to."""

    smtp: Smtp
    last: int

    async def send(self, mail: EmailMessage) -> None:
        await self.smtp.send(mail)
        self.last -= 1
        if self.last == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def run(admin: dict[str, str], prefix: str, secrets: str, port: int, last: int) -> None:
    at = Server(admin, RoleNames(prefix), Path(secrets))
    pool = make_pool(at, timeout_ms=5000, size=4, login=Login.MESSENGER)
    dying = Dying(Smtp("127.0.0.1", port, None, None, False, None), last)
    async with pool:
        post = Post(pool, codec_of(at), dying, Sender("cloister@example.org", "https://cloister.example"))
        while await post.send_due():
            pass


if __name__ == "__main__":
    asyncio.run(run(*json.loads(sys.argv[1])))
