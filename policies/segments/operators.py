"""The operators of conditions, and which types they fit."""

from typing import Literal

from policies.segments.measure import ValueType

Operator = Literal[
    "=", "!=", "<", "<=", ">", ">=", "between", "in", "starts_with",
    "contains_any", "contains_all", "contains_none", "is_known", "is_unknown",
]  # fmt: skip
# What takes a list, and what takes no value.
LISTS = frozenset({"in", "contains_any", "contains_all", "contains_none"})
KNOWN = frozenset({"is_known", "is_unknown"})
LONGEST_LIST = 1000

_ORDER = {"=", "!=", "<", "<=", ">", ">=", "between", "in"}
OPERATORS: dict[ValueType, set[str]] = {
    ValueType.NUMBER: _ORDER | KNOWN,
    ValueType.DATE: _ORDER | KNOWN,
    ValueType.TEXT: {"=", "!=", "in", "starts_with"} | KNOWN,
    ValueType.TEXT_SET: {"contains_any", "contains_all", "contains_none"} | KNOWN,
}
