"""What a rule names that its clinic does not have, told beside the answer."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from api.gateway import Grant, Work
from api.segments import vocabulary_repository as repository
from api.segments.aside import aside
from api.segments.rules import PLACE
from policies.segments.names import MOST_TOLD, Kind, Named, Places, Unknown, Words, asked_in, first_told, unknown_in
from policies.segments.rule import located
from policies.segments.templates import SegmentTemplate
from policies.segments.text import WrittenRule


class RuleWarning(BaseModel):
    """A name in the rule that the clinic does not have: whatever asks for it finds nothing of anybody."""

    place: str = Field(description="Where it is in what was sent, as problems name places.")
    kind: Kind
    name: str
    form: str | None = Field(default=None, description="Of a question or an option the form that it would be of.")
    question: str | None = Field(default=None, description="Of an option the question that it would be of.")
    message: str
    near: list[str] = Field(description="What may have been meant, the likeliest first.")


Warnings = Annotated[
    list[RuleWarning],
    Field(
        description=f"Names in the rule that the clinic does not have, each once, the first {MOST_TOLD};"
        " they may come later."
    ),
]


@dataclass(frozen=True)
class UnknownNames:
    """What a clinic does not have of what a rule names, beside what it has."""

    written: WrittenRule
    found: Places
    catalogue: Words
    records: Words


async def unknown_names(at: Grant | Work, written: WrittenRule) -> UnknownNames | None:
    """What the clinic does not have of what a rule names, if there is anything; it may come later."""
    asked = asked_in(written.rule)
    if not asked:
        return None
    forms = {named.name for named in asked if named.kind is Kind.FORM}
    catalogue = Words.of(await repository.catalogue(at, sorted(forms)))
    # Most rules name what is in the catalogue, and pay for no look at records.
    found = unknown_in(asked, catalogue)
    if not found:
        return None
    records = await _records(at, found)
    return UnknownNames(written, unknown_in(asked, catalogue, records), catalogue, records)


async def unknown_names_aside(work: Work, written: WrittenRule) -> UnknownNames | None:
    """The same within a work, of which nothing may fail by it: None where it could not be seen soon."""
    async with aside(work):
        return await unknown_names(work, written)
    return None


async def warnings(found: UnknownNames | None) -> list[RuleWarning]:
    """The unknown names, told; after the transaction, since a clinic may have any number of names."""
    # All of them are compared with each: not on the thread that serves everybody.
    return await asyncio.to_thread(_warnings, found) if found else []


def _warnings(found: UnknownNames) -> list[RuleWarning]:
    told = first_told(found.found, found.catalogue, found.records)
    return [_warning(each, located(PLACE, found.written.at(each.place))) for each in told]


def of_values(found: list[RuleWarning], template: SegmentTemplate, values: Mapping[str, object]) -> list[RuleWarning]:
    """The same where the rule is a template's: by the parameter whose value the name is."""
    chosen = {values.get(each.name, each.default): f"body.values.{each.name}" for each in template.parameters}
    return [each.model_copy(update={"place": chosen.get(each.name, "body.values")}) for each in found]


async def _records(at: Grant | Work, unknown: Places) -> Words:
    def of(kind: Kind) -> list[Named]:
        return [named for named in unknown if named.kind is kind]

    forms = {named.name for named in of(Kind.FORM)} | {named.form or "" for named in of(Kind.QUESTION)}
    choosing = {named.form or "" for named in of(Kind.OPTION)}
    wanted = {"services": bool(of(Kind.SERVICE)), "near_forms": bool(of(Kind.FORM))}
    return Words.of(await repository.recorded(at, **wanted, forms=sorted(forms), choosing=sorted(choosing)))


def _warning(found: Unknown, place: str) -> RuleWarning:
    named = found.named
    return RuleWarning(
        place=place, kind=named.kind, name=named.name, form=named.form, question=named.question,
        message=found.message, near=found.near,
    )  # fmt: skip
