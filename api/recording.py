"""How an access becomes rows of the audit zone: alone, or in the one statement that reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.database import Connection
from infra.event_ids import event_id
from policies.words import Category


@dataclass(frozen=True)
class Event:
    """One access, before it has a time and a count. Ids, categories and policies; never a value."""

    principal_id: UUID | None
    principal_kind: str
    role: str
    action: str
    resource_type: str
    decision: str
    clinic_id: int | None = None
    resource_id: str | None = None
    purpose: str | None = None
    # For whom the principal asks: a clinic, the platform, or themselves.
    organisation: str | None = None
    acting_for: UUID | None = None
    # With it the database writes the log of impersonations as well, in the same statement.
    impersonation_id: UUID | None = None
    consent_event_id: UUID | None = None
    policies: list[str] = field(default_factory=list)
    policy_version: str | None = None
    categories: list[str] = field(default_factory=list)
    request_id: UUID | None = None
    session_id: str | None = None
    origin: str | None = None
    # Made here: who records may insert, but not read back.
    event_id: UUID = field(default_factory=event_id)

    def parameters(self) -> dict[str, Any]:
        """The event as parameters of a statement, each name with a prefix of its own."""
        return {place: getattr(self, name) for name, place in _PLACES.items()}


_PLACES = {f.name: f"event__{f.name}" for f in fields(Event)}
# What only the read finds out when it decides by the state it meets.
_FOUND = ("decision", "policies", "categories")
# A guardian acts for the dependent who is read; an admin for the one who is impersonated, or their dependent.
_ACTING_FOR = ("acting_for", "coalesce(acting_for, %(event__acting_for)s::uuid)")
# The profile was asked for, and may have turned out not to be shared.
_PROFILED = "case when exists (select from found where profiled) then {0} else array_remove({0}, '{1}') end"
_IF_PROFILED = ("categories", _PROFILED.format("%(event__categories)s::text[]", Category.PROFILE.value))
# What guardians do not see of their dependents.
_HIDDEN = f"array_append(%({_PLACES['categories']})s::text[], '{Category.CONFIDENTIAL.value}')"
_EVENT = sql.SQL("""
insert into audit.access_event ({names}, occurred_at, patients{more})
select {values}, statement_timestamp(), {patients}{found}""")
_READ = sql.SQL("""
with found as materialized ({query}),
event as ({event})
select * from found order by {order}""")
_DISCLOSING = sql.SQL("""
with found as materialized ({query}),
shown as materialized (select distinct patient_id from found where patient_id is not null),
disclosed as (
    insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
    select {event_id}, statement_timestamp(), {clinic_id}::integer, patient_id from shown
),
event as ({event})
select * from found order by {order}""")
_GATHERING = sql.SQL("""
with found as materialized ({query}),
disclosed as (
    insert into audit.disclosure_chunk (event_id, occurred_at, clinic_id, prefix, patients)
    select {event_id}, statement_timestamp(), {clinic_id}::integer, left(patient_id::text, 3), array_agg(patient_id)
    from found
    group by 4
),
event as ({event})
select count(*) as members, coalesce(string_agg(line, '' order by patient_id), '') as lines from found""")
# Of what is hidden from guardians, an event of its own: theirs tells nothing of it.
_HIDING = sql.SQL("""
with found as materialized ({query}),
disclosed as (
    insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
    select distinct
        case when confidential then %(hidden__event_id)s::uuid else {event_id}::uuid end, statement_timestamp(),
        {clinic_id}::integer, patient_id
    from found
),
event as ({event}),
hidden as ({hidden} where exists (select from found where confidential))
select * from found order by {order}""")
# An event for each row; of a question that finds nobody, one as well.
_EACH = sql.SQL("""
with found as materialized (select gen_random_uuid() as of_event, f.* from ({query}) as f),
told as materialized (select f.* from (select) as asked left join found as f on true),
event as ({event} from told){disclosed}
select * from found order by {order}""")
_EACH_DISCLOSED = sql.SQL(""",
disclosed as (
    insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
    select of_event, statement_timestamp(), clinic_id, patient_id from found where patient_id is not null
)""")
_BY_STATE = sql.SQL("""
with found as materialized ({query}),
ruled as materialized (
    select
        f.*,
        coalesce((%(ruling__decisions)s::text[])[f.state + 1], 'deny') as decision,
        string_to_array(coalesce((%(ruling__policies)s::text[])[f.state + 1], ''), ',') as policies,
        string_to_array(coalesce((%(ruling__categories)s::text[])[f.state + 1], ''), ',') as categories
    from (select) as asked
    left join (select *, {state} as state from found) as f on true
),
event as ({event} from ruled){disclosed}
select * from ruled where decision = 'permit'""")
_DISCLOSED = sql.SQL(""",
disclosed as (
    insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
    select {event_id}, statement_timestamp(), {clinic_id}::integer, patient_id from ruled where decision = 'permit'
)""")


def _text(statement: sql.Composed) -> str:
    """Without line breaks and indents it is short enough for psycopg to keep its parameters' places."""
    return " ".join(statement.as_string().split())


