"""What a rule names that its clinic does not have, told beside the answer."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from api.gateway import Grant, Work
from api.segments import naming_repository as repository
from api.segments.rules import PLACE
from policies.segments.names import Kind, Unknown, Words, asked_in, unknown_in
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


async def warnings(at: Grant | Work, written: WrittenRule) -> list[RuleWarning]:
    """What the clinic does not have of what a rule names; it may come later."""
    forms = {named.name for _, named in asked_in(written.rule) if named.kind is Kind.FORM}
    if not asked_in(written.rule):
        return []
    catalogue = Words.of(await repository.catalogue(at, sorted(forms)))
    # Most rules name what is in the catalogue, and pay for no look at records.
    if found := unknown_in(written.rule, catalogue):
        found = unknown_in(written.rule, catalogue, await _records(at, found))
    return [_warning(each, located(PLACE, written.at(each.place))) for each in found]


def of_values(found: list[RuleWarning], template: SegmentTemplate, values: Mapping[str, object]) -> list[RuleWarning]:
    """The same where the rule is a template's: by the parameter whose value the name is."""
    chosen = {values.get(each.name, each.default): f"body.values.{each.name}" for each in template.parameters}
    return [each.model_copy(update={"place": chosen.get(each.name, "body.values")}) for each in found]


async def _records(at: Grant | Work, missing: list[Unknown]) -> Words:
    def of(kind: Kind) -> list[Unknown]:
        return [each for each in missing if each.named.kind is kind]

    forms = {each.named.name for each in of(Kind.FORM)} | {each.named.form or "" for each in of(Kind.QUESTION)}
    choosing = {each.named.form or "" for each in of(Kind.OPTION)}
    wanted = {"services": bool(of(Kind.SERVICE)), "near_forms": bool(of(Kind.FORM))}
    return Words.of(await repository.recorded(at, **wanted, forms=sorted(forms), choosing=sorted(choosing)))


def _warning(found: Unknown, place: str) -> RuleWarning:
    named = found.named
    return RuleWarning(
        place=place, kind=named.kind, name=named.name, form=named.form, question=named.question,
        message=found.message, near=found.near,
    )  # fmt: skip
