"""A rule as a form: a tree of groups and conditions, whose fields are named by their place, such as `r.0.measure`.

Groups say `all`, `any` or `none` of their parts hold; `none` is `not` over `any`. Nothing that was typed is lost: what
is no condition yet stays as it is, with its fault beside the field.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from policies.segments.catalogue import CATALOGUE, Measure, ValueType
from policies.segments.condition import Condition
from policies.segments.operators import KNOWN, LISTS, OPERATORS
from policies.segments.rule import (
    AllOf,
    AnyOf,
    InSegment,
    Not,
    Rule,
    RuleError,
    leaves,
)
from policies.segments.text import take

GROUPS = ("all", "any", "none")
MANY = ("status", "service", "modality")
ONE = ("window", "form", "question")
# A rule of more than that is edited as a text alone.
MOST_ROWS = 60
DEEPEST = 8
ROOT = "r"
_NAME = re.compile(r"(r(?:\.\d{1,3}){0,8})\.([a-z_]{1,20})")


@dataclass
class Row:
    """A group with its parts, or a condition, or another segment; `said` is what stands in its fields."""

    kind: str
    said: dict[str, list[str]] = field(default_factory=dict)
    parts: list["Row"] = field(default_factory=list)

    def one(self, name: str) -> str:
        """What stands in a field, which is trimmed."""
        return (self.said.get(name) or [""])[0].strip()

    @property
    def measure(self) -> Measure:
        """The measure that is chosen, or the first of all."""
        return CATALOGUE.get(self.one("measure")) or next(iter(CATALOGUE.values()))

    @property
    def operators(self) -> list[str]:
        """The operators that fit the measure, in a fixed order."""
        return [op for op in _ORDER if op in OPERATORS[self.measure.type]]

    @property
    def op(self) -> str:
        """The operator that is chosen, or the first that fits."""
        return self.one("op") if self.one("op") in self.operators else self.operators[0]

    @property
    def takes(self) -> str:
        """What is to be typed behind the operator: `nothing`, `list`, `two` or `one`."""
        return (
            "nothing" if self.op in KNOWN else "list" if self.op in LISTS else "two" if self.op == "between" else "one"
        )

    @property
    def unfinished(self) -> bool:
        """Whether the value is still to be typed."""
        return self.kind == "condition" and self.takes != "nothing" and not self._value()

    def json(self) -> dict[str, Any]:
        """The row as a rule's JSON, good or not."""
        if self.kind == "in_segment":
            return {"in_segment": self.one("segment")}
        if self.kind == "condition":
            return self._condition()
        parts = [part.json() for part in self.parts]
        if self.kind == "none":
            return {"not": parts[0] if len(parts) == 1 else {"any": parts}}
        return parts[0] if len(parts) == 1 and self.said.get("alone") != ["no"] else {self.kind: parts}

    def faults(self) -> dict[str, str]:
        """What is wrong with a row itself, by field."""
        if self.kind in GROUPS:
            return {} if self.parts else {"kind": "a group needs a part"}
        try:
            take(self.json())
        except RuleError as error:
            return {error.place.split(".")[0] or "value": str(error)}
        return {}

    def _condition(self) -> dict[str, Any]:
        found: dict[str, Any] = {"measure": self.measure.name, "op": self.op}
        if self.takes != "nothing":
            values = self._value()
            found["value"] = values if self.takes != "one" else (values or [""])[0]
        if self.measure.windowed and self.one("window"):
            found["window"] = self.one("window")
        for name, argument in self.measure.arguments.items():
            chosen = [text.strip() for text in self.said.get(name, []) if text.strip()]
            if chosen:
                found[name] = chosen if argument.many else chosen[0]
        return found

    def _value(self) -> list[Any]:
        typed = self.said.get("value", [])
        lines = [line.strip() for text in typed for line in (text.split("\n") if self.takes == "list" else [text])]
        wanted = lines if self.takes in ("list", "two") else lines[:1]
        return [_number(line) if self.measure.type is ValueType.NUMBER else line for line in wanted if line]


_ORDER = (
    "=", "!=", "<", "<=", ">", ">=", "between", "in", "starts_with", "contains_any", "contains_all", "contains_none",
    "is_known", "is_unknown",
)  # fmt: skip


def blank() -> Row:
    """A rule that is still to be written."""
    return Row("all", parts=[condition()])


def condition() -> Row:
    """A condition that is still to be written."""
    return Row("condition", {"measure": ["age"], "op": [">"]})


