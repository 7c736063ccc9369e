"""The access log as files: JSON lines, CSV, and FHIR AuditEvents, an event a line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic_core import to_json

from api.audit.fhir import audit_event
from api.audit.schemas import ExportedEvent
from infra.spreadsheets import lines

COLUMNS = tuple(ExportedEvent.model_fields)


@dataclass(frozen=True)
class Format:
    """How events are written: as lines of which media type, after which head."""

    media_type: str
    extension: str
    written: Callable[[Sequence[ExportedEvent]], str]
    head: str = ""


def _json(events: Sequence[ExportedEvent]) -> str:
    return "".join(event.model_dump_json() + "\n" for event in events)


def _csv(events: Sequence[ExportedEvent]) -> str:
    return lines(event.model_dump(mode="json").values() for event in events)


def _fhir(events: Sequence[ExportedEvent]) -> str:
    return "".join(to_json(audit_event(event)).decode() + "\n" for event in events)


NDJSON = Format("application/x-ndjson", "ndjson", _json)
CSV = Format("text/csv", "csv", _csv, head=lines([COLUMNS]))
FHIR = Format("application/fhir+ndjson", "fhir.ndjson", _fhir)
FORMATS = (NDJSON, CSV, FHIR)


def asked_for(accept: str) -> Format:
    """The first of our formats that an Accept header names; JSON lines where it names none (RFC 9110, 12.5.1)."""
    named = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    known = {form.media_type: form for form in FORMATS}
    return next((known[name] for name in named if name in known), NDJSON)
