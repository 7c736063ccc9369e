"""People, profiles and registrations. A person is found by source, scope and source id, nothing else.

What a newer source row asserts wins, whatever order the rows come in; sets made of flags unite.
"""

import polars as pl
import psycopg

from orchestration.importing.early import NO_GUARDIAN, NO_PATIENT_BORN
from orchestration.importing.known import KEY
from orchestration.importing.session import unchanged
from orchestration.importing.staging import random_ids, stage

_ASSERTED = (
    "name", "birth_date", "estimated", "sex", "blood_type", "allergies", "chronic_conditions", "insurance_type",
    "asserted_on", "asserted_by",
)  # fmt: skip


def load_people(connection: psycopg.Connection, source: str, patients: pl.DataFrame, *, unite: bool) -> None:
    """Find or make the people of these folded rows, and bring names and profiles up to date.

    Leaves the temporary table `stage_person` with `person_id` filled.
    """
    people = patients.unique(KEY).select(*KEY, *_ASSERTED)
    stage(connection, "stage_person", people.with_columns(random_ids(people.height).alias("fresh_id")))
    connection.execute("alter table stage_person add person_id uuid, add fresh boolean not null default false")
    connection.execute(_FIND, [source])
    connection.execute("update stage_person set person_id = fresh_id::uuid, fresh = true where person_id is null")
    connection.execute(
        "insert into operational.person (person_id, name) select person_id, name from stage_person where fresh"
    )
    connection.execute(_NAME_SOURCE, [source])
    connection.execute(_RENAME)
    connection.execute(_NEW_PROFILES)
    connection.execute(_UNITE_PROFILES if unite else _NEWER_PROFILES)


def load_registrations(connection: psycopg.Connection, patients: pl.DataFrame) -> None:
    """Register these folded rows' people (`stage_known`) at their clinics; the earliest day counts."""
    frame = patients.select("clinic_id", *KEY, "registered_on", "external_id")
    stage(connection, "stage_registration", frame.with_columns(random_ids(frame.height).alias("fresh_id")))
    connection.execute(_REGISTER)
    connection.execute(_EARLIER)


