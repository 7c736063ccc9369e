"""The rule language, in its JSON form.

A rule is a tree of `all`, `any` and `not` over conditions:

    {"all": [{"measure": "age", "op": ">", "value": 65},
             {"measure": "adherence.completion_rate", "window": "30d", "op": "<", "value": 0.5}]}

Errors name the place in the rule and what was expected there.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from policies.segments.condition import Condition

LARGEST_RULE_BYTES = 1_000_000
DEEPEST_RULE = 40


class RuleError(ValueError):
    """A rule that is none; `place` is a path into it, such as `all[1].window`."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


class AllOf(BaseModel):
    """Holds if every part holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    all: Annotated[list["Rule"], Field(min_length=1, max_length=200)]


class AnyOf(BaseModel):
    """Holds if at least one part holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    any: Annotated[list["Rule"], Field(min_length=1, max_length=200)]


class Not(BaseModel):
    """Holds if its part is false; unknown stays unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)
    part: Annotated["Rule", Field(alias="not")]


Rule = AllOf | AnyOf | Not | Condition


def conditions(rule: Rule) -> list[Condition]:
    """Every condition of a rule, in reading order."""
    if isinstance(rule, Condition):
        return [rule]
    parts = rule.all if isinstance(rule, AllOf) else rule.any if isinstance(rule, AnyOf) else [rule.part]
    return [found for part in parts for found in conditions(part)]


def needs_profile(rule: Rule) -> bool:
    """Whether the rule is profile-dependent: a revoked consent must take its members back."""
    return any(condition.definition.needs_profile for condition in conditions(rule))


def to_json(rule: Rule) -> dict[str, Any]:
    """The rule's canonical JSON form."""
    found: dict[str, Any] = rule.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def parse_rule(found: object, place: str = "") -> Rule:
    """Read a rule from decoded JSON.

    Raises:
        RuleError: names the place in the rule and what was expected.
    """
    if _depth(found) > DEEPEST_RULE:
        raise RuleError(f"the rule is nested deeper than {DEEPEST_RULE} levels", place)
    return _parse(found, place)


def _parse(found: object, place: str) -> Rule:
    if not isinstance(found, dict):
        raise RuleError("expected an object with 'all', 'any', 'not' or 'measure'", place)
    for key, model in (("all", AllOf), ("any", AnyOf)):
        if key in found:
            return _parse_list(found, key, model, place)
    if "not" in found:
        _only(found, "not", place)
        return Not(part=_parse(found["not"], join(place, "not")))
    if "measure" not in found:
        raise RuleError("expected an object with 'all', 'any', 'not' or 'measure'", place)
    try:
        return Condition.model_validate(found)
    except ValidationError as error:
        raise _rule_error(error, place) from None


def _parse_list(found: dict[str, object], key: str, model: type[AllOf] | type[AnyOf], place: str) -> Rule:
    _only(found, key, place)
    parts = found[key]
    if not isinstance(parts, list) or not 1 <= len(parts) <= 200:
        raise RuleError(f"'{key}' needs a list of 1 to 200 rules", join(place, key))
    return model.model_validate(
        {key: [_parse(part, f"{join(place, key)}[{index}]") for index, part in enumerate(parts)]}
    )


def _only(found: dict[str, object], key: str, place: str) -> None:
    if len(found) > 1:
        other = next(name for name in found if name != key)
        raise RuleError(f"'{other[:60]}' cannot stand beside '{key}'", place)


def join(*places: str) -> str:
    """A place within a place."""
    return ".".join(filter(None, places))


def _rule_error(error: ValidationError, place: str) -> RuleError:
    first = error.errors(include_url=False, include_input=False)[0]
    where = [str(part) for part in first["loc"] if str(part) in Condition.model_fields][:1]
    message = str(first["msg"]).removeprefix("Value error, ")
    if where == ["value"]:
        message = "the value must be a number, a text of 1 to 200 characters, or a list of these"
    return RuleError(message, join(place, *where))


def _depth(found: object) -> int:
    deepest, todo = 0, [(found, 1)]
    while todo:
        node, level = todo.pop()
        deepest = max(deepest, level)
        if level > DEEPEST_RULE:
            return level
        if isinstance(node, dict):
            todo += [(part, level + (1 if key in ("all", "any", "not") else 0)) for key, part in node.items()]
        elif isinstance(node, list):
            todo += [(part, level) for part in node]
    return deepest
