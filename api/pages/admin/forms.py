"""Forms of a clinic: a list of its templates, and a builder for one, which works by the buttons of its form alone."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from api.gateway import Access
from api.pages.admin.draft import KINDS, NUMBERS, OPERATORS, Draft
from api.pages.texts import N_
from api.pages.visitors import Visiting, Visitor, page
from api.services import Services, Serving
from api.templates import service
from infra.errors import InvalidInput, NotThere, Refused
from policies.access.model import Resource
from policies.forms.template import Template, TemplateKind
from policies.words import Action, ConsentPurpose

router = APIRouter(prefix="/clinics/{clinic}")

# A page sends at most a thousand fields; through the API a form may have more questions.
MOST_QUESTIONS = 80
# What a whole template or question breaks, as policies/forms says it.
RULES = {
    "an id is there twice": N_("Two parts have the same id."),
    "shown_when asks nothing that an earlier question answers": N_(
        "A question is shown by an answer that no earlier question can have."
    ),
    "a score sums numbers and scales of the form, each once": N_("A score sums numbers and scales, each once."),
    "a consent form, and no other, has a purpose": N_("A consent form, and no other, says what it signs for."),
    "a consent form requires a signature": N_("A consent form has a signature that is required."),
    "minimum is above maximum": N_("The least is above the most."),
    "minimum is not below maximum": N_("The least is not below the most."),
    "earliest is after latest": N_("The earliest day is after the latest."),
    "an option is there twice": N_("An option is there twice."),
    "a label stands at no step": N_("A label stands at no step of the scale."),
}
FAULTS = {
    "id": N_("An id begins with a letter and has up to 40 of a-z, 0-9 and _."),
    "title": N_("A title has up to 200 signs."),
    "text": N_("Ask something, in up to 500 signs."),
    "options": N_("Write an option a line, such as: yes = Yes, often"),
    "labels": N_("Write a step a line, such as: 0 = No pain"),
    "minimum": N_("This is a number, such as 10."),
    "maximum": N_("This is a number, such as 10."),
    "due_days": N_("From 0 to 366 days."),
    "expire_days": N_("From 0 to 366 days."),
    "shown_when": N_("Say which answer shows it."),
    "questions": N_("A form asks at least one question."),
    "sum_of": N_("Name the ids that it sums, with commas between."),
}
NOT_VALID = N_("This is not valid.")
NO_NAME = N_("A name begins with a letter and has up to 60 of a-z, 0-9 and _.")
TAKEN = N_("There is a form of this name already.")
CHANGED = N_("Somebody saved another version meanwhile. Look at it in another window, then save yours from there.")


@router.get("/forms")
async def forms_page(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """The newest version of each template."""
    found = await service.list_templates(serving, visiting.caller, clinic)
    at = await serving.directory.find(clinic)
    return page(
        request, "admin/forms.html", visitor=visiting, clinic=at, templates=found.templates,
        may_save=_may_save(serving, visiting, clinic),
    )  # fmt: skip


@router.get("/new-form")
async def new_form(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """The builder, empty."""
    await service.list_templates(serving, visiting.caller, clinic)
    if not _may_save(serving, visiting, clinic):
        raise NotThere("nothing to build")
    return await _builder(request, serving, visiting, clinic, Draft())


@router.get("/forms/{template}")
async def form_page(
    request: Request, serving: Serving, visiting: Visiting, clinic: str, template: str, version: str = ""
) -> Response:
    """The builder with a version of a template, the newest unless another one is asked for."""
    chosen = int(version) if version.isdecimal() and len(version) < 10 else None
    newest = await service.read_template(serving, visiting.caller, clinic, template, None)
    found = newest if chosen in (None, newest.version) else None
    shown = found or await service.read_template(serving, visiting.caller, clinic, template, chosen)
    draft = Draft.of(template, {**shown.model_dump(), "version": newest.version})
    return await _builder(request, serving, visiting, clinic, draft, shown=shown.version)


@router.post("/forms")
async def build(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """Do what the pressed button says: add, remove or move a part, look at it, or save the next version."""
    form = await request.form()
    visiting.sent(str(form.get("csrf", "")))
    draft, pressed = Draft.typed(form), str(form.get("do", ""))
    if pressed != "save":
        await service.list_templates(serving, visiting.caller, clinic)
        if len(draft.questions) < MOST_QUESTIONS or not pressed.startswith("add"):
            draft.do(pressed, str(form.get("kind_of_question", "")))
        return await _builder(request, serving, visiting, clinic, draft)
    try:
        template = Template.model_validate(draft.asked(), strict=False)
    except ValidationError as error:
        await service.list_templates(serving, visiting.caller, clinic)
        return await _builder(request, serving, visiting, clinic, draft, 422, faults=faults_of(error))
    if fault := await _fault_of_name(serving, visiting, clinic, draft):
        return await _builder(request, serving, visiting, clinic, draft, 422, faults={"name": fault})
    try:
        saved = await service.save_template(serving, visiting.caller, clinic, draft.name, template)
    except (InvalidInput, Refused) as error:
        fault = CHANGED if isinstance(error, Refused) else NO_NAME
        return await _builder(request, serving, visiting, clinic, draft, 422, faults={"name": fault})
    return RedirectResponse(f"/clinics/{clinic}/forms/{saved.template}", 303)


def _may_save(serving: Services, visiting: Visitor, clinic: str) -> bool:
    """Whether a page offers to change forms; saving is decided by itself."""
    return serving.gateway.permits(visiting.caller.principal, Access(Action.TEMPLATE_SAVE, Resource(clinic)))


def faults_of(error: ValidationError) -> dict[str, str]:
    """What is wrong by the field of the page: `q3.text`, `q3` for a whole question, `s0.sum_of`, `title`, or `form`."""
    found: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False):
        place = [str(part) for part in fault["loc"]]
        if place[:1] == ["questions"]:
            del place[2:3]  # the kind of the question
        rule = RULES.get(str(fault["msg"]).removeprefix("Value error, "))
        field = next((part for part in place[2:] if not part.isdecimal()), "")
        text = rule or FAULTS.get(field or place[0] if place else "", NOT_VALID)
        if len(place) > 1:
            key = f"{place[0][0]}{place[1]}" + (f".{field}" if field else "")
        else:
            key = place[0] if place else "form"
        found.setdefault(key, text)
    return found


async def _fault_of_name(serving: Services, visiting: Visitor, clinic: str, draft: Draft) -> str | None:
    """Whether what is saved would be another form's next version, or follow one that was not looked at."""
    try:
        newest = await service.read_template(serving, visiting.caller, clinic, draft.name, None)
    except NotThere:
        return None
    if not draft.version:
        return TAKEN
    return None if draft.version == str(newest.version) else CHANGED


async def _builder(
    request: Request,
    serving: Services,
    visiting: Visitor,
    clinic: str,
    draft: Draft,
    status: int = 200,
    *,
    shown: int | None = None,
    faults: dict[str, str] | None = None,
) -> Response:
    values: dict[str, Any] = {"kinds": list(KINDS), "operators": OPERATORS, "numbers": NUMBERS}
    return page(
        request, "admin/form.html", status, visitor=visiting, clinic=await serving.directory.find(clinic), draft=draft,
        shown=shown, faults=faults or {}, template_kinds=list(TemplateKind), purposes=list(ConsentPurpose),
        may_save=_may_save(serving, visiting, clinic), **values,
    )  # fmt: skip