def rows_of(rule: Rule) -> Row | None:
    """The form of a rule, whose root is a group.

    None where there would be too many rows, or too deep, or texts in them that a field does not keep as they are.
    """
    named = [leaf for _, leaf in leaves(rule)]
    if len(named) > MOST_ROWS or not all(_plain(text) for leaf in named for text in _texts(leaf)):
        return None
    found = _row(rule)
    root = found if found.kind in GROUPS else Row("all", parts=[found])
    return root if _depth(root) <= DEEPEST else None


def _row(rule: Rule) -> Row:
    if isinstance(rule, InSegment):
        return Row("in_segment", {"segment": [rule.in_segment]})
    if isinstance(rule, Condition):
        return Row("condition", _said(rule))
    if isinstance(rule, Not):
        inner = rule.part.any if isinstance(rule.part, AnyOf) and len(rule.part.any) > 1 else [rule.part]
        return Row("none", parts=[_row(part) for part in inner])
    kind, parts = ("all", rule.all) if isinstance(rule, AllOf) else ("any", rule.any)
    alone = {"alone": ["no"]} if len(parts) == 1 else {}
    return Row(kind, alone, [_row(part) for part in parts])


def _texts(leaf: Condition | InSegment) -> list[str]:
    return [text for texts in _said(leaf).values() for text in texts] if isinstance(leaf, Condition) else []


def _plain(text: str) -> bool:
    return text == text.strip() and not set(text) & {"\r", "\n"}


def _said(rule: Condition) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {"measure": [rule.measure], "op": [rule.op]}
    if rule.value is not None:
        said["value"] = [str(value) for value in (rule.value if isinstance(rule.value, list) else [rule.value])]
    for name in (*ONE, *MANY):
        given = getattr(rule, name)
        if given is not None:
            said[name] = list(given) if isinstance(given, list) else [given]
    return said


def read_rows(fields: Iterable[tuple[str, str]]) -> Row:
    """The tree that a form's fields stand for; what is none of a tree's is left out."""
    said: dict[str, dict[str, list[str]]] = {}
    for name, value in fields:
        if place := _NAME.fullmatch(name):
            said.setdefault(place[1], {}).setdefault(place[2], []).append(value)
    return _grown(ROOT, said) if ROOT in said else blank()


def _grown(place: str, said: dict[str, dict[str, list[str]]]) -> Row:
    own = said[place]
    kind = (own.pop("kind", None) or ["condition"])[0]
    if kind not in GROUPS:
        return Row("in_segment" if kind == "in_segment" else "condition", own)
    below = sorted(
        (int(other.removeprefix(place + ".")), other)
        for other in said
        if other.startswith(place + ".") and other.count(".") == place.count(".") + 1
    )
    return Row(kind, own, [_grown(other, said) for _, other in below])


def changed(root: Row, do: str) -> Row:
    """The tree after a button of its was pressed: `add`, `nest`, `name` or `drop`, and a place, such as `add r.1`."""
    step, _, place = do.partition(" ")
    *above, last = place.split(".")
    holder = _at(root, above) if step == "drop" else _at(root, place.split("."))
    if holder is None or holder.kind not in GROUPS:
        return root
    holder.said.pop("alone", None)
    if step == "drop" and last.isdigit() and int(last) < len(holder.parts):
        del holder.parts[int(last)]
    elif step == "add":
        holder.parts.append(condition())
    elif step == "name":
        holder.parts.append(Row("in_segment"))
    elif step == "nest" and place.count(".") < DEEPEST - 1:
        holder.parts.append(Row("any", parts=[condition()]))
    return root


def _at(root: Row, place: list[str]) -> Row | None:
    found = root
    for step in place[1:]:
        if not step.isdigit() or int(step) >= len(found.parts):
            return None
        found = found.parts[int(step)]
    return found if place[:1] == [ROOT] else None


def all_rows(root: Row, place: str = ROOT) -> Iterator[tuple[str, Row]]:
    """Every row with its place, from above to below."""
    yield place, root
    for index, part in enumerate(root.parts):
        yield from all_rows(part, f"{place}.{index}")


def _depth(row: Row) -> int:
    return 1 + max((_depth(part) for part in row.parts), default=0)


def _number(text: str) -> int | float | str:
    """A number as it is typed, or the text that is none: what is wrong with it the rule says."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return number if isfinite(number := float(text)) else text
    except ValueError:
        return text