def _event(
    patients: sql.Composable, left_out: Sequence[str] = (), found: Sequence[tuple[str, str]] = ()
) -> sql.Composed:
    """Insert the event; `found` are columns whose value is an expression and no parameter."""
    given = {name: place for name, place in _PLACES.items() if name not in left_out}
    return _EVENT.format(
        names=sql.SQL(", ").join(map(sql.Identifier, given)),
        values=sql.SQL(", ").join(map(sql.Placeholder, given.values())),
        patients=patients,
        more=sql.SQL("".join(f", {name}" for name, _ in found)),
        found=sql.SQL("".join(f", {expression}" for _, expression in found)),
    )


_ALONE = _text(_event(sql.Literal(0)))
_ALONE_DISCLOSING = _text(
    sql.SQL("""
with disclosed as (
    insert into audit.disclosure (event_id, occurred_at, clinic_id, patient_id)
    select {event_id}, statement_timestamp(), {clinic_id}::integer, patient_id
    from unnest(%(patients)s::uuid[]) as t (patient_id)
)
{event}""").format(
        event_id=sql.Placeholder(_PLACES["event_id"]),
        clinic_id=sql.Placeholder(_PLACES["clinic_id"]),
        event=_event(sql.SQL("cardinality(%(patients)s::uuid[])")),
    )
)


def recorded(query: sql.Composable, order: sql.Composable, *, disclosing: bool, profiled: bool = False) -> str:
    """The text of one statement that reads and records: no row is returned that is not recorded.

    A disclosing query has a column `patient_id`; each patient of its rows gets a row in the log. A row of counts
    alone has none. One that is `profiled` has that column too: where no row is, the event does not name the profile
    among its categories.
    """
    return _recorded(query.as_string(), order.as_string(), disclosing, profiled)


# Putting it together takes a tenth of the time that reading a hundred patients does; texts hold no values.
@lru_cache(maxsize=512)
def _recorded(query: str, order: str, disclosing: bool, profiled: bool) -> str:
    patients = sql.SQL("(select count(*) from shown)") if disclosing else sql.Literal(0)
    event = _event(patients, ("categories",), [_IF_PROFILED]) if profiled else _event(patients)
    return (
        (_DISCLOSING if disclosing else _READ)
        .format(
            query=sql.SQL(query),
            event=event,
            event_id=sql.Placeholder(_PLACES["event_id"]),
            clinic_id=sql.Placeholder(_PLACES["clinic_id"]),
            order=sql.SQL(order),
        )
        .as_string()
    )


def recorded_gathering(query: sql.Composable) -> sql.Composed:
    """One statement that reads rows of as many patients, records each, and returns them as one row.

    The query has the columns `patient_id`, each once, and `line`, a text; they come back in the order of the ids.
    """
    return _GATHERING.format(
        query=query,
        event=_event(sql.SQL("(select count(*) from found)")),
        event_id=sql.Placeholder(_PLACES["event_id"]),
        clinic_id=sql.Placeholder(_PLACES["clinic_id"]),
    )


