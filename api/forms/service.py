"""What staff, specialists, patients and guardians may do with forms."""

import json
from typing import Any
from uuid import UUID

from api.consents import repository as consents
from api.entity_tags import matches, of_version
from api.forms import assigning_repository, repository
from api.forms.answered import answers_of, check, template_of
from api.forms.schemas import (
    Answered,
    Assigned,
    Assigning,
    Completing,
    ConsentText,
    OwnForm,
    OwnStatus,
    OwnStatuses,
    Saved,
    Saving,
    Shown,
    Status,
    Statuses,
)
from api.gateway import Access, Caller, Work
from api.me.service import person_of
from api.messages.port import Message, MessageKind
from api.messages.repository import enqueue
from api.profiles.service import as_id
from api.services import Services
from infra.errors import InvalidInput, NotThere, Refused
from policies.access.model import Resource
from policies.forms.answers import Answers, rows, scores
from policies.forms.template import Template
from policies.text import fault_of_text
from policies.words import Action, ConsentPurpose

_PATIENT = frozenset({"patient_id", "records"})
_ANSWERS = frozenset({"records", "body"})


async def assign(serving: Services, caller: Caller, clinic: str, patient: str, asked: Assigning | None) -> Assigned:
    """Have a patient answer forms; none twice on one day.

    Raises:
        NotThere: no such patient, or not of the caller's clinic.
        InvalidInput: a name that is none of the clinic's templates.
    """
    templates = asked.templates if asked else []
    access = Access(Action.FORM_ASSIGN, Resource(clinic, patient=True), _PATIENT)
    async with serving.gateway.work(caller, access) as work:
        # What has a NUL or half a character is looked for as nothing.
        names = ["" if fault_of_text(name) else name for name in templates]
        found = await repository.patient(work, as_id(patient), names)
        if not templates or set(names) != set(found["known"] or ()):
            raise InvalidInput("not all are templates of the clinic", place="templates", rule="no_such_template")
        today = found["today"]
        forms = await assigning_repository.assign(
            work, found["patient_id"], names, occasion=f"by hand {today.isoformat()}", today=today
        )
        if forms:
            await _ask(serving, work, found, forms)
    return Assigned(forms=forms)


async def _ask(serving: Services, work: Work, found: dict[str, Any], forms: list[UUID]) -> None:
    """Tell the patient that there are forms; of a single one, hushed with it."""
    request = Message(
        MessageKind.FORM_REQUEST, found["person_id"], clinic_id=work.clinic_id, patient_id=found["patient_id"],
        link="/me", confidential=found["confidential"], about_id=forms[0] if len(forms) == 1 else None,
    )  # fmt: skip
    await enqueue(work, serving.codec, request)


async def list_statuses(serving: Services, caller: Caller, clinic: str, patient: str) -> Statuses:
    """How far the forms of a patient are; no answer.

    Raises:
        NotThere: no such patient, or not of the caller's clinic.
    """
    access = Access(Action.FORM_LIST, Resource(clinic, patient=True), _PATIENT)
    async with serving.gateway.open(caller, access) as grant:
        found = await repository.how_far(grant, as_id(patient))
        if not found:
            raise NotThere("no such patient")
    return Statuses(forms=[Status.model_validate(row) for row in found if row["id"]])


async def read(serving: Services, caller: Caller, clinic: str, form: str) -> Answered:
    """A form of a patient whom the caller treats; its answers once it is completed.

    Raises:
        NotThere: no such form, or not of a patient of the caller's.
    """
    access = Access(Action.RECORD_READ, Resource(clinic, patient=True), _PATIENT | _ANSWERS)
    row = await repository.of_patient(await serving.gateway.person(caller, access), as_id(form))
    template = template_of(row)
    answers = answers_of(row, serving.codec) if row["status"] == "completed" else {}
    return Answered.model_validate(_whole(row, template, answers))


async def list_own(serving: Services, caller: Caller, dependent: str | None = None) -> OwnStatuses:
    """The forms of the caller or a dependent.

    Raises:
        NotThere: the caller is no patient; no such dependent, or not the caller's today.
    """
    access = Access(Action.OWN_RECORD_READ, person_of(caller, dependent), frozenset({"records"}))
    grant = await serving.gateway.person(caller, access)
    found = await repository.own_list(grant, as_id(dependent or ""), own=dependent is None)
    return OwnStatuses(forms=[OwnStatus.model_validate(row) for row in found])


async def read_own(serving: Services, caller: Caller, form: str, dependent: str | None = None) -> OwnForm:
    """A form of the caller or a dependent, with what was answered so far.

    Raises:
        NotThere: no such form, or it is hidden from the caller.
    """
    grant = await serving.gateway.person(caller, Access(Action.OWN_RECORD_READ, person_of(caller, dependent), _ANSWERS))
    row = await repository.own_form(grant, as_id(dependent or ""), as_id(form), own=dependent is None)
    whole = _whole(row, template_of(row), answers_of(row, serving.codec))
    return OwnForm.model_validate({**whole, "consent": _text(row), "version": of_version(row["version"])})


