"""Consent events, in the hand of the person who asks; their state, as people and as clinics see it; the texts."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from psycopg import sql

from api.gateway import Grant, PersonGrant, Work
from api.me.statements import statement
from infra.errors import NotThere, Refused
from policies.words import Action, ConsentPurpose

# How long whoever is asked to sign a new text is not told yet.
TEXTS_FOLLOW = timedelta(minutes=15)
_AT = "coalesce(%(at)s::timestamptz, statement_timestamp())"
_CONSENTS = sql.SQL(f"""
{_AT} as at,
(
    select coalesce(jsonb_agg(to_jsonb(o) order by o.clinic, o.purpose), '[]')
    from (
        select
            k.slug as clinic, v.purpose, e.event_id as event,
            e.kind, e.text_version, e.occurred_at, e.expires_at, e.channel,
            n.outdated_at, n.lapses_at, n.ends_at,
            case when e.signer_id = p.person_id then 'self' when e.signer_id <> p.person_id then 'guardian' end
            as signed_by,
            r.deleted_at is null as registered, to_jsonb(t) as text,
            t.created_at > s.created_at or n.outdated_at is not null as has_newer_text
        from operational.registration as r
        inner join operational.clinic as k on k.clinic_id = r.clinic_id
        cross join unnest(%(purposes)s::text[]) as v (purpose)
        left join lateral (
            select *
            from operational.consent_event as c
            where
                c.person_id = p.person_id and c.clinic_id = r.clinic_id and c.purpose = v.purpose
                and c.occurred_at <= {_AT}
            order by c.occurred_at desc, (c.kind = 'revoked') desc, c.expires_at, c.event_id
            limit 1
        ) as e on true
        left join lateral operational.consent_ends(
            e.clinic_id, e.person_id, e.purpose, e.text_version, e.signer_id, e.occurred_at, e.expires_at
        ) as n on e.kind = 'signed'
        left join lateral (
            select c.text_version, c.body, encode(c.sha256, 'hex') as sha256, c.required_from, c.created_at
            from operational.consent_text as c
            where c.clinic_id = r.clinic_id and c.purpose = v.purpose and not c.imported and r.deleted_at is null
            order by c.created_at desc, c.text_version desc
            limit 1
        ) as t on true
        left join operational.consent_text as s
            on s.clinic_id = e.clinic_id and s.purpose = e.purpose and s.text_version = e.text_version
        where r.person_id = p.person_id and (r.deleted_at is null or e.event_id is not null)
    ) as o
) as consents""")  # nosec B608 # constants
_AT_CLINIC = sql.SQL("""
(
    select r.clinic_id
    from operational.registration as r
    inner join operational.clinic as k on k.clinic_id = r.clinic_id
    where r.person_id = p.person_id and ({meant}) and k.slug = %(clinic)s and k.archived_at is null
) as clinic_id""")
# Patients alone sign; what was signed is its signer's to revoke, whatever the clinic did with the registration.
_MEANT = {
    Action.CONSENT_SIGN: sql.SQL("r.deleted_at is null"),
    Action.CONSENT_REVOKE: sql.SQL("""r.deleted_at is null or exists (
        select from operational.consent_event as e where e.person_id = p.person_id and e.clinic_id = r.clinic_id
    )"""),
}
_LOCK = sql.SQL("select operational.lock_clinic(k.slug) from operational.clinic as k where k.clinic_id = %(clinic_id)s")
_NEWEST = """
select text_version, encode(sha256, 'hex') as sha256
from operational.consent_text
where clinic_id = %(clinic_id)s and purpose = %(purpose)s and not imported
order by created_at desc, text_version desc limit 1"""
# Who signs and who publishes wait for each other: the one finds the new text, or is asked to sign it by the other.
_KEY = "hashtextextended('cloister.texts.' || %(clinic_id)s::integer, 0)"
_HOLD_TEXTS = sql.SQL(f"select pg_advisory_xact_lock_shared({_KEY})")
_CHANGE_TEXTS = sql.SQL(f"select pg_advisory_xact_lock({_KEY})")
_SIGN = sql.SQL(f"""
insert into operational.consent_event
    (clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at, expires_at)