def load_guardians(connection: psycopg.Connection, source: str, patients: pl.DataFrame) -> pl.DataFrame:
    """Record who manages whom, where a row names a guardian of the same source; `line, reason` of who is not known.

    From birth on: by the rule of policies/guardianship.py it ends when the dependent comes of age, and
    gives nothing if that day is over. Guardians of adults come with their evidence, not with a column.
    Where a row says until when, it ends then; nothing that a row says puts an end off.
    """
    named = patients.filter(pl.col("guardian_id").is_not_null()).unique([*KEY, "guardian_id"], keep="last")
    unknown: list[tuple[int, str]] = []
    if not named.is_empty():
        until = pl.col("until") if "until" in named.columns else pl.lit(None, pl.Date).alias("until")
        stage(connection, "stage_guardian", named.select("line", *KEY, "guardian_id", "relationship", until))
        connection.execute(_GUARDIANS, {"source": source})
        connection.execute(_NO_MORE, {"source": source})
        unknown = connection.execute(_NOBODY, {"source": source}).fetchall()
        connection.execute("drop table stage_guardian")
    return pl.DataFrame(unknown, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


_FIND = """
update stage_person as s set person_id = known.person_id
from operational.person_source as known
where known.source = %s and known.scope = s.scope and known.source_id = s.source_id
"""
_NAME_SOURCE = """
insert into operational.person_source (source, scope, source_id, person_id)
select %s, scope, source_id, person_id from stage_person where fresh
"""
# Newer: asserted later, or on the same day by a higher id of the source. What people edit themselves is asserted
# on 'infinity', and no file is newer.
_IS_NEWER = """
(coalesce(s.asserted_on, '-infinity'), coalesce(s.asserted_by, '') collate "C")
    >= (coalesce(p.asserted_on, '-infinity'), coalesce(p.asserted_by, '') collate "C")
"""
_RENAME = f"""
update operational.person as person set name = s.name
from stage_person as s left join operational.profile as p on p.person_id = s.person_id
where not s.fresh and person.person_id = s.person_id and person.name <> s.name and {_IS_NEWER}
    and {unchanged("person")}
"""  # nosec B608 # constants
_NEW_PROFILES = """
insert into operational.profile (person_id, birth_date, birth_date_estimated, sex, blood_type, allergies,
    chronic_conditions, insurance_type, asserted_on, asserted_by)
select person_id, birth_date, coalesce(estimated, false), sex, blood_type, allergies, chronic_conditions,
    insurance_type, asserted_on, asserted_by
from stage_person as s
where fresh or not exists (select from operational.profile as p where p.person_id = s.person_id)
"""


def _update_profiles(conditions: str) -> str:
    return f"""
update operational.profile as known set
    birth_date = n.birth_date, birth_date_estimated = n.estimated, sex = n.sex, blood_type = n.blood_type,
    allergies = n.allergies, chronic_conditions = n.chronic_conditions, insurance_type = n.insurance_type,
    asserted_on = n.asserted_on, asserted_by = n.asserted_by
from (
    select p.person_id,
        case when newer and s.birth_date is not null then s.birth_date else p.birth_date end as birth_date,
        case when newer and s.birth_date is not null then s.estimated else p.birth_date_estimated end as estimated,
        case when newer then coalesce(s.sex, p.sex) else p.sex end as sex,
        case when newer then coalesce(s.blood_type, p.blood_type) else p.blood_type end as blood_type,
        case when newer then coalesce(s.allergies, p.allergies) else p.allergies end as allergies,
        {conditions} as chronic_conditions,
        case when newer then coalesce(s.insurance_type, p.insurance_type) else p.insurance_type end as insurance_type,
        case when newer then s.asserted_on else p.asserted_on end as asserted_on,
        case when newer then s.asserted_by else p.asserted_by end as asserted_by
    from stage_person as s
    inner join operational.profile as p on p.person_id = s.person_id
    cross join lateral (select {_IS_NEWER} and {unchanged("p")} as newer) as age
    where not s.fresh
) as n
where known.person_id = n.person_id
    and (known.birth_date, known.birth_date_estimated, known.sex, known.blood_type, known.allergies,
         known.chronic_conditions, known.insurance_type, known.asserted_on, known.asserted_by)
        is distinct from
        (n.birth_date, n.estimated, n.sex, n.blood_type, n.allergies,
         n.chronic_conditions, n.insurance_type, n.asserted_on, n.asserted_by)
"""  # nosec B608 # constants


_NEWER_PROFILES = _update_profiles(
    "case when newer then coalesce(s.chronic_conditions, p.chronic_conditions) else p.chronic_conditions end"
)
_UNITE_PROFILES = _update_profiles(
    "case when p.asserted_on = 'infinity' or p.chronic_conditions @> s.chronic_conditions then p.chronic_conditions"
    " else array(select distinct unnest(coalesce(p.chronic_conditions, '{}') || s.chronic_conditions) order by 1) end"
)
_PEOPLE_OF_STAGE = """
from stage_registration as s
inner join stage_known as known
    on known.clinic_id = s.clinic_id and known.scope = s.scope and known.source_id = s.source_id
"""
_REGISTER = f"""
insert into operational.registration (patient_id, clinic_id, person_id, external_id, registered_on)
select s.fresh_id::uuid, s.clinic_id, known.person_id, s.external_id, s.registered_on
{_PEOPLE_OF_STAGE}
where not exists (
    select from operational.registration as r
    where r.clinic_id = s.clinic_id and r.person_id = known.person_id
)
"""  # nosec B608 # constants
_EARLIER = f"""
update operational.registration as r set
    registered_on = least(r.registered_on, s.registered_on), external_id = coalesce(s.external_id, r.external_id)
{_PEOPLE_OF_STAGE}
where r.clinic_id = s.clinic_id and r.person_id = known.person_id and r.deleted_at is null
    and (s.registered_on < r.registered_on or s.external_id <> r.external_id
         or (r.external_id is null and s.external_id is not null))
"""  # nosec B608 # constants
_OF_STAGE = """
from stage_guardian as s
inner join operational.person_source as dependent
    on dependent.source = %(source)s and dependent.scope = s.scope and dependent.source_id = s.source_id
inner join operational.person_source as guardian
    on guardian.source = %(source)s and guardian.scope = s.scope and guardian.source_id = s.guardian_id"""
_NOBODY = f"""
select s.line, case when guardian.person_id is null then '{NO_GUARDIAN}' else '{NO_PATIENT_BORN}' end
from stage_guardian as s
left join operational.person_source as guardian
    on guardian.source = %(source)s and guardian.scope = s.scope and guardian.source_id = s.guardian_id
left join operational.person_source as dependent
    on dependent.source = %(source)s and dependent.scope = s.scope and dependent.source_id = s.source_id
left join operational.profile as profile on profile.person_id = dependent.person_id
where guardian.person_id is null or profile.birth_date is null
"""  # nosec B608 # constants
_GUARDIANS = f"""
insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on, ends_on)
select guardian.person_id, dependent.person_id, coalesce(s.relationship, 'guardian'), profile.birth_date,
    case when s.until is not null then greatest(s.until, profile.birth_date) end
{_OF_STAGE}
inner join operational.profile as profile
    on profile.person_id = dependent.person_id and profile.birth_date is not null
where guardian.person_id <> dependent.person_id and not exists (
    select from operational.guardianship as g
    where g.guardian_id = guardian.person_id and g.dependent_id = dependent.person_id
)
"""  # nosec B608 # constants
_NO_MORE = f"""
update operational.guardianship as g set ends_on = told.until
from (select guardian.person_id as guardian_id, dependent.person_id as dependent_id, s.until {_OF_STAGE}) as told
where g.guardian_id = told.guardian_id and g.dependent_id = told.dependent_id
    and told.until >= g.starts_on and (g.ends_on is null or g.ends_on > told.until)
"""  # nosec B608 # constants
