"""Rules as requests bring them: read, and seen to fit the clinic's others; what is wrong is told with its place."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, WithJsonSchema

from infra.errors import InvalidInput
from policies.segments.compiler import ActiveSegment, compile_verdicts
from policies.segments.references import places, profile_dependent, reached
from policies.segments.rule import Rule, RuleError, located
from policies.segments.text import WrittenRule, take
from policies.written import Written

PLACE = "body.rule"
# Whatever comes: what is wrong with it `rule_of` says, and where.
AskedRule = Annotated[
    Any,
    Field(description="In JSON, or as a text; see `GET /v1/segments/schema`."),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
]


class RuleOrStored(Written):
    """A request that brings a rule, or for want of one means that which is stored of an archived segment."""

    model_config = ConfigDict(extra="forbid")

    rule: AskedRule = Field(default=None, description="Of an archived segment the stored one if absent.")

    @property
    def says_nothing(self) -> bool:
        """Whether it brings none; null is no rule."""
        return "rule" not in self.model_fields_set


def rule_of(asked: object) -> WrittenRule:
    """The rule that was sent, and where its parts stand in it.

    Raises:
        InvalidInput: no rule; names the place in it, what was expected there, and near names.
    """
    try:
        return take(asked)
    except RuleError as error:
        raise no_rule(error, located(PLACE, error.place)) from None


def check_together(rules: Mapping[str, Rule], slug: str, at: Callable[[str], str]) -> None:
    """See that a clinic's rules can be evaluated together, one of which is new: `at` says where its places were sent.

    Raises:
        InvalidInput: it names one that is not there, or itself through others, or there are too many measures.
    """
    try:
        compile_verdicts([ActiveSegment(UUID(int=index), 1, rules[each], each) for index, each in enumerate(rules)])
    except RuleError as error:
        raise no_rule(error, located(PLACE, at(_place(rules, slug)))) from None


def _place(rules: Mapping[str, Rule], slug: str) -> str:
    """Where a rule names a segment that is not there, or through which it names itself; nowhere if it does neither.

    In a circle, the place of the error may be another rule's.
    """
    found = places(rules[slug])
    wrong = sorted(found.keys() - rules.keys()) or [other for other in found if slug in reached([other], rules)]
    return found[wrong[0]] if wrong else ""


def dependent(rules: Mapping[str, Rule]) -> list[str]:
    """The slugs of those that depend on profiles, themselves or through those that they name."""
    return [slug for slug, rule in rules.items() if profile_dependent(rule, rules)]


def no_rule(error: RuleError, place: str) -> InvalidInput:
    """The problem that a fault in a rule is."""
    return InvalidInput("no rule", place=place, rule="no_rule", detail=str(error))
