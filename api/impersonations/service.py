"""What admins may do about impersonations; the API and the page share it."""

import re
import time
from uuid import UUID, uuid4

from api.gateway import Access, Caller, Work
from api.identity.issuer import WITH_CODE
from api.identity.principals import Acting
from api.impersonations import repository
from api.impersonations.schemas import Ended, Impersonation, Impersonations, Opened, Opening
from api.messages.port import Message, MessageKind
from api.messages.repository import enqueue
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource, Subject, Terms
from policies.words import Action, ImpersonationReason

LONGEST_MINUTES = 60
TICKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/#-]{0,63}")
NOBODY = Subject("")


async def start(serving: Services, caller: Caller, asked: Opening) -> Opened:
    """Open an impersonation; its token ends when it does.

    Raises:
        NotThere: the caller is no admin; no such account, or not one of a patient or guardian alone.
        InvalidInput: an admin left out reason or ticket, or asked for more than an hour.
    """
    found = await serving.account(asked.subject)
    subject = found.subject if found else NOBODY
    terms = _terms(asked)
    access = Access(Action.IMPERSONATION_OPEN, Resource(account=subject), terms=terms)
    try:
        async with serving.gateway.work(caller, access) as work:
            row = await repository.start(work, uuid4(), subject, terms)
            await _tell(work, serving, subject, row["id"])
    except NotThere:
        # The policies refused it, and it is recorded. Only who may open others is told what is wrong with this one.
        place = _fault(terms)
        if place and serving.gateway.permits(caller.principal, Access(Action.IMPERSONATION_LIST)):
            raise InvalidInput("nobody is impersonated like that", place=place) from None
        raise
    acting = Acting(row["id"], caller.principal.principal_id)
    lifetime = max(0, int(row["ends_at"].timestamp()) - int(time.time()))
    # An admin comes with a code or not at all: so the token stands for one, too.
    token = serving.issuer.issue(UUID(subject.id), lifetime=lifetime, methods=WITH_CODE, acting=acting)
    return Opened(**row, access_token=token)


async def _tell(work: Work, serving: Services, subject: Subject, impersonation_id: UUID) -> None:
    """Queue the notice to whom somebody acts as, in the work that lets them."""
    person = UUID(subject.person)
    await work.serve(person)
    notice = Message(
        MessageKind.IMPERSONATION_NOTICE, person, link="/me/accesses", about_id=impersonation_id,
        confidential=True,
    )  # fmt: skip
    await enqueue(work, serving.codec, notice)


async def live(serving: Services, caller: Caller) -> Impersonations:
    """The live impersonations of all admins.

    Raises:
        NotThere: the caller is no admin.
    """
    async with serving.gateway.open(caller, Access(Action.IMPERSONATION_LIST)) as grant:
        rows = await repository.live(grant)
    return Impersonations(impersonations=[Impersonation(**row) for row in rows])


async def end(serving: Services, caller: Caller, impersonation: str) -> Ended:
    """End an impersonation, whoever opened it: its token is worth nothing from now on.

    Raises:
        NotThere: the caller is no admin; no such live impersonation.
    """
    async with serving.gateway.open(caller, Access(Action.IMPERSONATION_END)) as grant:
        row = await repository.end(grant, as_id(impersonation) or uuid4())
        if row is None:
            raise NotThere("no such live impersonation")
    return Ended(**row)


def _terms(asked: Opening) -> Terms:
    """What was asked for, without a reason that is none of ours and a ticket that is more than an id."""
    reason = asked.reason if asked.reason in set(ImpersonationReason) else ""
    return Terms(asked.minutes, reason, asked.ticket if TICKET.fullmatch(asked.ticket) else "")


def _fault(terms: Terms) -> str | None:
    """Which of the terms the policies do not take; None if it is none of them."""
    if not 1 <= terms.minutes <= LONGEST_MINUTES:
        return "minutes"
    return "reason" if not terms.reason else "ticket" if not terms.ticket else None