def recorded_hiding(query: sql.Composable, order: sql.Composable) -> sql.Composed:
    """One statement that reads and records, in an event apart whatever is hidden from guardians.

    The query has the columns `patient_id` and `confidential`; the parameter `hidden__event_id` is the event apart.
    """
    count = "(select count(distinct patient_id) from found where {})"
    apart = [("event_id", "%(hidden__event_id)s::uuid"), ("categories", _HIDDEN)]
    return _HIDING.format(
        query=query,
        event=_event(sql.SQL(count.format("not confidential"))),
        hidden=_event(sql.SQL(count.format("confidential")), ("event_id", "categories"), apart),
        event_id=sql.Placeholder(_PLACES["event_id"]),
        clinic_id=sql.Placeholder(_PLACES["clinic_id"]),
        order=order,
    )


def recorded_each(query: sql.Composable, order: sql.Composable, *, disclosing: bool = False) -> sql.Composed:
    """One statement that reads and records an event for each row, of the person whose row it is (`acting_for`).

    A disclosing query has the columns `clinic_id`, `resource_id`, `patient_id` and `confidential` too: the event names
    the clinic and what was read, and the patient is disclosed, who may be none.
    """
    found = [("event_id", f"coalesce(of_event, %({_PLACES['event_id']})s::uuid)"), _ACTING_FOR]
    if disclosing:
        categories = f"case when confidential then {_HIDDEN} else %({_PLACES['categories']})s::text[] end"
        found += [("clinic_id", "clinic_id"), ("resource_id", "resource_id"), ("categories", categories)]
    patients = "(patient_id is not null)::integer" if disclosing else "0"
    return _EACH.format(
        query=query,
        event=_event(sql.SQL(patients), [name for name, _ in found], found),
        disclosed=_EACH_DISCLOSED if disclosing else sql.SQL(""),
        order=order,
    )


def recorded_by_state(query: sql.Composable, facts: Sequence[str], *, in_clinic: bool, at_clinic: bool = False) -> str:
    """The text of one statement that reads one person, rules by the state it meets, and records that.

    The query gives one row or none, with a boolean column for each of `facts` and the columns `acting_for`
    and `consent_event_id`; in a clinic also `patient_id`; with `at_clinic` also `clinic_id`, the clinic whose auditors
    see what people themselves ask for there. Parameters `ruling__…` hold a ruling for each state. The row comes back
    if its ruling permits; where there is none, the denial is recorded.
    """
    told = (*_FOUND, "consent_event_id", *(["clinic_id"] if at_clinic else []))
    bits = [sql.SQL("({} * {}::integer)").format(2**bit, sql.Identifier(name)) for bit, name in enumerate(facts)]
    disclosed = _DISCLOSED.format(
        event_id=sql.Placeholder(_PLACES["event_id"]), clinic_id=sql.Placeholder(_PLACES["clinic_id"])
    )
    statement = _BY_STATE.format(
        query=query,
        state=sql.SQL(" + ").join(bits),
        event=_event(
            sql.SQL("(decision = 'permit')::integer"),
            (*told, "acting_for"),
            [*((name, name) for name in told), _ACTING_FOR],
        ),
        disclosed=disclosed if in_clinic else sql.SQL(""),
    )
    return _text(statement)


async def record(connection: Connection, event: Event) -> None:
    """Record an event that reads nothing: a denial, a sign-in."""
    await connection.execute(*recording(event))


def recording(event: Event, patients: Sequence[UUID] = ()) -> tuple[str, dict[str, Any]]:
    """The statement, and its parameters, that records an event together with the patients that it is about, if any."""
    if not patients:
        return _ALONE, event.parameters()
    return _ALONE_DISCLOSING, {**event.parameters(), "patients": list(dict.fromkeys(patients))}
