"""Consents of an import: events with their evidence, or, in a demo, assumed."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl
import psycopg

from orchestration.importing.early import NO_PATIENT, NO_SIGNER, NOT_THEIR_SIGNER
from orchestration.importing.known import KEY
from orchestration.importing.staging import stage

ASSUMED = "assumed"
_ASSUMED_TEXT = "Assumed for demonstration; nobody signed this."


def store_texts(connection: psycopg.Connection, clinic_ids: Iterable[int], texts: Mapping[Any, dict[str, str]]) -> None:
    """Store the consent texts that the mapping brings, for each clinic."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, imported)"
            " values (%s, %s, %s, %s, %s, true) on conflict do nothing",
            [
                (clinic_id, purpose, version, body, hashlib.sha256(body.encode()).digest())
                for clinic_id in sorted(clinic_ids)  # or two imports might wait for each other
                for purpose, versions in texts.items()
                for version, body in versions.items()
            ],
        )


def store_assumed_text(connection: psycopg.Connection, patients: pl.DataFrame) -> None:
    """Store, for each clinic of these rows, what it is that nobody signed."""
    store_texts(connection, patients["clinic_id"].unique(), {"profile_sharing": {ASSUMED: _ASSUMED_TEXT}})


def assume(connection: psycopg.Connection, patients: pl.DataFrame) -> None:
    """Sign profile sharing for everyone of these rows who has no consent event yet. Demo mode only."""
    store_assumed_text(connection, patients)
    stage(connection, "stage_assumed", patients.select("clinic_id", *KEY).unique())
    connection.execute(_ASSUME, [ASSUMED])


def load_consents(connection: psycopg.Connection, consents: pl.DataFrame) -> pl.DataFrame:
    """Append the events of these rows; return `line, reason` of those whose person, signer or text is unknown.

    A signature that is there already ends sooner when a row says so; nothing prolongs it.
    """
    stage(connection, "stage_consent", consents)
    refused = connection.execute(_UNKNOWN).fetchall()
    connection.execute(_APPEND)
    connection.execute(_SHORTEN)
    connection.execute(_END)
    return pl.DataFrame(refused, schema={"line": pl.Int64, "reason": pl.String}, orient="row")


# The id is made of what names the event, so that importing it again changes nothing.
_ASSUME = """
insert into operational.consent_event
    (event_id, clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)
select md5(concat_ws('|', 'assumed', r.clinic_id, r.person_id))::uuid, r.clinic_id, r.person_id,
    'profile_sharing', 'signed', %s, r.person_id, 'assumed', r.registered_on
from stage_assumed as s
inner join stage_here as here
    on here.clinic_id = s.clinic_id and here.scope = s.scope and here.source_id = s.source_id
inner join operational.registration as r on r.clinic_id = here.clinic_id and r.patient_id = here.patient_id
where not exists (
    select from operational.consent as c
    where c.person_id = here.person_id and c.clinic_id = here.clinic_id and c.purpose = 'profile_sharing'
)
"""
_JOINED = f"""
from stage_consent as s
left join stage_here as here
    on here.clinic_id = s.clinic_id and here.scope = s.scope and here.source_id = s.source_id
left join stage_here as signer
    on signer.clinic_id = s.clinic_id and signer.scope = s.scope and signer.source_id = s.signer_id
left join operational.profile as f on f.person_id = here.person_id
-- One that stood on the day of the signature, by the rule of policies/guardianship.py.
left join operational.guardianship as g
    on g.guardian_id = signer.person_id and g.dependent_id = here.person_id
    and (s.occurred_at at time zone 'UTC')::date >= g.starts_on
    and ((s.occurred_at at time zone 'UTC')::date < g.ends_on) is not false
    and (
        g.agreed
        or (s.occurred_at at time zone 'UTC')::date < f.birth_date + make_interval(years => g.majority_age)
    ) is not false
left join operational.consent_text as t
    on t.clinic_id = s.clinic_id and t.purpose = s.purpose and t.text_version = s.text_version
cross join lateral (
    select md5(concat_ws('|', here.clinic_id, here.person_id, s.purpose, s.kind, s.text_version,
                         extract(epoch from s.occurred_at)))::uuid as event_id
) as named
-- Until when a signature that is there stands, by the soonest of the ends that were told of it; null: it is not there.
cross join lateral (
    select min(coalesce(e.expires_at, 'infinity')) as expires_at
    from operational.consent_event as e
    where e.person_id = here.person_id and e.clinic_id = here.clinic_id and e.purpose = s.purpose and e.kind = s.kind
        and e.text_version = s.text_version and e.occurred_at = s.occurred_at
) as there
cross join lateral (
    select case
        when here.patient_id is null then '{NO_PATIENT}'
        when signer.person_id is null then '{NO_SIGNER}'
        when signer.person_id <> here.person_id and g.guardian_id is null
            then '{NOT_THEIR_SIGNER}'
        when t.text_version is null then 'text_version: is unknown'
        when s.occurred_at > statement_timestamp() then 'occurred_at: is in the future'
    end as reason
) as verdict
"""  # nosec B608 # constants
_UNKNOWN = f"select s.line, verdict.reason {_JOINED} where verdict.reason is not null"  # nosec B608 # constants
_APPEND = f"""
insert into operational.consent_event
    (event_id, clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at, expires_at)
select distinct on (named.event_id) named.event_id, here.clinic_id, here.person_id, s.purpose, s.kind, s.text_version,
    signer.person_id, coalesce(s.channel, 'import'), s.occurred_at, s.expires_at
{_JOINED}
where verdict.reason is null and there.expires_at is null
order by named.event_id, s.expires_at
"""  # nosec B608 # constants
# Signatures stay as they were recorded. One that is to end sooner is recorded once more, with that end: a revocation
# has no day ahead, and would end what is signed until then as well. One that has ended by now was revoked.
_SHORTEN = f"""
insert into operational.consent_event
    (event_id, clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at, expires_at)
select distinct on (named.event_id)
    md5(concat_ws('|', named.event_id, 'until', extract(epoch from s.expires_at)))::uuid, here.clinic_id,
    here.person_id, s.purpose, s.kind, s.text_version, signer.person_id, coalesce(s.channel, 'import'), s.occurred_at,
    s.expires_at
{_JOINED}
where verdict.reason is null and s.kind = 'signed' and s.expires_at < there.expires_at
    and s.expires_at > statement_timestamp()
order by named.event_id, s.expires_at
"""  # nosec B608 # constants
_END = f"""
insert into operational.consent_event
    (event_id, clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)
select distinct on (named.event_id) md5(concat_ws('|', named.event_id, 'ended'))::uuid, here.clinic_id, here.person_id,
    s.purpose, 'revoked', s.text_version, signer.person_id, coalesce(s.channel, 'import'), s.expires_at
{_JOINED}
where verdict.reason is null and s.expires_at < there.expires_at and s.expires_at <= statement_timestamp()
order by named.event_id, s.expires_at
on conflict do nothing
"""  # nosec B608 # constants
