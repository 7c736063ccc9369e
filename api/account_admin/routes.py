"""Accounts of the people who work here: for platform admins, with codes."""

from typing import Annotated

from fastapi import APIRouter, Body, Query

from api.account_admin import service
from api.account_admin.schemas import Account, Accounts, AddedAccount, NewAccount, RoleChange
from api.services import ApiCaller, Serving

router = APIRouter(prefix="/accounts", tags=["accounts"])
Text = Annotated[str, Query(max_length=200)]
Change = Annotated[RoleChange | None, Body()]


@router.get("")
async def list_accounts(serving: Serving, caller: ApiCaller, sought: Text = "", after: Text = "") -> Accounts:
    """Accounts by login, 50 at a time; with `sought`, those whose login or name holds it."""
    return await service.list_accounts(serving, caller, sought, after)


@router.post("", status_code=201)
async def add_account(
    serving: Serving, caller: ApiCaller, asked: Annotated[NewAccount | None, Body()] = None
) -> AddedAccount:
    """Make an account with a role at a clinic, and a link that sets its password."""
    return await service.add(serving, caller, asked)


@router.get("/{account}")
async def read_account(serving: Serving, caller: ApiCaller, account: str) -> Account:
    """One account."""
    return await service.read_account(serving, caller, account)


@router.post("/{account}/roles/give", status_code=204)
async def give_role(serving: Serving, caller: ApiCaller, account: str, asked: Change = None) -> None:
    """Give it a role at a clinic."""
    await service.give_role(serving, caller, account, asked)


@router.post("/{account}/roles/end", status_code=204)
async def end_role(serving: Serving, caller: ApiCaller, account: str, asked: Change = None) -> None:
    """End a role of it."""
    await service.end_role(serving, caller, account, asked)


@router.post("/{account}/disable", status_code=204)
async def disable_account(serving: Serving, caller: ApiCaller, account: str) -> None:
    """Have it be good for nothing; its sessions and tokens end."""
    await service.disable(serving, caller, account)


@router.post("/{account}/enable", status_code=204)
async def enable_account(serving: Serving, caller: ApiCaller, account: str) -> None:
    """Have it be good again."""
    await service.enable(serving, caller, account)


@router.post("/{account}/codes/reset", status_code=204)
async def reset_codes(serving: Serving, caller: ApiCaller, account: str) -> None:
    """Take its codes away; it sets up new ones at its next sign-in."""
    await service.reset_codes(serving, caller, account)
