"""The rule builder: a rule as a form and as a text, whom it would mean, what it would change, and its saving.

Every button sends the whole form, and a page comes back with all that was typed. A script sends the same form as
somebody types, and puts the parts that come back in their places.
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError
from starlette.datastructures import FormData

from api.cursors import LONGEST
from api.pages.manager.choices import Choices, number
from api.pages.manager.faults import said
from api.pages.manager.rule_form import ROOT, Row, all_rows, blank, changed, read_rows, rows_of
from api.pages.texts import N_
from api.pages.visitors import Visiting, Visitor, page
from api.segments import editing_service as editing
from api.segments import service as segments
from api.segments import trying_service as trying
from api.segments import vocabulary_service
from api.segments.editing_schemas import NewSegment, Reviving, SegmentChange
from api.segments.rules import rule_of
from api.segments.trying_schemas import ComparedRule, Preview, TriedRule
from api.services import Services, Serving
from infra.errors import InvalidInput, Refused
from policies.segments.rule import Rule, parse_rule
from policies.segments.templates import segment_templates
from policies.segments.text import write

SAMPLE = 10
NAMED = 100
UNREADABLE = N_("The rule that is saved is none any more. Another one takes its place.")
WORDS = ("name", "slug", "description")

router = APIRouter(prefix="/clinics/{clinic}/segments")


@dataclass
class Draft:
    """A rule under way: as rows, or as a text alone where it has too many; and what is wrong with it."""

    root: Row | None
    text: str
    words: dict[str, str] = field(default_factory=dict)
    tag: str = ""
    faults: dict[str, str] = field(default_factory=dict)
    preview: Preview | None = None
    # Whether faults of rows are shown: not while they are being written.
    judged: bool = False

    @property
    def rule(self) -> Any:
        """The rule as a request would bring it."""
        return self.text if self.root is None else self.root.json()

    @property
    def unfinished(self) -> bool:
        """Whether a value is still to be typed."""
        return self.root is not None and any(row.unfinished for _, row in all_rows(self.root))

    def take(self, rule: Rule) -> None:
        """Go on with this rule."""
        self.root, self.text = rows_of(rule), write(rule)


@router.get("/new")
async def new_page(
    request: Request,
    serving: Serving,
    visiting: Visiting,
    clinic: str,
    template: Annotated[str, Query(max_length=80)] = "",
) -> Response:
    """A segment that is still to be made, from nothing or from a template."""
    draft = Draft(blank(), "")
    if found := segment_templates().get(template):
        draft.take(found.with_values({}))
        draft.words = {"name": found.name, "slug": found.template, "description": found.description}
        draft.preview = await _tried(serving, visiting, clinic, draft)
    return await _builder(request, serving, visiting, draft)


@router.post("/new")
async def build_new(request: Request, serving: Serving, visiting: Visiting, clinic: str) -> Response:
    """Change the draft of a new segment, look whom it would mean, or save it."""
    form = await request.form()
    visiting.sent(str(form.get("csrf", "")))
    draft, do = _draft(form), str(form.get("do", ""))
    if do != "save":
        return await _worked_on(request, serving, visiting, draft, do)
    try:
        asked = NewSegment(**draft.words, rule=draft.rule, fires="fires" in form)
        saved, _ = await editing.add(serving, visiting.caller, clinic, asked)
    except (ValidationError, InvalidInput, Refused) as error:
        return await _faulty(request, serving, visiting, draft, error)
    return RedirectResponse(f"/clinics/{clinic}/segments/{saved.slug}", 303)


@router.get("/{segment}/edit")
async def edit_page(request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str) -> Response:
    """A segment's rule, to be changed."""
    found, tag = await segments.read_definition(serving, visiting.caller, clinic, segment)
    if found.text is None:
        return await _builder(request, serving, visiting, Draft(blank(), "", tag=tag, faults={"rule": UNREADABLE}))
    draft = Draft(None, "", tag=tag)
    # Kept before a limit was set, it may be over it: that is said beside it.
    draft.take(parse_rule(found.rule))
    return await _worked_on(request, serving, visiting, draft, "")


@router.post("/{segment}/edit")
async def build(request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str) -> Response:
    """Change the draft of a segment's rule, look what it would change, or save it."""
    form = await request.form()
    visiting.sent(str(form.get("csrf", "")))
    draft, do = _draft(form), str(form.get("do", ""))
    try:
        if do == "review":
            return await _reviewed(request, serving, visiting, draft, form)
        if do == "save":
            asked = SegmentChange(rule=draft.rule, fires="fires" in form)
            await editing.change(serving, visiting.caller, clinic, segment, asked, draft.tag)
            return RedirectResponse(f"/clinics/{clinic}/segments/{segment}", 303)
    except (InvalidInput, Refused) as error:
        return await _faulty(request, serving, visiting, draft, error)
    return await _worked_on(request, serving, visiting, draft, do)


