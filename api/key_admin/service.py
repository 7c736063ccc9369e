"""What platform admins may do about the API keys of a clinic; the API and the pages share it."""

from api.accounts import check_identifier
from api.bodies import given
from api.gateway import Access, Caller
from api.identity import api_keys
from api.identity.booking_pages import refuse_page
from api.key_admin import repository
from api.key_admin.schemas import FreshKey, Keys, ListedKey, NewKey, Renewal
from api.services import Services
from api.system_keys import SCOPES
from infra.errors import InvalidInput, NotThere, Refused
from policies.access.model import Resource
from policies.classification import Field
from policies.words import Action


async def list_keys(serving: Services, caller: Caller, clinic: str) -> Keys:
    """A clinic's keys, ended ones as well.

    Raises:
        NotThere: no such clinic, or the caller is no admin.
    """
    async with serving.gateway.work(caller, Access(Action.KEY_LIST, Resource(clinic))) as work:
        await work.record()
        rows = await repository.keys(work, clinic)
    return Keys(keys=[ListedKey.model_validate(row) for row in rows])


async def give(serving: Services, caller: Caller, clinic: str, asked: NewKey | None) -> FreshKey:
    """Make a key of a system for a clinic; it is never shown again.

    Raises:
        NotThere: no such clinic, or the caller is no admin.
        InvalidInput: nothing was sent, or a login or field that is none; names it.
    """
    async with serving.gateway.work(caller, Access(Action.KEY_GIVE, Resource(clinic))) as work:
        wanted = given(asked)
        check_identifier(wanted.login, "body.login")
        refuse_page(wanted.login)
        if {*wanted.fields} - {*SCOPES}:
            raise InvalidInput("no such field", place="body.fields", rule="no_field")
        scope = {
            "principal": await repository.system(work, wanted.login),
            "segments": wanted.segments,
            "fields": sorted({Field.PATIENT_ID.value, *wanted.fields}),
            "purpose": wanted.purpose.value,
        }
        fresh = api_keys.make()
        await repository.add(work, fresh, scope, wanted.days)
        work.name_resource(fresh.prefix)
        await work.record()
    return FreshKey(prefix=fresh.prefix, key=fresh.clear)


async def renew(serving: Services, caller: Caller, clinic: str, prefix: str, asked: Renewal | None) -> FreshKey:
    """Make a key of the same scope in a key's place, which stays good for the overlap.

    Raises:
        NotThere: no such clinic or key, or a revoked one; or the caller is no admin.
        Refused: it has ended, or was replaced already.
    """
    wanted = asked or Renewal()
    async with serving.gateway.work(caller, Access(Action.KEY_RENEW, Resource(clinic))) as work:
        old = await repository.held(work, _known(prefix))
        if old is None:
            raise NotThere("no such key")
        if old["replaced_by"] is not None or not old["live"]:
            raise Refused("that key was replaced or has ended", place="path.key", rule="ended")
        fresh = api_keys.make()
        scope = {name: old[name] for name in ("segments", "fields", "purpose")}
        successor = await repository.add(work, fresh, {**scope, "principal": old["principal_id"]}, wanted.days)
        await repository.replace(work, old["key_id"], successor, wanted.overlap_days)
        work.name_resource(fresh.prefix)
        await work.record()
    return FreshKey(prefix=fresh.prefix, key=fresh.clear)


async def end(serving: Services, caller: Caller, clinic: str, prefix: str) -> None:
    """End a key at once.

    Raises:
        NotThere: no such clinic or key, or a revoked one; or the caller is no admin.
    """
    async with serving.gateway.work(caller, Access(Action.KEY_END, Resource(clinic))) as work:
        if not await repository.end(work, _known(prefix)):
            raise NotThere("no such key")
        work.name_resource(prefix)
        await work.record()


def _known(prefix: str) -> str:
    """A prefix as keys have it; what is none is looked for all the same."""
    return prefix if api_keys.PREFIX.fullmatch(prefix) else ""
