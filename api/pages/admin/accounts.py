"""Accounts of who works here: a list to search, a form for a new one; of one account its roles and what can be done."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from api.account_admin import service
from api.account_admin.schemas import NewAccount, RoleChange
from api.pages.admin.faults import beside
from api.pages.texts import N_
from api.pages.visitors import Csrf, Visiting, Visitor, page
from api.services import Services, Serving
from infra.errors import InvalidInput, NotThere, Refused
from infra.settings import settings
from policies.words import GIVEN_ROLES

router = APIRouter(prefix="/accounts")

ROLES = sorted(GIVEN_ROLES)
FAULTS = {
    "body.login": N_("A login is up to 200 signs that all show."),
    "body.login taken": N_("Somebody has this login."),
    "body.name": N_("A name is up to 200 signs that all show."),
    "body.role": N_("Choose a role."),
    "body.role not_held": N_("The account does not hold this role."),
    "body.clinic": N_("Choose a clinic."),
}
STEPS: dict[str, Callable[..., Awaitable[None]]] = {
    "disable": service.disable,
    "enable": service.enable,
    "reset-codes": service.reset_codes,
}
Text = Annotated[str, Form(max_length=200)]
Sought = Annotated[str, Query(max_length=200)]


@router.get("")
async def accounts_page(
    request: Request, serving: Serving, visiting: Visiting, sought: Sought = "", after: Sought = ""
) -> Response:
    """A page of accounts, and a form for a new one."""
    return await _accounts(request, serving, visiting, sought=sought, after=after)


@router.post("")
async def add_account(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    login: Text = "",
    name: Text = "",
    role: Text = "",
    clinic: Text = "",
    csrf: Csrf = "",
) -> Response:
    """Make an account, and show its link once; or the form again, with what is wrong."""
    visiting.sent(csrf)
    # Longer than the model lets pass is refused by the service, with its place.
    asked = NewAccount.model_construct(login=login.strip(), name=name.strip(), role=role, clinic=clinic)
    try:
        added = await service.add(serving, visiting.caller, asked)
    except (InvalidInput, Refused) as error:
        faults = beside(error, FAULTS)
        return await _accounts(request, serving, visiting, 422, asked=asked.model_dump(), faults=faults)
    link = f"{settings().public_url or str(request.base_url).rstrip('/')}{added.password_path}"
    return page(request, "admin/account_added.html", visitor=visiting, account=added, link=link)


@router.get("/{account}")
async def account_page(request: Request, serving: Serving, visiting: Visiting, account: str) -> Response:
    """One account: its roles, and buttons for what can be done."""
    return await _account(request, serving, visiting, account)


@router.post("/{account}/roles/give")
async def give_role(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    account: str,
    role: Text = "",
    clinic: Text = "",
    csrf: Csrf = "",
) -> Response:
    """Give it a role."""
    visiting.sent(csrf)
    asked = RoleChange.model_construct(role=role, clinic=clinic)
    try:
        await service.give_role(serving, visiting.caller, account, asked)
    except InvalidInput as error:
        faults = beside(error, FAULTS)
        return await _account(request, serving, visiting, account, 422, asked=asked.model_dump(), faults=faults)
    return RedirectResponse(f"/accounts/{account}", 303)


@router.post("/{account}/roles/end")
async def end_role(
    serving: Serving, visiting: Visiting, account: str, role: Text = "", clinic: Text = "", csrf: Csrf = ""
) -> Response:
    """End a role of it; one that has ended meanwhile is what was asked for."""
    visiting.sent(csrf)
    try:
        await service.end_role(serving, visiting.caller, account, RoleChange.model_construct(role=role, clinic=clinic))
    except InvalidInput as error:
        if error.rule != "not_held":
            raise
    return RedirectResponse(f"/accounts/{account}", 303)


@router.post("/{account}/{step}")
async def change_account(serving: Serving, visiting: Visiting, account: str, step: str, csrf: Csrf = "") -> Response:
    """Disable it, enable it, or take its codes away."""
    visiting.sent(csrf)
    if step not in STEPS:
        raise NotThere("no such step")
    await STEPS[step](serving, visiting.caller, account)
    return RedirectResponse(f"/accounts/{account}", 303)


async def _accounts(
    request: Request,
    serving: Services,
    visiting: Visitor,
    status: int = 200,
    *,
    sought: str = "",
    after: str = "",
    asked: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
) -> Response:
    found = await service.list_accounts(serving, visiting.caller, sought, after)
    return page(
        request, "admin/accounts.html", status, visitor=visiting, found=found, sought=sought, first=not after,
        asked=asked or {}, faults=faults or {}, roles=ROLES, clinics=await serving.directory.clinics(),
    )  # fmt: skip


async def _account(
    request: Request,
    serving: Services,
    visiting: Visitor,
    account: str,
    status: int = 200,
    *,
    asked: dict[str, str] | None = None,
    faults: dict[str, str] | None = None,
) -> Response:
    found = await service.read_account(serving, visiting.caller, account)
    return page(
        request, "admin/account.html", status, visitor=visiting, account=found, asked=asked or {}, faults=faults or {},
        managed=all(held.role in GIVEN_ROLES for held in found.roles), roles=ROLES,
        clinics=await serving.directory.clinics(),
    )  # fmt: skip
