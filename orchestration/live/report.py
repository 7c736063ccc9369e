"""Brings the make-up of some segments up to date by the batch's own model, as dbt does for all of them."""

from collections.abc import Collection
from functools import cache
from uuid import UUID

import psycopg
from jinja2 import Environment, StrictUndefined

from orchestration.dbt_run import PROJECT

_MODEL = PROJECT / "models" / "marts" / "segment_report.sql"
_CLEAR = "delete from segment_report where segment_id = any($1::uuid[])"
_FILL = """
insert into segment_report (segment_id, dimension, bucket, patients)
select fresh.segment_id, fresh.dimension, fresh.bucket, fresh.patients
from ({model}) as fresh
cross join segment_clock as clock
where fresh.segment_id = any($1::uuid[]) and clock.as_of is not null
"""


def refresh_report(connection: psycopg.Connection, clinic: str, segments: Collection[UUID]) -> None:
    """Count the members of these segments anew, in the running transaction of the clinic's builder."""
    cursor = psycopg.RawCursor(connection)
    for text in (_CLEAR, _fill()):
        # The clinic stands in the text: equal texts would share one plan, made anew whenever `search_path` changes.
        cursor.execute(f"/* {clinic} */ {text}", [list(segments)], prepare=True)


@cache
def _fill() -> str:
    """The statement of the model: relations by their bare names, the day that members stand for as the as-of date."""
    names = {"config": lambda **_: "", "ref": str, "source": lambda _, table: table, "as_of": lambda: _AS_OF}
    model = Environment(undefined=StrictUndefined, autoescape=False).from_string(_MODEL.read_text())  # nosec B701 # SQL
    return _FILL.format(model=model.render(names))


_AS_OF = "(select as_of from segment_clock)"
