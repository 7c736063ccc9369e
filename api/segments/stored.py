"""A clinic's rules as they are stored: one that is none any more holds up neither the others nor its own repair."""

from collections.abc import Mapping
from typing import Any

from api.segments.rules import PLACE, check_together, no_rule
from policies.segments.rule import Rule, RuleError, located, to_json
from policies.segments.sound import beside, readable
from policies.segments.text import Written, write


def together(stored: Mapping[str, Rule | None], slug: str, new: Written) -> dict[str, Rule]:
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


def shown(stored: Any) -> dict[str, Any]:
    """A stored rule in both forms; as it is stored, and without a text, where it is none any more."""
    rule = readable(stored)
    return {"rule": stored, "text": None} if rule is None else {"rule": to_json(rule), "text": write(rule)}
