"""Brought records in the database: kept once for a patient, encrypted, and never part of anything else."""

from functools import cache
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api.gateway import PersonGrant, Work
from api.handovers.schemas import Channel
from api.me.statements import WHOSE, statement
from api.profiles.columns import TREATED
from api.recording import recorded_by_state
from api.sealing import purpose_keys
from infra.encryption.codec import Place
from infra.encryption.data_keys import KEY_ARRAYS
from infra.encryption.field_codec import FieldCodec
from infra.exports.verify import Verified
from policies.access.states import FACTS
from policies.patient_export import Digest
from policies.words import Action

PURPOSE = "brought"
TABLE = "operational.brought_record"
_ENTRY = sql.SQL("""
b.brought_id as id, b.issuer, b.origin, b.made_at, encode(b.digest, 'hex') as digest, b.channel, b.confidential,
b.received_at""")
_OWN = sql.SQL("""
select w.*, r.clinic_id, r.patient_id, p.name, q.birth_date
from {whose} as w
inner join operational.person as p on p.person_id = w.person_id
inner join operational.registration as r on r.person_id = w.person_id and r.deleted_at is null
inner join operational.clinic as c on c.clinic_id = r.clinic_id and c.slug = %(clinic)s and c.archived_at is null
left join operational.profile as q on q.person_id = w.person_id""")
# Whether the patient of a registration `r` shares the profile with its clinic.
_SHARING = sql.SQL("""
left join operational.consent as s
    on s.clinic_id = r.clinic_id and s.purpose = 'profile_sharing' and s.person_id = r.person_id
left join operational.profile_tombstone as w
    on w.clinic_id = r.clinic_id and w.patient_id = r.patient_id and w.cleared_at is null
cross join lateral (
    select
        coalesce(s.state = 'signed' and s.occurred_at <= statement_timestamp(), false)
        and coalesce(s.expires_at > statement_timestamp(), true) and w.patient_id is null as shared
) as x""")
_CONSENTED = sql.SQL("x.shared, case when x.shared then s.event_id end as consent_event_id")
# The birth date is none of a clinic's business unless it is shared with it. At the desk anybody may stand.
_REGISTERED = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, true as confidential, {consented}, p.name, q.birth_date
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null{sharing}
left join operational.profile as q on q.person_id = r.person_id and x.shared
where r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s and r.deleted_at is null""").format(
    consented=_CONSENTED, sharing=_SHARING
)
# Of two that bring the same at once, the second waits and finds the first's.
_HOLD = sql.SQL("""
select from operational.registration
where clinic_id = operational.context_clinic() and patient_id = %(patient)s for no key update""")
_FOUND = sql.SQL("""
select {entry} from operational.brought_record as b
where
    b.clinic_id = operational.context_clinic() and b.patient_id = %(patient)s
    and b.digest = decode(%(digest)s, 'hex') and b.deleted_at is null
    and (%(guardian)s::uuid is null or b.brought_by = %(guardian)s)
order by b.received_at, b.brought_id limit 1""").format(entry=_ENTRY)
_STORE = sql.SQL("""
insert into operational.brought_record as b
    (clinic_id, brought_id, patient_id, issuer, origin, made_at, digest, content, channel, confidential, brought_by)
values (operational.context_clinic(), %(brought)s, %(patient)s, %(issuer)s, %(origin)s, %(made_at)s,
    decode(%(digest)s, 'hex'), %(content)s, %(channel)s, %(confidential)s, %(brought_by)s)
returning {entry}""").format(entry=_ENTRY)
_OF_PATIENT = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, null::uuid as consent_event_id, {treated} as treated,
    exists (
        select from operational.brought_record as b
        where b.clinic_id = r.clinic_id and b.patient_id = r.patient_id and b.deleted_at is null
            and b.confidential
    ) as confidential,
    (
        select coalesce(jsonb_agg(to_jsonb(s) order by s.received_at desc, s.id), '[]')
        from (
            select {entry} from operational.brought_record as b
            where b.clinic_id = r.clinic_id and b.patient_id = r.patient_id and b.deleted_at is null
        ) as s
    ) as records
from operational.registration as r
inner join operational.person as p on p.person_id = r.person_id and p.deleted_at is null
where r.clinic_id = %(event__clinic_id)s and r.patient_id = %(patient)s and r.deleted_at is null""").format(
    treated=TREATED, entry=_ENTRY
)
_OWN_LIST = sql.SQL("""
(
    select coalesce(jsonb_agg(to_jsonb(s) order by s.received_at desc, s.id), '[]')
    from (
        select c.slug as clinic, {entry}
        from operational.registration as r
        inner join operational.clinic as c on c.clinic_id = r.clinic_id
        inner join operational.brought_record as b on b.clinic_id = r.clinic_id and b.patient_id = r.patient_id
        where r.person_id = p.person_id and r.deleted_at is null and b.deleted_at is null
    ) as s
) as records""").format(entry=_ENTRY)
_CONTENT = sql.SQL("""
select
    r.patient_id, r.person_id, null::uuid as acting_for, {consented}, {treated} as treated,
    {entry}, b.content, k.*
from operational.brought_record as b
inner join operational.registration as r on r.clinic_id = b.clinic_id and r.patient_id = b.patient_id
inner join operational.person as p on p.person_id = r.person_id{sharing}
cross join lateral (
    select {keys} from operational.data_key where purpose = {purpose} and retired_at is null
) as k
where
    b.clinic_id = %(event__clinic_id)s and b.brought_id = %(brought)s
    and b.deleted_at is null and r.deleted_at is null and p.deleted_at is null""").format(
    treated=TREATED,
    entry=_ENTRY,
    keys=sql.SQL(KEY_ARRAYS),
    purpose=sql.Literal(PURPOSE),
    consented=_CONSENTED,
    sharing=_SHARING,
)


