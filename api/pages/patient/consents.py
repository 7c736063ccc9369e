"""Consents by clinic: what each says, how it stands, signing and revoking it, and what became of that."""

from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from api.consents import receipt_service, service
from api.consents.schemas import Consent, Revoking, Signing
from api.pages.faults import one
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.texts import N_
from api.pages.visitors import Csrf, visitor
from api.services import Services, Serving
from infra.errors import NotThere, Refused
from policies.consent import ConsentState
from policies.consent_receipt import PropagationKind
from policies.words import ConsentPurpose

router = APIRouter()
linked = APIRouter()

Hidden = Annotated[str, Form(max_length=100)]

STATES = {
    ConsentState.NEVER: N_("Not signed"),
    ConsentState.SIGNED: N_("Signed"),
    ConsentState.REVOKED: N_("Revoked"),
    ConsentState.EXPIRED: N_("Ended"),
    ConsentState.OUTDATED: N_("Ended: there is a newer text"),
    ConsentState.LAPSED: N_("Ended: a guardian signed, and you are of age"),
}
PURPOSES = {
    ConsentPurpose.PROFILE_SHARING: N_("Sharing the profile"),
    ConsentPurpose.COMMUNICATIONS: N_("Messages from the clinic"),
}
GIVES = {
    ConsentPurpose.PROFILE_SHARING: N_(
        "The clinic may read the profile: birth date, sex, allergies, conditions, insurance, and how to reach you."
    ),
    ConsentPurpose.COMMUNICATIONS: N_("The clinic may write to you about more than your appointments."),
}
TAKES = {
    ConsentPurpose.PROFILE_SHARING: N_(
        "From that moment nobody of the clinic reads the profile. What the clinic itself wrote down, such as"
        " appointments and forms, stays with it."
    ),
    ConsentPurpose.COMMUNICATIONS: N_(
        "From that moment the clinic sends no more of these messages. You still hear about your appointments."
    ),
}
BECAME = {
    PropagationKind.SIGNED: N_("Signed: the clinic sees it"),
    PropagationKind.REVOKED: N_("Revoked: taken out of the clinic's data"),
    PropagationKind.EXPIRED: N_("Ended by itself: taken out of the clinic's data"),
}
# Where somebody has to do something.
ASKING = frozenset({ConsentState.NEVER, ConsentState.OUTDATED, ConsentState.LAPSED, ConsentState.EXPIRED})
WORDS: dict[str, Any] = {"states": STATES, "purposes": PURPOSES, "gives": GIVES, "takes": TAKES, "became": BECAME}


def asks(consent: Consent) -> bool:
    """Whether a consent waits for a yes or no: nothing stands that can be signed, or there is a newer text."""
    return consent.text is not None and (consent.state in ASKING or consent.has_newer_text)


@linked.get("/consents", dependencies=[Depends(visitor)])
async def from_a_message() -> Response:
    """Where the link of a message leads."""
    return RedirectResponse("/me/consents", 303)


@router.get("/consents")
async def consents_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """Every clinic's consents, and how they stand."""
    found = await service.list_consents(serving, whose.caller, None, whose.dependent)
    by_clinic: dict[str, list[Consent]] = {}
    for consent in found.consents:
        by_clinic.setdefault(consent.clinic, []).append(consent)
    return await show(request, serving, whose, "patient/consents.html", by_clinic=by_clinic, asks=asks, **WORDS)


@router.get("/consents/{clinic}/{purpose}")
async def consent_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """The text of a consent, and what can be done about it."""
    return await _page(request, serving, whose)


@router.post("/consents/{clinic}/{purpose}")
async def sign(
    request: Request,
    serving: Serving,
    whose: AsWhose,
    clinic: str,
    purpose: str,
    text_version: Hidden = "",
    sha256: Hidden = "",
    csrf: Csrf = "",
) -> Response:
    """Sign the text that was shown; if there is a newer one by now, show that."""
    whose.visitor.sent(csrf)
    shown = {"clinic": clinic, "purpose": purpose, "text_version": text_version, "sha256": sha256}
    try:
        await service.sign(serving, whose.caller, one(Signing, shown), whose.dependent)
    except Refused:
        return await _page(request, serving, whose, 409)
    return whose.to("/consents")


@router.post("/consents/{clinic}/{purpose}/revoke")
async def revoke(serving: Serving, whose: AsWhose, clinic: str, purpose: str, csrf: Csrf = "") -> Response:
    """Revoke a consent; one that is revoked already stays so."""
    whose.visitor.sent(csrf)
    asked = one(Revoking, {"clinic": clinic, "purpose": purpose})
    with suppress(Refused):
        await service.revoke(serving, whose.caller, asked, whose.dependent)
    return whose.to("/consents")


@router.get("/receipts/{event}")
async def receipt_page(request: Request, serving: Serving, whose: AsWhose, event: str) -> Response:
    """What became of a signature or revocation at its clinic, with the signed note that proves it."""
    found = await receipt_service.read_receipts(serving, whose.caller, event, whose.dependent)
    return await show(request, serving, whose, "patient/receipt.html", found=found, **WORDS)


async def _page(request: Request, serving: Services, whose: Whose, status: int = 200) -> Response:
    found = await service.list_consents(serving, whose.caller, None, whose.dependent)
    clinic, purpose = request.path_params["clinic"], request.path_params["purpose"]
    consent = next((c for c in found.consents if (c.clinic, c.purpose.value) == (clinic, purpose)), None)
    if consent is None:
        raise NotThere("no such consent")
    return await show(
        request, serving, whose, "patient/consent.html", status, consent=consent, changed=status == 409, **WORDS
    )
