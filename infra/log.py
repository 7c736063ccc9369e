"""Logging: one JSON line an event, a static text and fields from an allow-list; nothing else gets out.

No line carries patient data. What other libraries log is cut to its static text, and an exception
to its type and the places in code it passed: messages and arguments may hold values.
"""

import json
import logging
import sys
import traceback
from collections.abc import MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

ALLOWED = frozenset({
    "event", "level", "timestamp", "request_id", "method", "route", "status", "milliseconds", "error", "raised_at",
    "clinic", "action", "decision", "principal_id", "batch_id", "asset", "rows", "sqlstate", "constraint",
})  # fmt: skip
ROOT = Path(__file__).parent.parent


def configure(level: int = logging.INFO) -> None:
    """Send this process's logs, and those of its libraries, to standard error."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_allowed,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = StderrHandler()
    handler.setFormatter(StaticFormatter())
    # A handler that fails would print the record, values and all.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))


def keep_allowed(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not on the allow-list."""
    return {field: value for field, value in line.items() if field in ALLOWED}


def where(error: BaseException) -> dict[str, str]:
    """An exception as loggable fields: its type, and the last of our own places it passed."""
    own = [
        f"{Path(frame.filename).relative_to(ROOT)}:{frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(ROOT) and "site-packages" not in frame.filename
    ]
    return {"error": type(error).__name__, "raised_at": own[-1] if own else "elsewhere"}


class StderrHandler(logging.Handler):
    """Writes to whatever standard error is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(self.format(record) + "\n")


class StaticFormatter(logging.Formatter):
    """A library's record without its arguments, which may hold values."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON line."""
        line = {
            "event": record.msg if isinstance(record.msg, str) and record.args else record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.now(UTC).isoformat(),
        }
        if record.exc_info and record.exc_info[1]:
            line |= where(record.exc_info[1])
        return json.dumps(line)