@router.post("/{segment}/revive")
async def revive(request: Request, serving: Serving, visiting: Visiting, clinic: str, segment: str) -> Response:
    """Have an archived segment back, by its stored rule or the one that was held."""
    form = await request.form()
    visiting.sent(str(form.get("csrf", "")))
    draft, fires = _draft(form), "fires" in form
    asked = Reviving(**_asked_rule(form, draft), fires=fires)
    try:
        await editing.revive(serving, visiting.caller, clinic, segment, asked)
    except (InvalidInput, Refused) as error:
        return await _faulty(request, serving, visiting, draft, error)
    return RedirectResponse(f"/clinics/{clinic}/segments/{segment}", 303)


def _asked_rule(form: FormData, draft: Draft) -> dict[str, Any]:
    """The rule that a form means, as a field of what is asked; none where it means the stored one."""
    return {} if "stored" in form else {"rule": draft.rule}


def _draft(form: FormData) -> Draft:
    """What a form says: the tree of its rows, or the rule that a page before held as a whole."""
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    own = dict(fields)
    words = {name: own.get(name, "").strip() for name in WORDS}
    draft = Draft(None, own.get("text", ""), words, own.get("tag", ""))
    if held := own.get("rule"):
        try:
            draft.take(rule_of(json.loads(held)).rule)
        except (InvalidInput, ValueError, RecursionError):
            draft.text = ""
    elif f"{ROOT}.kind" in own:
        draft.root = read_rows(fields)
    return draft


async def _worked_on(request: Request, serving: Services, visiting: Visitor, draft: Draft, do: str) -> Response:
    """The builder after one of its buttons, or after something was typed (`live`)."""
    try:
        if do == "text":
            draft.take(rule_of(draft.text).rule)
        elif draft.root is not None:
            draft.root = changed(draft.root, do)
        draft.judged = do == "preview"
        if draft.unfinished:
            draft.faults = {"unfinished": "A value is still to be typed."} if draft.judged else {}
        else:
            draft.preview = await _tried(serving, visiting, request.path_params["clinic"], draft)
            draft.text = write(rule_of(draft.rule).rule)
    except InvalidInput as error:
        where = error.place.removeprefix("body.").removeprefix("rule, ")
        draft.faults = {"text" if do == "text" else "rule": f"{where}: {error.detail or error.message}"}
    return await _builder(request, serving, visiting, draft)


async def _faulty(request: Request, serving: Services, visiting: Visitor, draft: Draft, error: Exception) -> Response:
    draft.faults, draft.judged = said(error), True
    return await _builder(request, serving, visiting, draft, 422)


async def _tried(serving: Services, visiting: Visitor, clinic: str, draft: Draft) -> Preview:
    return await trying.preview(serving, visiting.caller, clinic, TriedRule(rule=draft.rule, limit=SAMPLE))


async def _reviewed(request: Request, serving: Services, visiting: Visitor, draft: Draft, form: FormData) -> Response:
    """What the changed rule, or of an archived segment the stored one, would change, by name, before it is saved."""
    clinic, segment = request.path_params["clinic"], request.path_params["segment"]
    asked_rule, cursor = _asked_rule(form, draft), str(form.get("cursor", ""))[:LONGEST] or None
    asked = ComparedRule(**asked_rule, limit=NAMED, cursor=cursor)
    difference = await trying.compare(serving, visiting.caller, clinic, segment, asked)
    found, _ = await segments.read_definition(serving, visiting.caller, clinic, segment)
    return page(
        request,
        "manager/difference.html",
        visitor=visiting,
        clinic=await serving.directory.find(clinic),
        segment=found,
        difference=difference,
        text=write(rule_of(draft.rule).rule) if asked_rule else found.text,
        held=json.dumps(draft.rule) if asked_rule else "",
        tag=draft.tag,
        first=cursor is None,
    )


async def _builder(request: Request, serving: Services, visiting: Visitor, draft: Draft, status: int = 200) -> Response:
    """The whole page; for the script the parts of it that may be others now, or the preview alone."""
    wanted = str((await request.form()).get("live", "")) if request.method == "POST" else ""
    if wanted == "preview":
        return page(request, "manager/builder_preview.html", draft=draft)
    clinic, slug = request.path_params["clinic"], request.path_params.get("segment")
    known = await segments.list_segments(serving, visiting.caller, clinic)
    segment = next((each for each in known.segments if each["slug"] == slug), None)
    if slug and segment is None:  # it is archived
        (segment,) = (await segments.read_segment(serving, visiting.caller, clinic, slug)).segments
    words = await vocabulary_service.vocabulary(serving, visiting.caller, clinic)
    return page(
        request,
        "manager/builder_live.html" if wanted else "manager/builder.html",
        status,
        visitor=visiting,
        clinic=known.clinic,
        segment=segment,
        draft=draft,
        choices=Choices(words, [each for each in known.segments if each["slug"] != slug]),
        number=number,
        templates=list(segment_templates().values()),
    )
