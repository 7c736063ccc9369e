"""The members of a segment as a query, with the fields that a caller may see: for all that lists them."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from api.segments.withheld import WITHHELD
from policies.classification import Field, MemberField, needs_consent

_MEMBERS = sql.SQL("""
select
    m.patient_id,
    p.profile_shared and not x.withheld as shared,
    {fields}
from {stays} as m
inner join segment_dependence as d on d.segment_id = m.segment_id
inner join raw_patients as p on p.patient_id = m.patient_id
cross join lateral (select {withheld} as withheld) as x
where
    m.segment_id = %(segment)s and {lasting} and {within}
    and not ({dependent} and x.withheld)""")
# Who is a member now tells of the rule that made them one; of the past, as in the feed, of all that their stay lasted
# through.
_NOW = {"stays": "segment_member", "lasting": "m.left_at is null", "dependent": "d.profile_dependent"}
_THEN = {
    "stays": "segment_stay",
    "lasting": "m.entered_at <= %(at)s and (m.left_at is null or m.left_at > %(at)s)",
    "dependent": "m.profile_dependent",
}
_WITHHELD = WITHHELD.format(patient=sql.SQL("p.patient_id"))
# A name is found without the joiners that it may have been written with.
_SEARCHED = r"translate(lower({}), U&'\200C\200D', '')"
FOLLOWING = sql.SQL("(%(after)s::uuid is null or m.patient_id > %(after)s)")
FOLLOWING_NAMED = sql.SQL(
    "(%(after)s::uuid is null or m.patient_id > %(after)s)"
    f" and strpos({_SEARCHED.format('p.name')}, {_SEARCHED.format('%(named)s')}) > 0"
)


def members_of(fields: Sequence[str], within: sql.SQL, *, past: bool = False) -> sql.Composed:
    """The members of a `segment` with these fields, `within` a condition, now or at a past time `at`.

    A condition names the stay `m` and the patient `p`.
    """
    when = {name: sql.SQL(text) for name, text in (_THEN if past else _NOW).items()}
    return _MEMBERS.format(fields=_columns(fields), within=within, withheld=_WITHHELD, **when)


def shown(row: dict[str, Any], fields: Sequence[MemberField]) -> dict[str, Any]:
    """The fields asked for; a profile that is not shared leaves no key behind."""
    return {field.value: row[field] for field in fields if row["shared"] or not needs_consent(field)}


def _columns(fields: Sequence[str]) -> sql.Composable:
    others = [field for field in fields if field != Field.PATIENT_ID]
    return sql.SQL(", ").join([_column(field) for field in others] or [sql.SQL("null as nothing")])


def _column(field: str) -> sql.Composable:
    guarded = "case when p.profile_shared and not x.withheld then p.{0} end as {0}"
    return sql.SQL(guarded if needs_consent(field) else "p.{0}").format(sql.Identifier(field))
