"""Batches of an import, a file each: what came in, and what its rows may be tried again with."""

import json
from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

import psycopg
from pydantic import BaseModel


class BatchKind(StrEnum):
    """What the files of a batch are."""

    CSV = "csv"
    FHIR = "fhir"


def begin_batch(
    connection: psycopg.Connection,
    batch_id: UUID,
    file: str,
    mapping: BaseModel,
    kind: BatchKind | None,
    clinic: str | None = None,
) -> None:
    """Note that a file's import begins; without a kind its rows cannot be tried again but with their file."""
    kept = None if kind is None else mapping.model_dump_json()
    connection.execute(_BEGIN, [batch_id, mapping.source, file, kind, kept, clinic])  # type: ignore[attr-defined]


def end_batch(
    connection: psycopg.Connection, batch_id: UUID, counts: Mapping[str, int], header: list[str] | None = None
) -> None:
    """Note that it has ended: how many of what, and the names of a CSV file's columns."""
    connection.execute(_END, [json.dumps(counts), header, batch_id])


_BEGIN = """
insert into operational.import_batch (batch_id, source, file, kind, mapping, clinic) values (%s, %s, %s, %s, %s, %s)
"""
_END = """
update operational.import_batch
set finished_at = statement_timestamp(), counts = %s, header = coalesce(%s, header) where batch_id = %s
"""
