"""The rule language, in its text form: `age > 65 and adherence.completion_rate(30d) < 0.5`.

`read` and `write` convert between it and the JSON form without loss: a rule written and read again is
the same rule, its nesting included. `rule.lark` is the grammar. Errors name line and column. `take` is for what comes
in: it refuses besides what no new rule should be, and a stored one may.
"""

import json
from collections.abc import Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from lark.exceptions import UnexpectedInput, VisitError

from policies.segments import faults
from policies.segments.condition import Condition
from policies.segments.faults import WORD, at_position, at_token
from policies.segments.rule import (
    LARGEST_RULE_BYTES,
    MOST_PARTS,
    AllOf,
    AnyOf,
    InSegment,
    Not,
    Rule,
    RuleError,
    join,
    leaves,
    parse_rule,
)
from policies.segments.text_reader import Tokens, parsed, token_of

# Names, numbers, texts and signs, all counted together, but for commas. A rule has fewer than two parts to a word, so
# that whatever is read here is read in JSON too; of what comes in JSON, `take` refuses what would be too long here.
MOST_WORDS = MOST_PARTS // 2


class WrittenRule(NamedTuple):
    """A rule as somebody wrote it; of a text with the tokens that its leaves were read from, by their places."""

    rule: Rule
    tokens: Mapping[str, Tokens] = MappingProxyType({})

    def at(self, place: str) -> str:
        """A place in the rule, of a leaf or a key of it, as it was written: of a text its line and column."""
        for leaf, tokens in self.tokens.items():
            if not leaf or place == leaf or place.startswith(f"{leaf}."):
                return at_token(token_of(tokens, place.removeprefix(leaf).lstrip(".")))
        return place


def read(text: str) -> Rule:
    """Read a rule from its text form.

    Raises:
        RuleError: names line and column, and what was expected there.
    """
    return _read(text).rule


def take(found: object) -> WrittenRule:
    """Read a rule as it comes in, in either form; in JSON, if it could be read from its text as well.

    Raises:
        RuleError: names the place and what was expected there.
    """
    written = _read(found) if isinstance(found, str) else WrittenRule(_read_json(found))
    _check_bounds(written)
    return written


def _read(text: str) -> WrittenRule:
    _check_size(text)
    try:
        part = parsed(text)
    except UnexpectedInput as error:
        raise RuleError(faults.said(error, text), faults.place(error, text)) from None
    except VisitError as error:
        raise error.orig_exc if isinstance(error.orig_exc, RuleError) else RuleError("no rule") from None
    rule = parse_rule(part.found)
    return WrittenRule(rule, {place: tokens for (place, _), tokens in zip(leaves(rule), part.leaves, strict=True)})


def _read_json(found: object) -> Rule:
    rule = parse_rule(found)
    try:
        _check_size(write(rule))
    except RuleError as error:
        raise RuleError(f"{error}, written as a text") from None
    return rule


def _check_bounds(written: WrittenRule) -> None:
    for place, leaf in leaves(written.rule):
        if isinstance(leaf, Condition) and leaf.reversed:
            low, high = map(_constant, leaf.constants())
            said = f"expected the lower bound first: nothing is between {low} and {high}"
            raise RuleError(said, written.at(join(place, "value")))


def _check_size(text: str) -> None:
    # No character has less than a byte.
    if len(text) > LARGEST_RULE_BYTES or len(text.encode(errors="replace")) > LARGEST_RULE_BYTES:
        raise RuleError(f"the rule is larger than {LARGEST_RULE_BYTES} bytes")
    words = (word for word in WORD.finditer(text) if word[0] != ",")
    if over := next(islice(words, MOST_WORDS, None), None):
        raise RuleError(f"the rule has more than {MOST_WORDS} words and signs", at_position(text, over.start()))


def write(rule: Rule) -> str:
    """The text form of a rule."""
    if isinstance(rule, Condition):
        return _condition(rule)
    if isinstance(rule, InSegment):
        return f'in_segment("{rule.in_segment}")'
    if isinstance(rule, Not):
        return f"not {_part(rule.part)}"
    parts, word = (rule.all, "all") if isinstance(rule, AllOf) else (rule.any, "any")
    if len(parts) == 1:
        return f"{word}({write(parts[0])})"
    return (" and " if word == "all" else " or ").join(map(_part, parts))


def _part(rule: Rule) -> str:
    """A rule as a part of another: what joins several stands in parentheses."""
    joins = isinstance(rule, AllOf | AnyOf) and len(rule.all if isinstance(rule, AllOf) else rule.any) > 1
    return f"({write(rule)})" if joins else write(rule)


def _condition(condition: Condition) -> str:
    arguments = [condition.window] if condition.window else []
    for name in condition.definition.arguments:
        given = condition.argument(name)
        if given is not None:
            arguments.append(f"{name}={_constant(given)}")
    measure = condition.measure + (f"({', '.join(arguments)})" if arguments else "")
    op = condition.op.replace("_", " ")
    if condition.op == "between":
        low, high = condition.constants()
        return f"{measure} between {_constant(low)} and {_constant(high)}"
    return f"{measure} {op}" + ("" if condition.value is None else f" {_constant(condition.value)}")


def _constant(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_constant, value))}]"
    return json.dumps(value, ensure_ascii=False)
