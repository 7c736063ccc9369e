"""What sources say of profiles, one fact a row, and the profiles that follow from them.

Conditions and allergies are sets of what stands; of insurances and blood types the newest that stands counts.
A kind of which a source has told nothing is left as it is, and so is a profile that its person edited.
"""

import polars as pl
import psycopg

from orchestration.importing.early import NO_PATIENT
from orchestration.importing.session import unchanged
from orchestration.importing.staging import stage


def load_facts(connection: psycopg.Connection, source: str, facts: pl.DataFrame) -> pl.DataFrame:
    """Store these rows' facts and bring the profiles up to date; return `line, reason` of those of no patient.

    `stage_here` has the patients of the rows.
    """
    stage(connection, "stage_fact", facts)
    refused = connection.execute(_UNKNOWN).fetchall()
    connection.execute(_STORE, [source])
    connection.execute(_SETTLE)
    connection.execute("drop table stage_fact")
    return pl.DataFrame(refused, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


_JOINED = """
from stage_fact as s
left join stage_here as here
    on here.clinic_id = s.clinic_id and here.scope = s.scope and here.source_id = s.source_id
"""
_UNKNOWN = f"""
select s.line, '{NO_PATIENT}' {_JOINED} where here.patient_id is null
"""  # nosec B608 # constants
# A fact without an id of its own is known by what it says and since when.
_STORE = f"""
insert into operational.profile_fact as f (person_id, source, kind, record_id, value, since, until)
select distinct on (person_id, kind, record_id) person_id, %s, kind, record_id, value, since, until
from (
    select here.person_id, s.kind, s.value, s.since, s.until, s.line,
        coalesce(s.record_id, encode(sha256(convert_to(concat_ws('|', s.value, s.since), 'UTF8')), 'hex')) as record_id
    {_JOINED}
    where here.patient_id is not null
) as told
order by person_id, kind, record_id, line desc
on conflict (person_id, source, kind, record_id) do update
    set value = excluded.value, since = excluded.since, until = excluded.until, changed_at = excluded.changed_at
    where (f.value, f.since, f.until) is distinct from (excluded.value, excluded.since, excluded.until)
        and {unchanged("f")}
"""  # nosec B608 # constants
_STANDS = "(f.until is null or f.until > current_date)"
_SETTLE = f"""
with told as (
    select f.person_id,
        bool_or(f.kind = 'condition') as of_conditions,
        bool_or(f.kind = 'allergy') as of_allergies,
        bool_or(f.kind = 'insurance') as of_insurances,
        bool_or(f.kind = 'blood_type') as of_blood_types,
        array_agg(distinct f.value order by f.value) filter (where f.kind = 'condition' and {_STANDS}) as conditions,
        array_agg(distinct f.value order by f.value) filter (where f.kind = 'allergy' and {_STANDS}) as allergies,
        (array_agg(f.value order by f.since desc nulls last, f.record_id desc)
            filter (where f.kind = 'insurance' and {_STANDS}))[1] as insurance_type,
        (array_agg(f.value order by f.since desc nulls last, f.record_id desc)
            filter (where f.kind = 'blood_type' and {_STANDS}))[1] as blood_type
    from operational.profile_fact as f
    where f.person_id in (select here.person_id {_JOINED} where here.patient_id is not null)
    group by f.person_id
)
update operational.profile as p
set chronic_conditions = n.chronic_conditions, allergies = n.allergies, insurance_type = n.insurance_type,
    blood_type = n.blood_type
from (
    select p.person_id,
        case when t.of_conditions then coalesce(t.conditions, '{{}}') else p.chronic_conditions end
            as chronic_conditions,
        case when t.of_allergies then coalesce(t.allergies, '{{}}') else p.allergies end as allergies,
        case when t.of_insurances then t.insurance_type else p.insurance_type end as insurance_type,
        case when t.of_blood_types then t.blood_type else p.blood_type end as blood_type
    from told as t
    inner join operational.profile as p on p.person_id = t.person_id
    where p.asserted_on is distinct from 'infinity'
) as n
where n.person_id = p.person_id
    and (p.chronic_conditions, p.allergies, p.insurance_type, p.blood_type)
        is distinct from (n.chronic_conditions, n.allergies, n.insurance_type, n.blood_type)
"""  # nosec B608 # constants
