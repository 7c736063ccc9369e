"""Invitations to become a guardian, each in the context of the dependent it is about."""

import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg import sql

from api import sealing
from api.families.repository import STANDING, is_of_age
from api.gateway import Work
from api.me.statements import TODAY
from api.problems import NotSignedIn
from api.verifications import people_repository as people
from infra.encryption.codec import Place
from infra.encryption.columns import LEGAL_GUARDIAN
from infra.encryption.contacts import indexed
from infra.encryption.field_codec import FieldCodec
from infra.errors import NotThere, Refused

INVITED_FOR = timedelta(days=7)
# Under whose keys the address stands that a code by law goes to.
LEGAL_PURPOSE = "verification"
# By a sign-in that is good still, and that nothing ends meanwhile. Tokens are dated by the second: what is made in that
# of a new password is as well.
_INVITE = sql.SQL("""
insert into operational.guardian_invitation (invitation_id, dependent_id, made_by, code_hash, made_at, expires_at)
select %(invitation)s, %(dependent)s, %(by)s, %(code_hash)s, t.now, t.now + %(lasts)s
from (
    select greatest(clock_timestamp(), p.tokens_valid_from) as now from operational.principal as p
    where p.principal_id = %(principal)s and p.tokens_valid_from is not distinct from %(since)s for share
) as t
returning invitation_id as id, expires_at""")
# One's own, whoever made it; for a dependent what one made oneself. What is used, over or taken back is none.
# One by law is the clinic's to end: the adult contests it, which those who can end it are told of.
_UNINVITE = sql.SQL("""
update operational.guardian_invitation set revoked_at = clock_timestamp()
where
    invitation_id = %(invitation)s and dependent_id = %(dependent)s and (%(own)s or made_by = %(by)s)
    and basis is null and redeemed_at is null and revoked_at is null and expires_at > clock_timestamp()
returning invitation_id""")
_PRESENT = sql.SQL("select set_config('cloister.presented_code', %(code_hash)s, true)")
_PRESENTED = sql.SQL("""
select invitation_id, dependent_id, made_by, basis, contact from operational.guardian_invitation
where encode(code_hash, 'hex') = %(code_hash)s""")
# Good while whoever made it may make it, signed in as they were then: the dependent, or who is their guardian still.
# Nobody made one by law, and whoever proposed or confirmed it, or administers the platform, is not who it is for.
_REDEEM = sql.SQL(f"""
update operational.guardian_invitation as i
set redeemed_at = clock_timestamp(), redeemed_by = %(me)s, contact = null
where
    i.invitation_id = %(invitation)s and i.redeemed_at is null and i.revoked_at is null
    and i.expires_at > clock_timestamp()
    and not exists (
        select from operational.principal as p where p.person_id = i.made_by and p.tokens_valid_from > i.made_at
    )
    and (
        i.made_by = i.dependent_id
        or (
            i.ends_on > {TODAY} and i.confirmed_at is not null
            and %(principal)s not in (i.recorded_by, i.confirmed_by)
            and not exists (
                select from operational.principal_role as r
                where r.principal_id = %(principal)s and r.role = 'platform_admin' and r.revoked_at is null
            )
        )
        or exists (select {STANDING} and g.dependent_id = i.dependent_id and g.guardian_id = i.made_by)
    )
returning invitation_id, made_by, basis, ends_on""")  # nosec B608 # constants
_BEGAN = sql.SQL("""
update operational.guardian_invitation set guardianship_id = %(guardianship)s
where invitation_id = %(invitation)s and basis is not null""")


@dataclass(frozen=True)
class Invited:
    """Of whom somebody becomes a guardian: invited by whom, or by law until when; `agreed` of an adult."""

    dependent: UUID
    invitation_id: UUID
    made_by: UUID | None
    basis: str | None
    ends_on: date | None
    agreed: bool


async def invite(work: Work, dependent: UUID, code: str) -> dict[str, Any]:
    """Store an invitation to become a guardian; of the code its digest alone.

    Raises:
        NotSignedIn: the caller's password or codes were replaced meanwhile.
    """
    asking = work.caller.principal
    rows = await work.run(
        _INVITE, invitation=uuid4(), dependent=dependent, by=asking.person_id, code_hash=_digest(code),
        lasts=INVITED_FOR, principal=asking.principal_id, since=asking.since,
    )  # fmt: skip
    if not rows:
        raise NotSignedIn("signed in no more")
    return rows[0]


async def uninvite(work: Work, dependent: UUID, invitation: UUID | None, *, own: bool) -> None:
    """Take an invitation back.

    Raises:
        NotThere: no such invitation that is still good, or not the caller's to take back.
    """
    by = work.caller.principal.person_id
    if not await work.run(_UNINVITE, invitation=invitation, dependent=dependent, by=by, own=own):
        raise NotThere("no such thing")


async def redeem(work: Work, codec: FieldCodec, code: str) -> Invited:
    """Use up an invitation, and go on as its dependent.

    Raises:
        NotThere: no such code, or it is used, over, from somebody who may not invite (any more), or by law and not the
            caller's, who would have proven the address that it went to.
        Refused: the caller is the dependent.
    """
    presented = _digest(code).hex()
    await work.run(_PRESENT, code_hash=presented)
    rows = await work.run(_PRESENTED, code_hash=presented)
    if not rows:
        raise NotThere("no such thing")
    if rows[0]["basis"] is not None:
        await _check_address(work, codec, rows[0])
    dependent: UUID = rows[0]["dependent_id"]
    await work.serve(dependent)
    me, principal = work.caller.principal.person_id, work.caller.principal.principal_id
    used = await work.run(_REDEEM, invitation=rows[0]["invitation_id"], me=me, principal=principal)
    if not used:
        raise NotThere("no such thing")
    if dependent == me:
        raise Refused("nobody is their own guardian", place="body.code", rule="oneself")
    by_adult_or_law = used[0]["basis"] is not None or used[0]["made_by"] == dependent
    invited = Invited(dependent, **used[0], agreed=by_adult_or_law)
    # Who is of age invites alone, but for the law, and who is not invites nobody.
    if invited.agreed is not await is_of_age(work, dependent):
        raise NotThere("no such thing")
    return invited


async def began(work: Work, invitation: UUID, guardianship: UUID) -> None:
    """Keep which guardianship an invitation by law became, so that it is found to be ended."""
    await work.run(_BEGAN, invitation=invitation, guardianship=guardianship)


async def _check_address(work: Work, codec: FieldCodec, invited: dict[str, Any]) -> None:
    me = work.caller.principal.person_id
    proven = await people.proven_email(work, codec, me) if me else None
    if proven is None or invited["contact"] is None:
        raise NotThere("no such thing")
    keys = await sealing.purpose_keys(work, codec, LEGAL_PURPOSE)
    place = Place(LEGAL_GUARDIAN.place, "contact", str(invited["invitation_id"]))
    meant = codec.open(keys, place, invited["contact"]).decode()
    if indexed("email", meant) != indexed("email", proven):
        raise NotThere("no such thing")


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
