"""The rule language, in its text form: `age > 65 and adherence.completion_rate(30d) < 0.5`.

`read` and `write` convert between it and the JSON form without loss: a rule written and read again is
the same rule, its nesting included. `rule.lark` is the grammar. Errors name line and column.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, UnexpectedToken, VisitError

from policies.segments.condition import Condition
from policies.segments.rule import LARGEST_RULE_BYTES, AllOf, AnyOf, InSegment, Not, Rule, RuleError, parse_rule

_EXPECTED = {
    "MEASURE": "a measure", "NAME": "an argument", "WINDOW": "a window such as 30d", "NUMBER": "a number",
    "STRING": "a text in double quotes", "DATE": "a date", "COMPARED": "a comparison", "LPAR": "'('",
    "RPAR": "')'", "LSQB": "'['", "RSQB": "']'", "COMMA": "','", "EQUAL": "'='", "$END": "the end",
}  # fmt: skip


def read(text: str) -> Rule:
    """Read a rule from its text form.

    Raises:
        RuleError: names line and column, and what was expected there.
    """
    if len(text.encode(errors="replace")) > LARGEST_RULE_BYTES:
        raise RuleError(f"the rule is larger than {LARGEST_RULE_BYTES} bytes")
    try:
        # The tree is made as the text is read, with no recursion: however deep it is.
        found = _grammar().parse(text)
    except UnexpectedInput as error:
        raise RuleError(_said(error), _place(error)) from None
    except VisitError as error:
        raise error.orig_exc if isinstance(error.orig_exc, RuleError) else RuleError("no rule") from None
    return parse_rule(found)


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


class _Reader(Transformer[Token, Any]):
    """Makes the JSON form, and checks each condition where it stands."""

    def STRING(self, token: Token) -> str:  # noqa: N802
        try:
            return str(json.loads(token))
        except ValueError:
            raise RuleError("no text: JSON's escapes hold in it", _at(token.line, token.column)) from None

    def NUMBER(self, token: Token) -> int | float:  # noqa: N802
        try:
            return float(token) if set(token) & set(".eE") else int(token)
        except ValueError:
            raise RuleError("the number is too long", _at(token.line, token.column)) from None

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

    def member(self, parts: list[Any]) -> dict[str, Any]:
        token, slug = parts
        return self._checked(token, {"in_segment": slug})

    def values(self, values: list[Any]) -> list[Any]:
        return [value for value in values if value is not None]

    def window(self, parts: list[Any]) -> dict[str, Any]:
        return {"window": str(parts[0])}

    def named(self, parts: list[Any]) -> dict[str, Any]:
        return {str(parts[0]): parts[1]}

    def measure(self, parts: list[Any]) -> tuple[Token, dict[str, Any]]:
        token: Token = parts[0]
        found: dict[str, Any] = {"measure": str(token)}
        for argument in filter(None, parts[1:]):
            (name,) = argument
            if name in found or name in ("op", "value"):
                raise RuleError(f"'{name[:60]}' cannot stand here, or not twice", _at(token.line, token.column))
            listed = name in ("status", "service", "modality") and isinstance(argument[name], str)
            found[name] = [argument[name]] if listed else argument[name]
        return token, found

    def compare(self, parts: list[Any]) -> dict[str, Any]:
        return {"op": str(parts[0]), "value": _plain(parts[1])}

    def between(self, parts: list[Any]) -> dict[str, Any]:
        return {"op": "between", "value": [_plain(part) for part in parts]}

    def within(self, parts: list[Any]) -> dict[str, Any]:
        return {"op": "in", "value": [_plain(part) for part in parts[0]]}

    def starts(self, parts: list[Any]) -> dict[str, Any]:
        return {"op": "starts_with", "value": _plain(parts[0])}

    def contains(self, parts: list[Any]) -> dict[str, Any]:
        return {"op": f"contains_{parts[0]}", "value": [_plain(part) for part in parts[1]]}

    def known(self, parts: list[Any]) -> dict[str, Any]:
        return {"op": f"is_{parts[0]}"}

    def condition(self, parts: list[Any]) -> dict[str, Any]:
        (token, measure), comparison = parts
        return self._checked(token, {**measure, **comparison})

    def _checked(self, token: Token, found: dict[str, Any]) -> dict[str, Any]:
        try:
            parse_rule(found)
        except RuleError as error:
            raise RuleError(str(error), _at(token.line, token.column)) from None
        return found


def _plain(value: Any) -> Any:
    """A constant as JSON has it: a date is a text there."""
    return str(value) if isinstance(value, Token) else value


@cache
def _grammar() -> Lark:
    text = (files("policies.segments") / "rule.lark").read_text()
    return Lark(text, start="rule", parser="lalr", transformer=_Reader())


def _said(error: UnexpectedInput) -> str:
    names = error.accepts if isinstance(error, UnexpectedToken) else getattr(error, "allowed", None)
    expected = sorted({_EXPECTED.get(name, f"'{name.lower()}'") for name in names or ()})
    return f"expected {' or '.join(expected)}" if expected else "this is no rule"


def _place(error: UnexpectedInput) -> str:
    return _at(error.line, error.column) if error.line > 0 else _at(1, 1)


def _at(line: int | None, column: int | None) -> str:
    return f"line {line}, column {column}"
