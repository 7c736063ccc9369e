"""The rule language, in its text form: `age > 65 and adherence.completion_rate(30d) < 0.5`.

`read` and `write` convert between it and the JSON form without loss: a rule written and read again is
the same rule, its nesting included. `rule.lark` is the grammar. Errors name line and column.
"""

import json
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, VisitError

from policies.segments import faults
from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import ARGUMENTS, Condition, near, shown
from policies.segments.faults import WORD, Measured, at_position, at_token
from policies.segments.rule import (
    LARGEST_RULE_BYTES,
    MOST_PARTS,
    AllOf,
    AnyOf,
    InSegment,
    Not,
    Rule,
    RuleError,
    parse_rule,
)

# Names, numbers, texts and signs, all counted together, but for commas. A rule has fewer than two parts to a word, so
# that whatever is read here is read in JSON too; of what comes in JSON, `take` refuses what would be too long here.
MOST_WORDS = MOST_PARTS // 2
_MANY = {name for measure in CATALOGUE.values() for name, given in measure.arguments.items() if given.many}


def read(text: str) -> Rule:
    """Read a rule from its text form.

    Raises:
        RuleError: names line and column, and what was expected there.
    """
    _check_size(text)
    try:
        # The tree is made as the text is read, with no recursion: however deep it is.
        found = _grammar().parse(text)
    except UnexpectedInput as error:
        raise RuleError(faults.said(error, text), faults.place(error, text)) from None
    except VisitError as error:
        raise error.orig_exc if isinstance(error.orig_exc, RuleError) else RuleError("no rule") from None
    return parse_rule(found)


def take(found: object) -> Rule:
    """Read a rule as it comes in, in either form; in JSON, if it could be read from its text as well.

    Raises:
        RuleError: names the place and what was expected there.
    """
    if isinstance(found, str):
        return read(found)
    rule = parse_rule(found)
    try:
        _check_size(write(rule))
    except RuleError as error:
        raise RuleError(f"{error}, written as a text") from None
    return rule


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


class _Comparison(NamedTuple):
    """What is compared with: its keys, and the tokens that each of them and its items stand at."""

    found: dict[str, Any]
    places: dict[str, list[Token]]


class _Reader(Transformer[Token, Any]):
    """Makes the JSON form, in which conditions are read already: each is checked where it stands."""

    def all_of(self, parts: list[Any]) -> dict[str, Any]:
        return {"all": parts}

    def any_of(self, parts: list[Any]) -> dict[str, Any]:
        return {"any": parts}

    def negation(self, parts: list[Any]) -> dict[str, Any]:
        return {"not": parts[0]}

    def group(self, parts: list[Any]) -> Any:
        return parts[0]

    def single(self, parts: list[Any]) -> dict[str, Any]:
        return {str(parts[0]): [parts[1]]}

    def member(self, parts: list[Token]) -> Rule:
        word, slug = parts
        rule = _leaf({"in_segment": _constant_of(slug)}, {"": [word]})
        return rule.standing(at_token(word)) if isinstance(rule, InSegment) else rule

    def values(self, tokens: list[Token | None]) -> list[Token]:
        return [token for token in tokens if token is not None]

    def argument(self, parts: list[Any]) -> tuple[str, list[Token], Any]:
        token = parts[0]
        if token.type == "WINDOW":
            return "window", [token], str(token)
        name, given = str(token), parts[1]
        if name not in (*ARGUMENTS, "window"):
            raise RuleError(f"unknown argument {shown(name)}{near(name, ARGUMENTS)}", at_token(token))
        if isinstance(given, Token):
            value = _constant_of(given)
            return name, [token, given], [value] if name in _MANY else value
        return name, [token, *given[1:]], [_constant_of(item) for item in given[1:]]

    def measure(self, parts: list[Any]) -> Measured:
        found, places = {"measure": str(parts[0])}, {"": [parts[0]]}
        for name, tokens, value in filter(None, parts[1:]):
            if name in found:
                raise RuleError(f"'{name}' cannot stand here twice", at_token(tokens[0]))
            found[name], places[name] = value, tokens
        return Measured(found, places)

    def compare(self, parts: list[Token]) -> _Comparison:
        return _with_one(str(parts[0]), parts)

    def between(self, parts: list[Token]) -> _Comparison:
        return _with_many("between", parts[0], parts)

    def within(self, parts: list[Any]) -> _Comparison:
        return _with_many("in", parts[0], parts[1])

    def starts(self, parts: list[Token]) -> _Comparison:
        return _with_one("starts_with", parts)

    def contains(self, parts: list[Any]) -> _Comparison:
        return _with_many(f"contains_{parts[1]}", parts[0], parts[2])

    def known(self, parts: list[Token]) -> _Comparison:
        return _Comparison({"op": f"is_{parts[1]}"}, {"op": [parts[0]]})

    def condition(self, parts: list[Any]) -> Rule:
        measured, compared = parts
        return _leaf({**measured.found, **compared.found}, {**measured.places, **compared.places})


def _with_one(op: str, tokens: list[Token]) -> _Comparison:
    word, value = tokens
    return _Comparison({"op": op, "value": _constant_of(value)}, {"op": [word], "value": [value]})


def _with_many(op: str, word: Token, tokens: list[Token]) -> _Comparison:
    """The first of the tokens is where the list begins."""
    return _Comparison({"op": op, "value": list(map(_constant_of, tokens[1:]))}, {"op": [word], "value": tokens})


def _leaf(found: dict[str, Any], places: dict[str, list[Token]]) -> Rule:
    """Read a condition; an error is at the token of the key or item that it is about, or at the first one."""
    try:
        return parse_rule(found)
    except RuleError as error:
        key, _, index = error.place.partition(".")
        tokens = places.get(key) or places[""]
        raise RuleError(str(error), at_token(tokens[int(index) + 1 if index else 0])) from None


def _constant_of(token: Token) -> Any:
    """A constant as JSON has it: a date is a text there."""
    if token.type == "STRING":
        return _text_of(token)
    return _number_of(token) if token.type == "NUMBER" else str(token)


def _text_of(token: Token) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        raise RuleError("no text: JSON's escapes hold in it", at_token(token)) from None


def _number_of(token: Token) -> int | float:
    try:
        return float(token) if set(token) & set(".eE") else int(token)
    except ValueError:
        raise RuleError("the number is too long", at_token(token)) from None


@cache
def _grammar() -> Lark:
    text = (files("policies.segments") / "rule.lark").read_text()
    return Lark(text, start="rule", parser="lalr", transformer=_Reader())
