"""The formats of a pull. All hold the same rows, which come as lines of JSON.

Of a pull that turns out void lines of JSON say so; the others have no word for it, and break off.
"""

import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from infra.spreadsheets import lines as csv_lines
from policies.classification import Field, MemberField

if TYPE_CHECKING:
    import pyarrow as pa

JSON = "application/json"
VOID = "Somebody in it revoked a consent or was deleted meanwhile. Forget what came before this line, and pull again."
ENDED = "What lets you have it has ended meanwhile. Forget what came before this line."
_LINE_ENDS = {character: f"\\u{ord(character):04x}" for character in "\x85\u2028\u2029"}
_DATES = {Field.REGISTERED_ON, Field.BIRTH_DATE}
_LISTS = {Field.ALLERGIES, Field.CHRONIC_CONDITIONS}


class Writer(ABC):
    """Writes one pull: `head`, then each of its parts, then `end`; of a void one `void`, if there is a word for it."""

    media_type: str
    extension: str

    def __init__(self, fields: Sequence[MemberField], feed: str) -> None:
        self.fields = fields
        self.feed = feed

    def head(self) -> bytes:
        """What stands before the first member."""
        return b""

    @abstractmethod
    def part(self, lines: str) -> bytes:
        """Members, of whom each is a line of JSON."""

    def end(self, members: int) -> bytes:
        """What stands behind the last member; says how many there were."""
        del members
        return b""

    def void(self, why: str) -> bytes | None:
        """What ends a void pull, and says why."""
        del why
        return None


class JsonLines(Writer):
    """A member a line; the last line says that it is complete, and where the feed goes on."""

    media_type = "application/x-ndjson"
    extension = "ndjson"

    def part(self, lines: str) -> bytes:
        """The lines as they are, but for what some readers take for the end of one."""
        for character, escaped in _LINE_ENDS.items():
            lines = lines.replace(character, escaped)
        return lines.encode()

    def end(self, members: int) -> bytes:
        """A line of its own."""
        return _line({"complete": {"members": members, "feed_cursor": self.feed}})

    def void(self, why: str) -> bytes | None:
        """A line of its own."""
        return _line({"void": why})


class Csv(Writer):
    """A member a line under the fields' names; what is absent is empty."""

    media_type = "text/csv"
    extension = "csv"

    def head(self) -> bytes:
        """The fields' names."""
        return csv_lines([self.fields]).encode()

    def part(self, lines: str) -> bytes:
        """Cells, none of which runs as a formula."""
        return csv_lines([row.get(field) for field in self.fields] for row in _rows(lines)).encode()


class ArrowStream(Writer):
    """A record batch a part (Arrow IPC streaming format); what is absent is null, the feed's cursor in the metadata."""

    media_type = "application/vnd.apache.arrow.stream"
    extension = "arrows"

    def __init__(self, fields: Sequence[MemberField], feed: str) -> None:
        super().__init__(fields, feed)
        # Late: nothing else of the service needs it, and it is large.
        import pyarrow as pa

        self._pa = pa
        self._schema = pa.schema([(field.value, _type(field, pa)) for field in fields], {"feed_cursor": feed})
        self._written = io.BytesIO()
        self._stream = pa.ipc.new_stream(self._written, self._schema)

    def part(self, lines: str) -> bytes:
        """One record batch."""
        rows = list(_rows(lines))
        columns = [self._pa.array(_values(field, rows), type=self._schema.field(field).type) for field in self.fields]
        self._stream.write_batch(self._pa.record_batch(columns, schema=self._schema))
        return self._taken()

    def end(self, members: int) -> bytes:
        """The end-of-stream marker."""
        del members
        self._stream.close()
        return self._taken()

    def _taken(self) -> bytes:
        taken = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return taken


FORMATS: dict[str, type[Writer]] = {kind.media_type: kind for kind in (JsonLines, Csv, ArrowStream)}


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _rows(lines: str) -> list[dict[str, Any]]:
    # By the line's own end alone: a name may hold other characters that Python splits at.
    return [json.loads(line) for line in lines.split("\n") if line]


def _type(field: MemberField, pa: Any) -> "pa.DataType":
    if field in _DATES:
        return pa.date32()
    return pa.list_(pa.string()) if field in _LISTS else pa.string()


def _values(field: MemberField, rows: Sequence[dict[str, Any]]) -> list[Any]:
    found = [row.get(field) for row in rows]
    return [value and date.fromisoformat(value) for value in found] if field in _DATES else found
