"""What platform admins may do about accounts of who works here; the API and the pages share it."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from api.account_admin import repository
from api.account_admin.schemas import Account, Accounts, AddedAccount, NewAccount, RoleChange
from api.accounts import check_identifier, check_name
from api.bodies import given
from api.gateway import Access, Caller, Work
from api.identity.booking_pages import refuse_page
from api.profiles.service import as_id
from api.services import Services
from api.verifications.people_repository import store_link
from infra.errors import InvalidInput, NotThere
from policies.access.model import Resource, Subject
from policies.words import GIVEN_ROLES, Action, Role

ACCOUNTS_A_PAGE = 50
LINK_HOURS = 72
_NOBODY = Subject("")


async def list_accounts(serving: Services, caller: Caller, sought: str = "", after: str = "") -> Accounts:
    """A page of the accounts whose login or name holds a text.

    Raises:
        NotThere: the caller is no admin.
    """
    async with serving.gateway.open(caller, Access(Action.ACCOUNT_LIST)) as grant:
        rows = await repository.accounts(grant, sought, after, ACCOUNTS_A_PAGE + 1)
    shown = [Account.model_validate(row) for row in rows[:ACCOUNTS_A_PAGE]]
    return Accounts(accounts=shown, next=shown[-1].login if len(rows) > ACCOUNTS_A_PAGE else None)


async def read_account(serving: Services, caller: Caller, account: str) -> Account:
    """One account.

    Raises:
        NotThere: no such account, or a patient's; or the caller is no admin.
    """
    async with serving.gateway.open(caller, Access(Action.ACCOUNT_LIST)) as grant:
        row = await repository.account(grant, as_id(account) or UUID(int=0))
        if row is None:
            raise NotThere("no such account")
    return Account.model_validate(row)


async def add(serving: Services, caller: Caller, asked: NewAccount | None) -> AddedAccount:
    """Make an account with a role at a clinic. Its password is set by whoever has the path, once.

    Raises:
        NotThere: the caller is no admin.
        InvalidInput: a login or name that is none, or a role or clinic; names the field.
        Refused: somebody has the login.
    """
    async with serving.gateway.work(caller, Access(Action.ACCOUNT_ADD)) as work:
        wanted = given(asked)
        check_identifier(wanted.login, "body.login")
        refuse_page(wanted.login)
        check_name(wanted.name, "body.name")
        role, clinic_id = await _role(serving, wanted)
        account_id = await repository.add(work, wanted.login, wanted.name)
        _name(work, account_id, role, clinic_id)
        await repository.give_role(work, account_id, role, clinic_id)
        token = secrets.token_urlsafe(32)
        await store_link(work, account_id, hashlib.sha256(token.encode()).digest(), LINK_HOURS)
        await work.record()
    return AddedAccount(id=account_id, login=wanted.login, password_path=f"/password/{token}")


async def give_role(serving: Services, caller: Caller, account: str, asked: RoleChange | None) -> None:
    """Give an account a role at a clinic.

    Raises:
        NotThere: no such account, or not the caller's to manage.
        InvalidInput: no role or clinic that can be given; names the field.
    """
    async with _managing(serving, caller, Action.ROLE_GIVE, account) as (work, account_id):
        role, clinic_id = await _role(serving, given(asked))
        _name(work, account_id, role, clinic_id)
        await repository.give_role(work, account_id, role, clinic_id)


async def end_role(serving: Services, caller: Caller, account: str, asked: RoleChange | None) -> None:
    """End a role of an account at a clinic, at once.

    Raises:
        NotThere: no such account, or not the caller's to manage.
        InvalidInput: the account does not hold it.
    """
    async with _managing(serving, caller, Action.ROLE_END, account) as (work, account_id):
        role, clinic_id = await _role(serving, given(asked))
        _name(work, account_id, role, clinic_id)
        if not await repository.end_role(work, account_id, role, clinic_id):
            raise InvalidInput("the account does not hold this role", place="body.role", rule="not_held")


async def disable(serving: Services, caller: Caller, account: str) -> None:
    """Have an account be good for nothing from now on; its sessions end.

    Raises:
        NotThere: no such account, or not the caller's to manage.
    """
    async with _managing(serving, caller, Action.ACCOUNT_DISABLE, account) as (work, account_id):
        await repository.disable(work, account_id)


async def enable(serving: Services, caller: Caller, account: str) -> None:
    """Have an account be good again, with the roles that it has.

    Raises:
        NotThere: no such account, or not the caller's to manage.
    """
    async with _managing(serving, caller, Action.ACCOUNT_ENABLE, account) as (work, account_id):
        await repository.enable(work, account_id)


async def reset_codes(serving: Services, caller: Caller, account: str) -> None:
    """Take an account's codes away, say of a lost phone; its sessions and tokens end.

    Raises:
        NotThere: no such account, or not the caller's to manage.
    """
    async with _managing(serving, caller, Action.CODES_RESET, account) as (work, account_id):
        await repository.reset_codes(work, account_id)


@asynccontextmanager
async def _managing(
    serving: Services, caller: Caller, action: Action, account: str
) -> AsyncIterator[tuple[Work, UUID]]:
    found = await serving.account_of(as_id(account))
    resource = Resource(account=found.subject if found else _NOBODY)
    async with serving.gateway.work(caller, Access(action, resource)) as work:
        if found is None:
            raise NotThere("no such account")
        yield work, found.principal_id
        await work.record()


def _name(work: Work, account_id: UUID, role: Role, clinic_id: int) -> None:
    """Have the event say which role it was, and where."""
    work.name_resource(f"{account_id}/{role.value}")
    work.name_clinic(clinic_id)


async def _role(serving: Services, asked: RoleChange) -> tuple[Role, int]:
    """A role of clinics, and the id of a clinic."""
    if asked.role not in GIVEN_ROLES:
        raise InvalidInput("no role that can be given here", place="body.role", rule="no_role")
    clinic = await serving.directory.find(asked.clinic)
    if clinic is None:
        raise InvalidInput("there is no such clinic", place="body.clinic", rule="no_clinic")
    return Role(asked.role), clinic.clinic_id
