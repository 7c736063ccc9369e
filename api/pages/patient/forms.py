"""Forms: which there are, and filling one in. Every question is asked without a script, by saving in between."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from starlette.datastructures import FormData

from api.confidential import service as confidential
from api.confidential.service import Marking
from api.forms import service
from api.forms.schemas import Completing, OwnForm, Saving, Shown
from api.pages.faults import one
from api.pages.patient.answers import MOST_STEPS, PREFIX, in_words, typed
from api.pages.patient.meanwhile import as_shown, laid_over, shown_before
from api.pages.patient.whose import AsWhose, Whose, show
from api.pages.texts import N_
from api.pages.visitors import Csrf
from api.services import Services, Serving
from infra.errors import InvalidInput, Misplaced, Refused
from policies.forms.answers import shows, sifted

router = APIRouter(prefix="/forms")
own = APIRouter(prefix="/forms")

STATUSES = {
    "pending": N_("To fill in"),
    "in_progress": N_("Begun"),
    "completed": N_("Done"),
    "expired": N_("No longer open"),
}
OPEN = frozenset({"pending", "in_progress"})
# Why nothing was kept, where it is no answer's fault.
REFUSED = {
    "completed": N_("This form was completed already."),
    "expired": N_("This form is no longer open."),
    "changed": N_("Nothing was kept: somebody else changed this form at the same time."),
    "changed_meanwhile": N_(
        "Nothing was kept yet: somebody else changed this form since you opened it. Below are their answers, with what"
        " you changed."
    ),
    "no_text": N_("The clinic has no text to sign yet, so this cannot be completed."),
    "not_the_newest": N_("Nothing was signed: the text has changed since you opened it. The newest is shown."),
}
OTHERWISE = N_("Nothing was kept: this form takes no answers now.")


@router.get("")
async def forms_page(request: Request, serving: Serving, whose: AsWhose) -> Response:
    """The forms at all clinics: those to fill in before those that are done."""
    found = (await service.list_own(serving, whose.caller, whose.dependent)).forms
    return await show(
        request, serving, whose, "patient/forms.html",
        to_fill=[form for form in found if form.status in OPEN],
        others=[form for form in found if form.status not in OPEN], statuses=STATUSES,
    )  # fmt: skip


@router.get("/{form}")
async def form_page(request: Request, serving: Serving, whose: AsWhose, form: str, saved: bool = False) -> Response:
    """A form to fill in, or as it was filled in."""
    found = await service.read_own(serving, whose.caller, form, whose.dependent)
    return await _page(request, serving, whose, found, found.answers, saved=saved)


@router.post("/{form}")
async def fill(request: Request, serving: Serving, whose: AsWhose, form: str) -> Response:
    """Save the answers so far, or complete the form with them."""
    sent = await request.form()
    whose.visitor.sent(str(sent.get("csrf", "")))
    found = await service.read_own(serving, whose.caller, form, whose.dependent)
    given, whole = typed(found.questions, sent), sent.get("do") == "complete"
    version, was = str(sent.get("version", "")), shown_before(sent)
    try:
        if whole:
            asked = Completing(answers=given, consent=_shown(found, sent))
            await service.complete(serving, whose.caller, form, asked, whose.dependent, version)
            return whose.to("/forms")
        await service.save(serving, whose.caller, form, Saving(answers=given), whose.dependent, version)
    except InvalidInput:
        _, faults = sifted(found.questions, given, whole=whole, summed=found.scores)
        return await _page(request, serving, whose, found, given, 422, faults=faults, version=version, was=was)
    except Refused as error:  # what another one saved stays, but where this form changes the same
        newest = await service.read_own(serving, whose.caller, form, whose.dependent)
        laid = laid_over(newest.answers, given, was)
        theirs = {name for name in {*newest.answers, *laid} if newest.answers.get(name) != laid.get(name)}
        return await _page(request, serving, whose, newest, laid, 409, refused=_why(error), theirs=theirs)
    return whose.to(f"/forms/{form}?saved=true")


@own.post("/{form}/confidential")
async def hide(
    serving: Serving, whose: AsWhose, form: str, hidden: Annotated[bool, Form()] = True, csrf: Csrf = ""
) -> Response:
    """Hide one's own form from guardians, or show it again."""
    whose.visitor.sent(csrf)
    await confidential.mark_own(serving, whose.caller, "forms", form, Marking(confidential=hidden))
    return whose.to(f"/forms/{form}")


def _shown(found: OwnForm, sent: FormData) -> Shown | None:
    if found.consent is None:
        return None
    return one(Shown, {name: str(sent.get(name, "")) for name in ("text_version", "sha256")})


def _why(error: Misplaced) -> str:
    return REFUSED.get(error.rule, OTHERWISE)


async def _page(
    request: Request,
    serving: Services,
    whose: Whose,
    found: OwnForm,
    answers: dict[str, Any],
    status: int = 200,
    *,
    theirs: set[str] | None = None,
    version: str | None = None,
    was: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    good, _ = sifted(found.questions, answers, whole=False)
    if found.status not in OPEN:
        return await show(
            request, serving, whose, "patient/form_done.html", status, form=found, in_words=in_words, **values
        )
    return await show(
        request, serving, whose, "patient/form.html", status,
        form=found, answers=answers, theirs=theirs or set(), in_words=in_words,
        version=found.version if version is None else version,
        was=json.dumps(as_shown(found.answers) if was is None else was),
        hidden={q.id for q in found.questions if not shows(q, good)},
        has_conditions=any(q.shown_when for q in found.questions), prefix=PREFIX, most_steps=MOST_STEPS, **values,
    )  # fmt: skip