async def whose(work: Work, action: Action, dependent: UUID | None, clinic: str, *, own: bool) -> dict[str, Any]:
    """The caller or a dependent as a patient of a clinic: `name`, `birth_date`; the work goes on for both.

    Raises:
        NotThere: no such dependent of today, or no patient of that clinic.
    """
    me = work.caller.principal.person_id
    row = await work.find(_own(action, own), me=me, dependent=dependent, clinic=clinic)
    work.name_clinic(row["clinic_id"])
    return row


async def registered(work: Work, action: Action, patient: UUID | None) -> dict[str, Any]:
    """A patient of the work's clinic: `name`, whether the profile is `shared`, and the `birth_date` where it is.

    Raises:
        NotThere: no such patient.
    """
    return await work.find(_registered(action), patient=patient)


async def brought(work: Work, patient: UUID, digest: str, channel: Channel) -> dict[str, Any] | None:
    """What was brought by that name already; from here on nobody else brings the patient anything until the end.

    A guardian learns only of what they brought themselves.
    """
    guardian = work.caller.principal.person_id if channel is Channel.GUARDIAN else None
    await work.run(_HOLD, patient=patient)
    rows = await work.run(_FOUND, patient=patient, digest=digest, guardian=guardian)
    return rows[0] if rows else None


async def store(work: Work, codec: FieldCodec, patient: UUID, found: Verified, channel: Channel) -> dict[str, Any]:
    """Keep an export as a record of the work's clinic."""
    own, said = uuid4(), found.manifest
    newest, *_ = await purpose_keys(work, codec, PURPOSE)
    rows = await work.run(
        _STORE,
        brought=own,
        patient=patient,
        issuer=said.issuer,
        origin=said.clinic,
        made_at=said.created,
        digest=Digest.of(found.package.manifest).sha256,
        content=codec.seal(newest, Place(TABLE, "content", str(own)), found.package.kept()),
        channel=channel.value,
        confidential=channel is not Channel.GUARDIAN or found.contents.restricted,
        brought_by=None if channel is Channel.STAFF else work.caller.principal.person_id,
    )
    return rows[0]


async def of_patient(grant: PersonGrant, patient: UUID | None) -> list[dict[str, Any]]:
    """What a patient brought to the clinic.

    Raises:
        NotThere: no such patient, or not the caller's to ask for.
    """
    found: list[dict[str, Any]] = (await grant.disclose(_of_patient(), patient=patient))["records"]
    return found


async def own_list(grant: PersonGrant, dependent: UUID | None, *, own: bool) -> list[dict[str, Any]]:
    """What the caller brought to clinics, or for a dependent.

    Raises:
        NotThere: no such dependent, or not the caller's today.
    """
    me = grant.caller.principal.person_id
    found: list[dict[str, Any]] = (await grant.disclose(_own_list(own), me=me, dependent=dependent))["records"]
    return found


async def content(grant: PersonGrant, brought: UUID | None) -> dict[str, Any]:
    """One record with its content, sealed, and the keys of its purpose.

    Raises:
        NotThere: no such record of the clinic, or not of a patient whom the caller treats.
    """
    return await grant.disclose(_content(), brought=brought)


@cache
def _own(action: Action, own: bool) -> str:
    return recorded_by_state(_OWN.format(whose=WHOSE[own]), FACTS[action], in_clinic=False, at_clinic=True)


@cache
def _registered(action: Action) -> str:
    return recorded_by_state(_REGISTERED, FACTS[action], in_clinic=True)


@cache
def _of_patient() -> str:
    return recorded_by_state(_OF_PATIENT, FACTS[Action.HANDOVER_LIST], in_clinic=True)


@cache
def _own_list(own: bool) -> str:
    return statement(Action.OWN_HANDOVER_LIST, _OWN_LIST, own=own)


@cache
def _content() -> str:
    return recorded_by_state(_CONTENT, FACTS[Action.HANDOVER_READ], in_clinic=True)
