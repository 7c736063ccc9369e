"""The statements that find a person or a dependent of theirs, for whatever is read of them or done to them."""

from psycopg import sql

from api.recording import recorded_by_state
from policies.access.states import FACTS
from policies.words import Action

TODAY = "(statement_timestamp() at time zone 'UTC')::date"
# The rule of policies/guardianship.py, for a guardianship `g` and the dependent's profile `q`.
STANDS = f"""
g.starts_on <= {TODAY} and (g.ends_on is null or {TODAY} < g.ends_on)
and (
    g.agreed or q.birth_date is null
    or {TODAY} < (q.birth_date + make_interval(years => g.majority_age))::date
)"""
GUARDED = sql.SQL(f"""
operational.guardianship as g
inner join operational.person as p on p.person_id = g.dependent_id and p.deleted_at is null
inner join operational.person as me on me.person_id = g.guardian_id and me.deleted_at is null
inner join operational.profile as q on q.person_id = g.dependent_id
    and g.guardian_id = %(me)s and {STANDS}""")
_OWN = sql.SQL("""
select p.person_id, p.name, null::uuid as acting_for, null::uuid as consent_event_id, false as guarded, {columns}
from operational.person as p
left join operational.profile as q on q.person_id = p.person_id{keys}
where p.person_id = %(me)s and p.deleted_at is null""")
_DEPENDENT = sql.SQL("""
select p.person_id, p.name, p.person_id as acting_for, null::uuid as consent_event_id, true as guarded, {columns}
from {guarded}{keys}
where g.guardianship_id = %(dependent)s""")
# Whose records a statement is about, by whether they are one's own: oneself, or a dependent of today.
WHOSE = {
    True: sql.SQL("""(
    select p.person_id, null::uuid as acting_for, null::uuid as consent_event_id, false as guarded
    from operational.person as p where p.person_id = %(me)s and p.deleted_at is null
)"""),
    False: sql.SQL("""(
    select p.person_id, p.person_id as acting_for, null::uuid as consent_event_id, true as guarded
    from {guarded} where g.guardianship_id = %(dependent)s
)""").format(guarded=GUARDED),
}
NOTHING = sql.SQL("")


def statement(
    action: Action, read: sql.Composable, keys: sql.Composable = NOTHING, *, own: bool, at_clinic: bool = False
) -> str:
    """The statement that finds the caller (`me`) or a `dependent`, with the columns `read`, rules and records.

    `read` names the person `p` and the profile `q`; of a dependent also the guardianship `g`. With `at_clinic` it has
    the `clinic_id` that the event is to name.
    """
    query = (_OWN if own else _DEPENDENT).format(columns=read, keys=keys, guarded=GUARDED)
    return recorded_by_state(query, FACTS[action], in_clinic=False, at_clinic=at_clinic)
