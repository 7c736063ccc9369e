"""The published JSON Schema (draft 2020-12) of rules, made from the catalogue.

A document that fits it is a rule, and the other way round, but for what no schema can say: how deep and large a rule
may be, that a date is one of the calendar, that the lower bound comes first, and which segments there are.
"""

from typing import Any

from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import LARGEST_NUMBER, LONGEST_TEXT
from policies.segments.measure import Argument, Measure, ValueType
from policies.segments.operators import KNOWN, LISTS, LONGEST_LIST, OPERATORS
from policies.segments.rule import MOST_IN_LIST, SLUG
from policies.segments.windows import PATTERN

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_TEXT, "pattern": r"^[^\u0000]*$"}
_VALUE: dict[ValueType, Schema] = {
    ValueType.NUMBER: {"type": "number", "minimum": -LARGEST_NUMBER, "maximum": LARGEST_NUMBER},
    ValueType.TEXT: _TEXT,
    ValueType.DATE: {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    ValueType.TEXT_SET: _TEXT,
}
_RULE: Schema = {"$ref": "#/$defs/rule"}


def rule_schema() -> Schema:
    """The schema of a rule in its JSON form."""
    parts = {"type": "array", "items": _RULE, "minItems": 1, "maxItems": MOST_IN_LIST}
    trees = [
        _object({"all": parts}, "Holds if every part holds."),
        _object({"any": parts}, "Holds if at least one part holds."),
        _object({"not": _RULE}, "Holds if its part is false; unknown stays unknown."),
        _object(
            {"in_segment": {"type": "string", "pattern": SLUG, "maxLength": 80}}, "Holds for whom a segment holds."
        ),
    ]
    measures = [{"$ref": f"#/$defs/{name}"} for name in CATALOGUE]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rule of a segment",
        **_RULE,
        "$defs": {
            "rule": {"oneOf": [*trees, *measures]},
            **{measure.name: _measure(measure) for measure in CATALOGUE.values()},
            **{f"compare_{type_.value}": _comparison(type_) for type_ in ValueType},
        },
    }


def _object(properties: Schema, meaning: str) -> Schema:
    return {
        "type": "object", "description": meaning, "properties": properties, "required": list(properties),
        "additionalProperties": False,
    }  # fmt: skip


def _measure(measure: Measure) -> Schema:
    """A condition on one measure: its window, its arguments, and the comparisons of its type."""
    window = {"window": {"type": "string", "pattern": PATTERN}} if measure.windowed else {}
    required = [name for name, given in measure.arguments.items() if given.required]
    return {
        "type": "object",
        "description": measure.meaning,
        "properties": {
            "measure": {"const": measure.name},
            **window,
            **{name: _argument(given) for name, given in measure.arguments.items()},
            "op": True,
            "value": True,
        },
        "required": ["measure", "op", *(["window"] if measure.needs_window else []), *required],
        "additionalProperties": False,
        "$ref": f"#/$defs/compare_{measure.type.value}",
    }


def _argument(argument: Argument) -> Schema:
    one = {"enum": list(argument.options)} if argument.options else _TEXT
    return _list(one, 1, LONGEST_LIST) if argument.many else one


def _comparison(type_: ValueType) -> Schema:
    """Which values fit which operators."""
    value, fitting = _VALUE[type_], OPERATORS[type_]
    alone = fitting - LISTS - KNOWN - {"between"}
    choices = [
        (alone, value),
        (fitting & LISTS, _list(value, 1, LONGEST_LIST)),
        (fitting & {"between"}, _list(value, 2, 2)),
        (fitting & KNOWN, False),
    ]
    return {
        "oneOf": [
            {
                "properties": {"op": {"enum": sorted(operators)}, "value": given},
                "required": ["op"] if given is False else ["op", "value"],
            }
            for operators, given in choices
            if operators
        ]
    }


def _list(items: Schema, least: int, most: int) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}
