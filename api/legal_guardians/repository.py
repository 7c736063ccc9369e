"""Guardians by law in the database: found in the context of the clinic, changed in that of the adult."""

import hashlib
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api import sealing
from api.families.invitation_repository import LEGAL_PURPOSE as PURPOSE
from api.gateway import Grant, Work
from api.me.statements import STANDS, TODAY
from infra.encryption.codec import Place
from infra.encryption.columns import LEGAL_GUARDIAN
from infra.encryption.field_codec import FieldCodec
from infra.errors import NotThere, Refused
from policies.words import DeletionReason, LegalBasis

MOST = 200
# As long a proposal waits to be confirmed, and then its code to be used.
LASTS = timedelta(days=7)

_LIVE = f"""
i.revoked_at is null and i.ends_on > {TODAY} and (i.redeemed_at is not null or i.expires_at > clock_timestamp())"""
_STANDING = f"""exists (
    select from operational.guardianship as g left join operational.profile as q on q.person_id = g.dependent_id
    where g.guardianship_id = i.guardianship_id and {STANDS}
)"""  # nosec B608 # constants
_STATE = f"""case
    when not ({_LIVE}) or (i.redeemed_at is not null and not {_STANDING}) then 'ended'
    when i.redeemed_at is not null then 'redeemed'
    when i.confirmed_at is not null then 'confirmed'
    else 'proposed' end"""  # nosec B608 # constants
_PROPOSE = sql.SQL("""
insert into operational.guardian_invitation
    (invitation_id, dependent_id, clinic_id, contact, made_at, expires_at, basis, ends_on, recorded_by)
select %(invitation)s, %(dependent)s, %(clinic)s, %(contact)s, t.now, t.now + %(lasts)s, %(basis)s, %(ends_on)s, %(by)s
from (select clock_timestamp() as now) as t
returning invitation_id as id, expires_at""")
# As long whom an admin made a manager confirms nothing: two admins together have no manager of theirs at once, and
# who looks through the rights meanwhile sees one.
NEW_MANAGER_DAYS = 30
# Why somebody may not confirm it: they proposed it, or were made a manager by who did, or by any admin of late.
_BARRED = f"""(
    select case
        when i.recorded_by = %(by)s or bool_or(m.given_by = i.recorded_by) then 'own_proposal'
        when bool_or(
            m.given_by is not null and m.granted_at > statement_timestamp() - interval '{NEW_MANAGER_DAYS} days'
        ) then 'new_manager'
        end
    from operational.principal_role as m
    where m.principal_id = %(by)s and m.role = 'clinic_manager' and m.clinic_id = i.clinic_id and m.revoked_at is null
)"""  # nosec B608 # a constant
_AT_CLINIC = sql.SQL(f"""
select i.invitation_id as id, i.dependent_id, i.contact, r.patient_id as patient, {_BARRED} as barred
from operational.guardian_invitation as i
left join operational.registration as r
    on r.clinic_id = i.clinic_id and r.person_id = i.dependent_id and r.deleted_at is null
where i.clinic_id = %(clinic)s and i.basis is not null and (%(only)s::uuid is null or i.invitation_id = %(only)s)""")  # nosec B608 # a constant
# Which of the redeemed have ended is known in the adult's context alone: they come last, and keep none from being seen
# that somebody is to decide about.
_LIST = sql.SQL(f"""{{}} and {_LIVE}
order by i.contested_at is null, i.redeemed_at is not null, i.made_at desc, i.invitation_id
limit %(most)s""").format(_AT_CLINIC)  # nosec B608 # constants
_SHOW = sql.SQL(f"""
select {_STATE} as state, i.basis, i.ends_on as until, i.made_at as proposed_at, i.contested_at, p.name
from operational.guardian_invitation as i
left join operational.person as p on p.person_id = i.dependent_id
where i.invitation_id = %(invitation)s""")  # nosec B608 # constants
# Whatever was asked before: two accounts, or nothing.
_CONFIRM = sql.SQL(f"""
update operational.guardian_invitation as i set
    confirmed_by = %(by)s, confirmed_at = t.now, document = %(document)s, code_hash = %(code_hash)s,
    expires_at = t.now + %(lasts)s
from (select clock_timestamp() as now) as t
where i.invitation_id = %(invitation)s and i.confirmed_at is null and {_LIVE} and {_BARRED} is null
    and exists (select from operational.registration as r
                where r.clinic_id = i.clinic_id and r.person_id = i.dependent_id and r.deleted_at is null)
returning i.invitation_id as id, i.expires_at""")  # nosec B608 # constants
_REVOKE = sql.SQL(f"""
update operational.guardian_invitation as i
set revoked_at = clock_timestamp(), revoked_by = %(by)s, revoke_reason = %(reason)s, contact = null
where i.invitation_id = %(invitation)s and i.redeemed_at is null and {_LIVE}
returning i.invitation_id""")  # nosec B608 # constants
_STANDS_BY = sql.SQL("""
select guardianship_id from operational.guardian_invitation
where invitation_id = %(invitation)s and redeemed_at is not null and guardianship_id is not null""")
_CONTEST = sql.SQL(f"""
update operational.guardian_invitation as i set contested_at = clock_timestamp()
where i.invitation_id = %(invitation)s and i.dependent_id = %(me)s and i.basis is not null and i.contested_at is null
    and {_STATE} <> 'ended'
returning i.invitation_id as id, i.contested_at, i.clinic_id""")  # nosec B608 # constants
_OWN = sql.SQL(f"""
select i.invitation_id as id, k.slug as clinic, {_STATE} as state, i.basis, i.ends_on as until,
    i.made_at as proposed_at, i.contested_at
from operational.guardian_invitation as i
left join operational.clinic as k on k.clinic_id = i.clinic_id
where i.dependent_id = %(me)s and i.basis is not null""")  # nosec B608 # constants
# Who has no account of a person has no address either: they see it on their pages.
_WATCHING = sql.SQL("""
select distinct p.person_id
from operational.principal_role as r
inner join operational.principal as p on p.principal_id = r.principal_id
where
    (r.role = 'platform_admin' or (r.role = 'clinic_manager' and r.clinic_id = %(clinic)s)) and r.revoked_at is null
    and p.disabled_at is null and p.person_id is not null
order by p.person_id""")


