"""How mail leaves: over SMTP, or into a demo's mailbox."""

from dataclasses import dataclass
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import unquote, urlsplit

import aiosmtplib

from infra.errors import Misconfigured
from infra.settings import Mode, Settings

TIMEOUT_SECONDS = 30.0
_SCHEMES = {"smtp": (25, False, None), "smtp+starttls": (587, False, True), "smtps": (465, True, None)}
# RFC 5321, section 4.2.1: a first digit of 5 will not change by trying again.
_PERMANENT = 500


class Undelivered(Exception):
    """Mail that did not leave; `word` says why, without a text of the server's, which may hold the address.

    Where the server had it and never answered, it may have left all the same: that is `uncertain`.
    """

    def __init__(self, word: str, *, permanent: bool = False, uncertain: bool = False) -> None:
        super().__init__(word)
        self.word = word
        self.permanent = permanent
        self.uncertain = uncertain


class Transport(Protocol):
    """A way for mail to leave."""

    async def send(self, mail: EmailMessage) -> None:
        """Hand one email over.

        Raises:
            Undelivered: it was not taken.
        """


@dataclass(frozen=True)
class Smtp:
    """A mail server that takes our mail."""

    host: str
    port: int
    user: str | None
    password: str | None
    use_tls: bool
    start_tls: bool | None

    def __repr__(self) -> str:
        return f"Smtp({self.host}:{self.port})"

    @classmethod
    def of(cls, url: str) -> "Smtp":
        """The server of a URL: `smtps://user:password@host`, `smtp+starttls://…` or `smtp://…`.

        Raises:
            Misconfigured: no such URL.
        """
        try:
            found = urlsplit(url)
            port, use_tls, start_tls = _SCHEMES[found.scheme]
            host, port = found.hostname, found.port or port
        except (KeyError, ValueError):
            raise Misconfigured("CLOISTER_SMTP_URL is none") from None
        if not host:
            raise Misconfigured("CLOISTER_SMTP_URL names no host")
        user, password = (unquote(part) if part else None for part in (found.username, found.password))
        return cls(host, port, user, password, use_tls, start_tls)

    async def send(self, mail: EmailMessage) -> None:
        """Hand one email over.

        Raises:
            Undelivered: it was not taken.
        """
        sender, to = (mail[name].addresses[0].addr_spec for name in ("From", "To"))
        try:
            await aiosmtplib.send(
                # As its own policy writes it, unless the server has to be told of an address that is not ASCII.
                mail.as_bytes() if to.isascii() else mail,
                sender=sender,
                recipients=[to],
                hostname=self.host,
                port=self.port,
                username=self.user,
                password=self.password,
                use_tls=self.use_tls,
                # Unless it is asked for, TLS is begun where the server offers it.
                start_tls=self.start_tls,
                timeout=TIMEOUT_SECONDS,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _refused(min(refusal.code for refusal in error.recipients), "recipient_refused") from None
        except aiosmtplib.SMTPResponseException as error:
            raise _refused(error.code, "refused") from None
        except aiosmtplib.SMTPConnectError:
            raise Undelivered("unreachable") from None
        except (aiosmtplib.SMTPException, OSError):
            raise Undelivered("unreachable", uncertain=True) from None


def _refused(code: int, word: str) -> Undelivered:
    return Undelivered(word if code >= _PERMANENT else "try_later", permanent=code >= _PERMANENT)


def transport_of(chosen: Settings) -> Smtp | None:
    """The mail server of the settings; None is a demo's mailbox.

    Raises:
        Misconfigured: production without a mail server, or one that cannot be read.
    """
    if chosen.smtp_url is not None:
        return Smtp.of(chosen.smtp_url)
    if chosen.effective_mode is Mode.DEMO:
        return None
    raise Misconfigured("there is no mail server", hint="set CLOISTER_SMTP_URL and CLOISTER_MAIL_FROM")
