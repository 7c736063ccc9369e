"""Named rules, as a file brings them: one, or a list; each rule in its JSON form or as a text."""

import json
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from policies.segments.condition import NO_NUL, Text, shown
from policies.segments.rule import DEEPEST_RULE, LARGEST_RULE_BYTES, Rule, RuleError, Slug, join, located
from policies.segments.text import take

LARGEST_FILE_BYTES = 1_000_000
# Words that stand in paths of the API where slugs do.
RESERVED = frozenset({"new", "preview", "templates", "vocabulary"})


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
    found = decode(text, LARGEST_FILE_BYTES)
    listed = found if isinstance(found, list) else [found]
    return [_segment(item, str(index) if isinstance(found, list) else "") for index, item in enumerate(listed)]


def decode(text: str, largest: int = LARGEST_RULE_BYTES) -> object:
    """Read JSON as strictly as rules ask for: numbers that are some, and no key twice.

    Raises:
        RuleError: it is none, or of more bytes than the largest; names the line.
    """
    # No character has less than a byte.
    if len(text) > largest or len(text.encode(errors="replace")) > largest:
        raise RuleError(f"it is larger than {largest} bytes")
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_key_twice)
    except RecursionError:
        raise RuleError(f"the rule is nested deeper than {DEEPEST_RULE} levels") from None
    except json.JSONDecodeError as error:
        raise RuleError(f"no JSON: {error.msg}", f"line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise error if isinstance(error, RuleError) else RuleError("a number is too long") from None


def _no_constant(name: str) -> float:
    raise RuleError(f"{name} is no number in JSON")


def _no_key_twice(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise RuleError(f"the key {shown(twice)} is there twice")
    return found


def _segment(found: object, place: str) -> SegmentDefinition:
    if not isinstance(found, dict) or "rule" not in found:
        raise RuleError("expected an object with 'slug', 'name' and 'rule'", place)
    rule = _rule(found["rule"], join(place, "rule"))
    try:
        segment = SegmentDefinition.model_validate({**found, "rule": rule})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise RuleError(str(first["msg"]), join(place, str(first["loc"][0]))) from None
    if segment.slug in RESERVED:
        raise RuleError(f"the slugs {', '.join(sorted(RESERVED))} are reserved", join(place, "slug"))
    return segment


def _rule(found: object, place: str) -> Rule:
    try:
        return take(found).rule
    except RuleError as error:
        raise RuleError(str(error), located(place, error.place)) from None
