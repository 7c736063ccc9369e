"""Keeps a local copy of a segment, in SQLite, in step with it: pulled once, then followed through the feed.

Usage: CLOISTER_KEY=clk_… python follow_segment.py https://cloister.example north over-65 copy.sqlite
"""

import os
import sqlite3
import sys
import time
from collections.abc import Iterable

import httpx
from cloister_client import Archived, Change, Cloister, Gone, Void

AGAIN_SECONDS = 5
_TABLES = """
create table if not exists member (patient_id text primary key);
create table if not exists place (singleton integer primary key check (singleton = 1), cursor text not null);
"""


class Copy:
    """The copy: members, and the place in the feed that they stand for. Each step is one transaction, or nothing."""

    def __init__(self, path: str, service: Cloister, clinic: str, segment: str) -> None:
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)
        self._service = service
        self._of = clinic, segment

    def members(self) -> set[str]:
        """The ids of the patients who are in the copy."""
        return {row[0] for row in self._database.execute("select patient_id from member")}

    def step(self, wait: int = 30) -> None:
        """Pull what is not there yet, or follow what has changed, waiting for it so many seconds at most.

        Raises:
            Void: the pull came to no good end; the copy is as it was.
            Archived: there is nothing to be a copy of, and the copy is empty.
        """
        try:
            self._step(wait)
        except Archived:
            with self._database:
                self._database.execute("delete from member")
                self._database.execute("delete from place")
            raise

    def _step(self, wait: int) -> None:
        place = self._database.execute("select cursor from place").fetchone()
        try:
            if place is not None:
                return self._follow(place[0], wait)
        except Gone:
            pass  # away for longer than the feed is kept
        return self._pull()

    def _pull(self) -> None:
        with self._service.pull(*self._of) as pull, self._database:
            self._database.execute("delete from member")
            self._database.executemany("insert into member values (?)", ((row["patient_id"],) for row in pull))
            self._put(pull.cursor)

    def _follow(self, cursor: str, wait: int) -> None:
        page = self._service.changes(*self._of, after=cursor, wait=wait)
        with self._database:
            self._apply(page.changes)
            self._put(page.cursor)

    def _apply(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if change.kind == "entered":
                self._database.execute("insert or ignore into member values (?)", [change.patient_id])
            else:  # left, or to be forgotten: whatever else is kept of the patient goes as well
                self._database.execute("delete from member where patient_id = ?", [change.patient_id])

    def _put(self, cursor: str) -> None:
        self._database.execute("insert or replace into place values (1, ?)", [cursor])


def main(address: str, clinic: str, segment: str, path: str) -> None:
    """Follow for ever; what cannot be done now is tried again."""
    copy = Copy(path, Cloister(address, os.environ["CLOISTER_KEY"]), clinic, segment)
    while True:
        try:
            copy.step()
        except (Void, Archived, httpx.HTTPError) as problem:
            print(f"again in {AGAIN_SECONDS} s: {problem}", file=sys.stderr)  # noqa: T201
            time.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