select %(clinic_id)s, %(person)s, %(purpose)s, 'signed', n.text_version, %(signer)s, %(channel)s,
    clock_timestamp(), %(expires_at)s
from ({_NEWEST}) as n where n.text_version = %(text_version)s
returning event_id""")  # nosec B608 # constants
# Of what was signed last; what was revoked already, or never signed, is not revoked.
_REVOKE = sql.SQL("""
insert into operational.consent_event
    (clinic_id, person_id, purpose, kind, text_version, signer_id, channel, occurred_at)
select e.clinic_id, e.person_id, e.purpose, 'revoked', e.text_version, %(signer)s, 'app', clock_timestamp()
from operational.consent as c
inner join operational.consent_event as e on e.event_id = c.event_id
where c.clinic_id = %(clinic_id)s and c.person_id = %(person)s and c.purpose = %(purpose)s and c.state = 'signed'
returning event_id""")
_STANDING = sql.SQL("""
select
    r.patient_id, v.purpose,
    coalesce(c.state = 'signed' and c.occurred_at <= statement_timestamp(), false)
    and coalesce(c.expires_at > statement_timestamp(), true)
    and (v.purpose <> 'profile_sharing' or w.patient_id is null) as stands
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
cross join unnest(%(purposes)s::text[]) as v (purpose)
left join operational.consent as c
    on c.clinic_id = r.clinic_id and c.purpose = v.purpose and c.person_id = r.person_id
left join operational.profile_tombstone as w
    on w.clinic_id = r.clinic_id and w.patient_id = r.patient_id and w.cleared_at is null
where r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s and r.deleted_at is null""")
_TEXT = "purpose, text_version, encode(sha256, 'hex') as sha256, created_at, required_from, imported"
_TEXTS = sql.SQL(
    f"select {_TEXT} from operational.consent_text where clinic_id = %(event__clinic_id)s"  # nosec B608 # constants
)
_PUBLISH = sql.SQL(f"""
insert into operational.consent_text (clinic_id, purpose, text_version, body, sha256, created_at, required_from)
select %(clinic_id)s, %(purpose)s, %(text_version)s, %(body)s, sha256(convert_to(%(body)s, 'UTF8')), t.now,
    greatest(%(required_from)s::timestamptz, case when %(required_from)s::timestamptz is not null then t.now end)
from (select clock_timestamp() as now) as t
returning {_TEXT}""")  # nosec B608 # constants
# Whose signature stood when the text came. Sent after a while, as other texts may follow: they are one message.
_ASK_AGAIN = sql.SQL("""
insert into operational.message (message_id, kind, clinic_id, patient_id, person_id, about_id, next_try_at)
select gen_random_uuid(), 'consent_request', r.clinic_id, r.patient_id, r.person_id, r.patient_id,
    statement_timestamp() + %(after)s
from operational.consent as c
inner join operational.registration as r
    on r.clinic_id = c.clinic_id and r.person_id = c.person_id and r.deleted_at is null
where
    c.clinic_id = %(clinic_id)s and c.purpose = %(purpose)s and c.state = 'signed'
    and coalesce(c.expires_at, 'infinity') >= %(published_at)s
    and not exists (
        select from operational.message as m
        where m.clinic_id = r.clinic_id and m.about_id = r.patient_id and m.person_id = r.person_id
            and m.kind = 'consent_request' and m.state = 'pending'
    )
returning patient_id""")
_PURPOSES = [purpose.value for purpose in ConsentPurpose]


async def of_person(grant: PersonGrant, dependent: UUID | None, at: datetime | None, *, own: bool) -> dict[str, Any]:
    """The newest event of each clinic and purpose of the caller or a dependent `at` a time, with what ends it.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    return await grant.disclose(_listed(own), me=me, dependent=dependent, at=at, purposes=_PURPOSES)


async def find(work: Work, action: Action, dependent: UUID | None, clinic: str, *, own: bool) -> dict[str, Any]:
    """The caller or a dependent at a clinic where they may sign or revoke: `person_id`, `clinic_id`.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic; to revoke, nor anything signed there.
    """
    me = work.caller.principal.person_id
    found = await work.find(_at_clinic(action, own), me=me, dependent=dependent, clinic=clinic)
    if found["clinic_id"] is None:
        raise NotThere("no such thing")
    return found


