"""A forgotten password: a link to the email that the account has proven, and one answer whether there is one or not."""

import secrets

from api.gateway import Access, Caller
from api.identity import codes
from api.services import Services
from api.verifications import forgotten_repository as repository
from api.verifications import people_repository as people
from infra.encryption.contacts import canonical
from policies.words import Action


async def forget(serving: Services, caller: Caller, email: str) -> None:
    """Have a link sent that sets a new password. The old one stands until it is used.

    Raises:
        InvalidInput: no email address at all.
        TooMany: this address asks too often.
    """
    await codes.take_attempt(serving, caller)
    async with serving.gateway.work(caller, Access(Action.PASSWORD_FORGET)) as work:
        await work.record()
        person = await people.account_of(work, serving.codec, "email", canonical("email", email))
        await work.serve(person)
        await repository.send_link(work, serving.codec, person, secrets.token_urlsafe(32))
