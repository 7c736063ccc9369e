"""From the words of a rule's text to its JSON form, and to where each word stands."""

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from lark import Lark, Token, Transformer

from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import ARGUMENTS, near, shown
from policies.segments.faults import Measured, at_token
from policies.segments.rule import RuleError, parse_rule

_MANY = {name for measure in CATALOGUE.values() for name, given in measure.arguments.items() if given.many}
# The tokens that each key of a leaf and its items stand at; of no key, where the leaf begins.
Tokens = Mapping[str, list[Token]]


class Part(NamedTuple):
    """A part of a rule in its JSON form, where conditions are read already, with the tokens of its leaves in order."""

    found: Any
    leaves: list[Tokens]


def token_of(places: Tokens, place: str) -> Token:
    """The token of a key of a leaf or of an item of its list, or the first one."""
    key, _, index = place.partition(".")
    tokens = places.get(key) or places[""]
    return tokens[int(index) + 1 if index else 0]


def parsed(text: str) -> Part:
    """A rule's text as its JSON form: made as it is read, with no recursion, however deep it is.

    Raises:
        UnexpectedInput, VisitError: it is no rule.
    """
    found: Any = _grammar().parse(text)
    part: Part = found
    return part


@cache
def _grammar() -> Lark:
    text = (files("policies.segments") / "rule.lark").read_text()
    return Lark(text, start="rule", parser="lalr", transformer=_Reader())


class _Comparison(NamedTuple):
    """What is compared with: its keys, and the tokens that each of them and its items stand at."""

    found: dict[str, Any]
    places: dict[str, list[Token]]


class _Reader(Transformer[Token, Any]):
    """Makes the JSON form: each condition is checked where it stands."""

    def all_of(self, parts: list[Part]) -> Part:
        return _joined("all", parts)

    def any_of(self, parts: list[Part]) -> Part:
        return _joined("any", parts)

    def negation(self, parts: list[Part]) -> Part:
        return Part({"not": parts[0].found}, parts[0].leaves)

    def group(self, parts: list[Part]) -> Part:
        return parts[0]

    def single(self, parts: list[Any]) -> Part:
        return _joined(str(parts[0]), parts[1:])

    def member(self, parts: list[Token]) -> Part:
        word, slug = parts
        return _leaf({"in_segment": _constant_of(slug)}, {"": [word]})

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

    def condition(self, parts: list[Any]) -> Part:
        measured, compared = parts
        return _leaf({**measured.found, **compared.found}, {**measured.places, **compared.places})


def _joined(key: str, parts: Iterable[Part]) -> Part:
    found = list(parts)
    return Part({key: [part.found for part in found]}, [tokens for part in found for tokens in part.leaves])


def _with_one(op: str, tokens: list[Token]) -> _Comparison:
    word, value = tokens
    return _Comparison({"op": op, "value": _constant_of(value)}, {"op": [word], "value": [value]})


def _with_many(op: str, word: Token, tokens: list[Token]) -> _Comparison:
    """The first of the tokens is where the list begins."""
    return _Comparison({"op": op, "value": list(map(_constant_of, tokens[1:]))}, {"op": [word], "value": tokens})


def _leaf(found: dict[str, Any], places: Tokens) -> Part:
    """Read a condition; an error is at the token of the key or item that it is about, or at the first one."""
    try:
        return Part(parse_rule(found), [places])
    except RuleError as error:
        raise RuleError(str(error), at_token(token_of(places, error.place))) from None


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
