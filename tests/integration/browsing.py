"""Several people at the pages, each in a browser of their own, without a real one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import access_world
import httpx
from access_world import Api
from pages_of import browser_sign_in, fields, send

# What a form carries by itself: its token, and what it showed.
CARRIED = {"csrf", "version", "was", "tag"}


@dataclass
class Browsers:
    """Sessions by login, signed in once."""

    api: Api
    sessions: dict[str, str] = field(default_factory=dict)

    def get(self, login: str, path: str, status: int = 200) -> httpx.Response:
        """A page, which is there unless told otherwise."""
        answer = self.ask(login, path)
        assert answer.status_code == status, (path, answer.status_code)
        return answer

    def post(self, login: str, path: str, shown_at: str, status: int = 303, **values: object) -> httpx.Response:
        """Send a form of the page at `shown_at` to `path`."""
        return self.send(login, path, self.get(login, shown_at).text, status, **values)

    def send(self, login: str, path: str, page: str, status: int = 303, **values: object) -> httpx.Response:
        """Send a form of a page that was opened before to `path`."""
        answer = self.answer(login, path, page, values)
        assert answer.status_code == status, (path, answer.status_code, answer.text)
        return answer

    def answer(
        self, login: str, path: str, page: str, values: Mapping[str, object], file: bytes = b""
    ) -> httpx.Response:
        """What a form of a page that was opened before is answered, with a file if it has one."""
        self._as(login)
        hidden = {name: value for name, value in fields(page).items() if name in CARRIED}
        files = {"file": ("records.zip", file, "application/zip")} if file else None
        return self.api.post(path, data={**hidden, **values}, files=files, headers={"accept": "text/html"})

    def ask(self, login: str, path: str) -> httpx.Response:
        """What somebody is answered at a page, or who has not signed in: an empty login."""
        self._as(login)
        return self.api.get(path, headers={"accept": "text/html"})

    def _as(self, login: str) -> None:
        self.api.cookies.clear()
        if not login:
            return
        if login not in self.sessions:
            cookie = browser_sign_in(self.api, login)
            if login in access_world.WITH_CODE:
                send(self.api, "/sign-in/code", "/sign-in/code", code=access_world.fresh_code(self.api.server, login))
                cookie = self.api.cookies["cloister_session"]
            self.sessions[login] = cookie
        self.api.cookies.clear()
        self.api.cookies.set("cloister_session", self.sessions[login])