async def propose(
    work: Work, codec: FieldCodec, dependent: UUID, basis: LegalBasis, ends_on: date, email: str
) -> dict[str, Any]:
    """Keep that somebody is to be an adult's guardian by law, in the adult's context; it gives nothing yet."""
    invitation = uuid4()
    newest, *_ = await sealing.purpose_keys(work, codec, PURPOSE)
    sealed = codec.seal(newest, _place(invitation), email.encode())
    by = work.caller.principal.principal_id
    (row,) = await work.run(
        _PROPOSE, invitation=invitation, dependent=dependent, clinic=work.clinic_id, contact=sealed, lasts=LASTS,
        basis=basis.value, ends_on=ends_on, by=by,
    )  # fmt: skip
    return row


async def at_clinic(work: Work, codec: FieldCodec, *, naming: bool) -> list[dict[str, Any]]:
    """What is proposed, confirmed or stands at the work's clinic; with `naming` whom it is about and the address."""
    by = work.caller.principal.principal_id
    rows = await work.run(_LIST, clinic=work.clinic_id, only=None, most=MOST, by=by)
    await work.record(*(row["patient"] for row in rows if row["patient"]))
    keys = await sealing.purpose_keys(work, codec, PURPOSE)
    found = []
    for row in rows:
        await work.serve(row["dependent_id"])
        (shown,) = await work.run(_SHOW, invitation=row["id"])
        name, email = shown.pop("name"), None
        if naming and row["contact"] is not None:
            email = codec.open(keys, _place(row["id"]), row["contact"]).decode()
        named = {"name": name, "email": email} if naming and row["patient"] else {}
        if shown["state"] != "ended":
            found.append(
                {"id": row["id"], "patient": row["patient"], "own": row["barred"] is not None, **shown, **named}
            )
    return found


async def find(work: Work, invitation: UUID | None) -> dict[str, Any]:
    """One of the work's clinic, recorded as a disclosure of its patient; the work goes on as the adult.

    Raises:
        NotThere: no such one at this clinic.
    """
    by = work.caller.principal.principal_id
    rows = await work.run(_AT_CLINIC, clinic=work.clinic_id, only=invitation, by=by) if invitation else []
    if not rows:
        raise NotThere("no such thing")
    await work.record(*(row["patient"] for row in rows if row["patient"]))
    await work.serve(rows[0]["dependent_id"])
    return rows[0]


async def confirm(work: Work, codec: FieldCodec, found: dict[str, Any], document: str, code: str) -> dict[str, Any]:
    """Confirm a proposal; of the code that it has from then on its digest alone is kept. With the guardian's `email`.

    Raises:
        NotThere: it is confirmed, over or ended, or the adult is no patient of the clinic any more.
        Refused: the caller proposed it, or was made a manager by who did, or by an admin of late.
    """
    by = work.caller.principal.principal_id
    if found["barred"]:
        raise Refused("somebody else's to confirm", place="path.legal_guardian", rule=found["barred"])
    code_hash = hashlib.sha256(code.encode()).digest()
    rows = await work.run(_CONFIRM, invitation=found["id"], by=by, document=document, code_hash=code_hash, lasts=LASTS)
    if not rows:
        raise NotThere("no such thing")
    keys = await sealing.purpose_keys(work, codec, PURPOSE)
    return {**rows[0], "email": codec.open(keys, _place(found["id"]), found["contact"]).decode()}


async def revoke(work: Work, invitation: UUID, reason: DeletionReason) -> bool:
    """Take back what nobody has redeemed; False if there is no such."""
    by = work.caller.principal.principal_id
    return bool(await work.run(_REVOKE, invitation=invitation, by=by, reason=reason.value))


async def guardianship_of(work: Work, invitation: UUID) -> UUID | None:
    """The guardianship that it became."""
    rows = await work.run(_STANDS_BY, invitation=invitation)
    return rows[0]["guardianship_id"] if rows else None


async def contest(work: Work, invitation: UUID | None) -> dict[str, Any]:
    """Note that the caller, in whose context the work is, says that this is not so.

    Raises:
        NotThere: no such one of the caller's that has not ended, or contested already.
    """
    rows = await work.run(_CONTEST, invitation=invitation, me=work.caller.principal.person_id)
    if not rows:
        raise NotThere("no such thing")
    return rows[0]


async def watching(work: Work, clinic_id: int | None) -> list[UUID]:
    """Admins, and managers of a clinic, who have an account of a person."""
    return [row["person_id"] for row in await work.run(_WATCHING, clinic=clinic_id)]


async def own(grant: Grant) -> list[dict[str, Any]]:
    """The caller's guardians by law, whatever became of them."""
    me = grant.caller.principal.person_id
    return await grant.read(_OWN, sql.SQL("proposed_at desc, id"), me=me)


def _place(invitation: UUID) -> Place:
    return Place(LEGAL_GUARDIAN.place, "contact", str(invitation))