async def newest_text(work: Work, clinic_id: int, purpose: ConsentPurpose) -> dict[str, Any] | None:
    """Version and digest of the text of a clinic that is signed now, if there is one."""
    rows = await work.run(sql.SQL(_NEWEST), clinic_id=clinic_id, purpose=purpose.value)
    return rows[0] if rows else None


async def sign(
    work: Work,
    *,
    clinic_id: int,
    person_id: UUID,
    purpose: ConsentPurpose,
    text_version: str,
    channel: str,
    place: str,
    expires_at: datetime | None = None,
) -> UUID:
    """Append the signature of the caller's own person, in the context of that clinic and person.

    Raises:
        Refused: the clinic has a newer text by now; names the `place`.
    """
    signer = work.caller.principal.person_id
    work.later(_HOLD_TEXTS, clinic_id=clinic_id)
    rows = await work.run(
        _SIGN, clinic_id=clinic_id, person=person_id, purpose=purpose.value,
        text_version=text_version, signer=signer, channel=channel, expires_at=expires_at,
    )  # fmt: skip
    if not rows:
        raise Refused("there is a newer text", place=place, rule="not_the_newest")
    event: UUID = rows[0]["event_id"]
    return event


async def revoke(work: Work, *, clinic_id: int, person_id: UUID, purpose: ConsentPurpose) -> UUID:
    """Append the revocation, once no writer of the clinic's mart is under way; tombstone and outbox come with it.

    Raises:
        Refused: nothing is signed.
    """
    await work.run(_LOCK, clinic_id=clinic_id)
    signer = work.caller.principal.person_id
    rows = await work.run(_REVOKE, clinic_id=clinic_id, person=person_id, purpose=purpose.value, signer=signer)
    if not rows:
        raise Refused("nothing is signed", place="body.purpose", rule="not_signed")
    event: UUID = rows[0]["event_id"]
    return event


async def standing(grant: Grant, patient: UUID | None) -> list[dict[str, Any]]:
    """Whether each consent of a patient stands now.

    Raises:
        NotThere: no such patient of the clinic.
    """
    rows = await grant.disclose(_STANDING, sql.SQL("purpose"), patient=patient, purposes=_PURPOSES)
    if not rows:
        raise NotThere("no such thing")
    return rows


async def texts(grant: Grant) -> list[dict[str, Any]]:
    """Every version of the clinic's texts, the newest first."""
    return await grant.read(_TEXTS, sql.SQL("created_at desc, purpose, text_version"))


async def publish(
    work: Work, *, clinic_id: int, purpose: ConsentPurpose, text_version: str, body: str, required_from: datetime | None
) -> dict[str, Any]:
    """Store a new version of a text; consents to older ones end when it is required.

    Raises:
        Refused: the version exists.
    """
    conflict = Refused("this version exists", place="body.text_version", rule="exists")
    await work.run(_CHANGE_TEXTS, clinic_id=clinic_id)
    rows = await work.run(
        _PUBLISH, conflict=conflict, clinic_id=clinic_id, purpose=purpose.value, text_version=text_version, body=body,
        required_from=required_from,
    )  # fmt: skip
    return rows[0]


async def ask_again(work: Work, *, clinic_id: int, purpose: ConsentPurpose, published_at: datetime) -> list[UUID]:
    """Queue a request to sign for each patient whose signature stood when a newer text was published; who they are."""
    rows = await work.run(
        _ASK_AGAIN, clinic_id=clinic_id, purpose=purpose.value, published_at=published_at, after=TEXTS_FOLLOW
    )
    return [row["patient_id"] for row in rows]


@cache
def _listed(own: bool) -> str:
    return statement(Action.CONSENT_LIST, _CONSENTS, own=own)


@cache
def _at_clinic(action: Action, own: bool) -> str:
    return statement(action, _AT_CLINIC.format(meant=_MEANT[action]), own=own, at_clinic=True)
