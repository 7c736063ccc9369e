"""Named rules, as a file brings them: one, or a list; each rule in its JSON form or as a text."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from policies.segments.condition import NO_NUL, Text
from policies.segments.rule import DEEPEST_RULE, LARGEST_RULE_BYTES, Rule, RuleError, Slug, join, parse_rule
from policies.segments.text import read


class SegmentDefinition(BaseModel):
    """A named rule, as a file or a request brings it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    slug: Slug
    name: Text
    description: Annotated[str, StringConstraints(max_length=2000, pattern=NO_NUL)] = ""
    rule: Rule


def parse_segments(text: str) -> list[SegmentDefinition]:
    """Read a file of one segment, or of a list of them.

    Raises:
        RuleError: no JSON, or not of this shape; names the place.
    """
    if len(text.encode()) > LARGEST_RULE_BYTES:
        raise RuleError(f"the file is larger than {LARGEST_RULE_BYTES} bytes")
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise RuleError(f"the rule is nested deeper than {DEEPEST_RULE} levels") from None
    except json.JSONDecodeError as error:
        raise RuleError(f"no JSON: {error.msg}", f"line {error.lineno}") from None
    except ValueError as error:
        raise error if isinstance(error, RuleError) else RuleError("a number is too long") from None
    listed = found if isinstance(found, list) else [found]
    return [_segment(item, f"[{index}]" if isinstance(found, list) else "") for index, item in enumerate(listed)]


def _no_constant(name: str) -> float:
    raise RuleError(f"{name} is no number in JSON")


def _segment(found: object, place: str) -> SegmentDefinition:
    if not isinstance(found, dict) or "rule" not in found:
        raise RuleError("expected an object with 'slug', 'name' and 'rule'", place)
    rule = _rule(found["rule"], join(place, "rule"))
    try:
        return SegmentDefinition.model_validate({**found, "rule": rule})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RuleError(str(first["msg"]), join(place, str(first["loc"][0]))) from None


def _rule(found: object, place: str) -> Rule:
    if not isinstance(found, str):
        return parse_rule(found, place)
    try:
        return read(found)
    except RuleError as error:
        raise RuleError(str(error), f"{place}, {error.place}" if error.place else place) from None
