"""A clinic's rules as they are stored: one that is none any more holds up neither the others nor its own repair."""

from collections.abc import Mapping
from typing import Any

from api.segments.rules import PLACE, RuleOrStored, check_together, no_rule, rule_of
from infra.errors import Refused
from policies.segments.rule import Rule, RuleError, located, to_json
from policies.segments.sound import beside, readable
from policies.segments.text import WrittenRule, write


def together(stored: Mapping[str, Rule | None], slug: str, new: WrittenRule) -> dict[str, Rule]:
    """The rules that a new one is evaluated with, itself included; what is broken is left out.

    Raises:
        InvalidInput: it names a broken one, or one that is not there, or itself; or there are too many measures.
    """
    try:
        rules = beside({**stored, slug: new.rule}, {slug})
    except RuleError as error:
        raise no_rule(error, located(PLACE, new.at(error.place))) from None
    check_together(rules, slug, new.at)
    return rules


def sent_or_stored(asked: RuleOrStored, stored: Rule | None) -> WrittenRule:
    """The rule that was sent, or for want of one that which is stored, whatever would be refused of it by now.

    Raises:
        InvalidInput: what was sent is no rule.
        Refused: nothing was sent, and what is stored is none any more.
    """
    if not asked.says_nothing:
        return rule_of(asked.rule)
    if stored is None:
        detail = "its rule is none any more: send another one"
        raise Refused("broken", place="path.segment", rule="broken", detail=detail)
    return WrittenRule(stored)


def shown(stored: Any) -> dict[str, Any]:
    """A stored rule in both forms; as it is stored, and without a text, where it is none any more."""
    rule = readable(stored)
    return {"rule": stored, "text": None} if rule is None else {"rule": to_json(rule), "text": write(rule)}