async def save(
    serving: Services,
    caller: Caller,
    form: str,
    asked: Saving | None,
    dependent: str | None = None,
    if_match: str | None = None,
) -> Saved:
    """Save the answers so far; with `if_match` only if the form is still as it was read.

    Raises:
        NotThere: no such form, or it is hidden from the caller.
        InvalidInput: an answer that its question does not take.
        Refused: the form is completed or expired, or was changed at the same time.
    """
    async with serving.gateway.work(caller, _answering(caller, dependent)) as work:
        row = await repository.to_answer(work, as_id(dependent or ""), as_id(form), own=dependent is None)
        template = _open_template(row)
        if asked is None:
            raise InvalidInput("no answers", place="answers", rule="missing")
        _check_version(row, if_match)
        answers = check(template, asked.answers, whole=False)
        version = await repository.begin(work, row)
        await repository.seal(work, serving.codec, row["id"], _document(answers))
    tag = of_version(version)
    return Saved(status="in_progress", version=tag, answers=answers, results=scores(template, answers))


async def complete(
    serving: Services,
    caller: Caller,
    form: str,
    asked: Completing | None,
    dependent: str | None = None,
    if_match: str | None = None,
) -> Saved:
    """Complete a form for good, as `save` does; a consent form is signed in the caller's own hand.

    Raises:
        NotThere: no such form, or it is hidden from the caller.
        InvalidInput: an answer that its question does not take, or one that is missing.
        Refused: the form is completed or expired, was changed at the same time, or another text was shown.
    """
    asked = asked or Completing()
    async with serving.gateway.work(caller, _answering(caller, dependent)) as work:
        row = await repository.to_answer(work, as_id(dependent or ""), as_id(form), own=dependent is None)
        template = _open_template(row)
        _check_version(row, if_match)
        given = answers_of(row, serving.codec) if asked.answers is None else asked.answers
        answers = check(template, given, whole=True)
        repository.hold_days(work)
        signed = await _sign(work, row, asked.consent) if template.purpose else None
        version = await repository.complete(work, row, rows(template, answers), signed)
        await repository.seal(work, serving.codec, row["id"], _document(answers))
    tag = of_version(version)
    return Saved(status="completed", version=tag, answers=answers, results=scores(template, answers))


async def _sign(work: Work, row: dict[str, Any], shown: Shown | None) -> UUID:
    """Sign what the form shows, if that is what the signer was shown."""
    text = _text(row)
    if text is None:
        raise Refused("the clinic has no text to sign", place="consent", rule="no_text")
    if shown is None:
        raise InvalidInput("which text was shown", place="consent", rule="missing")
    if (shown.text_version, shown.sha256) != (text.text_version, text.sha256):
        raise Refused("another text is to be signed now", place="consent.text_version", rule="not_the_newest")
    return await consents.sign(
        work,
        clinic_id=row["clinic_id"],
        person_id=row["person_id"],
        purpose=text.purpose,
        text_version=text.text_version,
        channel="app",
        place="consent.text_version",
    )


def _answering(caller: Caller, dependent: str | None) -> Access:
    return Access(Action.FORM_ANSWER, person_of(caller, dependent), _ANSWERS)


def _check_version(row: dict[str, Any], if_match: str | None) -> None:
    if if_match is not None and not matches(of_version(row["version"]), if_match):
        raise Refused("changed meanwhile", place="header.if-match", rule="changed_meanwhile")


def _open_template(row: dict[str, Any]) -> Template:
    """The template of a form that can be answered now."""
    if row["status"] not in ("pending", "in_progress"):
        raise Refused("the form takes no answers any more", place="form", rule=row["status"])
    template = template_of(row)
    if template is None:
        raise Refused("the form has no questions", place="form", rule="no_questions")
    return template


def _text(row: dict[str, Any]) -> ConsentText | None:
    if row["purpose"] is None or row["text_version"] is None:
        return None
    return ConsentText(
        purpose=ConsentPurpose(row["purpose"]),
        text_version=row["text_version"],
        text=row["text"],
        sha256=row["sha256"].hex(),
    )


def _whole(row: dict[str, Any], template: Template | None, answers: Answers) -> dict[str, Any]:
    if template is None:
        return {**row, "questions": [], "scores": [], "answers": answers, "results": {}}
    results = scores(template, answers)
    return {**row, "questions": template.questions, "scores": template.scores, "answers": answers, "results": results}


def _document(answers: Answers) -> bytes:
    return json.dumps(answers, ensure_ascii=False, allow_nan=False).encode()
