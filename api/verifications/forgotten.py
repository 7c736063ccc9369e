"""A forgotten password: a link to the email that an account has proven, and one answer whether there is one or not."""

from api.gateway import Access, Caller
from api.identity import codes
from api.services import Services
from api.verifications import forgotten_repository as repository
from api.verifications import people_repository as people
from infra.encryption.contacts import canonical
from policies.words import Action


async def forget(serving: Services, caller: Caller, email: str) -> None:
    """Have a link sent for each account that has proven the email. Until one is used the old password stands.

    Raises:
        InvalidInput: no email address at all.
        TooMany: this address asks too often.
    """
    await codes.take_attempt(serving, caller)
    async with serving.gateway.work(caller, Access(Action.PASSWORD_FORGET)) as work:
        await work.record()
        found = await people.accounts_by_email(work, serving.codec, canonical("email", email))
        await repository.send_links(work, serving.codec, found)
