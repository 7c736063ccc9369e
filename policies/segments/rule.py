"""The rule language, in its JSON form.

A rule is a tree of `all`, `any` and `not` over conditions:

    {"all": [{"measure": "age", "op": ">", "value": 65},
             {"measure": "adherence.completion_rate", "window": "30d", "op": "<", "value": 0.5}]}

A rule may name another segment of the clinic: `{"in_segment": "high-pain"}`.
Errors name the place in the rule and what was expected there.
"""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from policies.segments.condition import Condition, Misfit, near
from policies.segments.operators import Operator

LARGEST_RULE_BYTES = 1_000_000
DEEPEST_RULE = 40
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
_EXPECTED = "expected an object with 'all', 'any', 'not', 'in_segment' or 'measure'"


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


class InSegment(BaseModel):
    """Holds of a patient for whom the rule of another segment of the clinic holds; undecided there is unknown here."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    in_segment: Slug


Rule = AllOf | AnyOf | Not | Condition | InSegment


def leaves(rule: Rule, place: str = "") -> Iterator[tuple[str, Condition | InSegment]]:
    """What a tree is made of, in reading order, each with its place in the rule."""
    if isinstance(rule, Condition | InSegment):
        yield place, rule
    elif isinstance(rule, Not):
        yield from leaves(rule.part, join(place, "not"))
    else:
        key, parts = ("all", rule.all) if isinstance(rule, AllOf) else ("any", rule.any)
        for index, part in enumerate(parts):
            yield from leaves(part, f"{join(place, key)}[{index}]")


def conditions(rule: Rule) -> list[Condition]:
    """Every condition of a rule itself, in reading order; those of segments that it names are not its own."""
    return [leaf for _, leaf in leaves(rule) if isinstance(leaf, Condition)]


def needs_profile(rule: Rule) -> bool:
    """Whether a condition of the rule itself is on the profile; see `references.profile_dependent`."""
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
        raise RuleError(_EXPECTED, place)
    for key, model in (("all", AllOf), ("any", AnyOf)):
        if key in found:
            return _parse_list(found, key, model, place)
    if "not" in found:
        _only(found, "not", place)
        return Not(part=_parse(found["not"], join(place, "not")))
    if "in_segment" in found:
        return _parse_in_segment(found, place)
    if "measure" not in found:
        raise RuleError(_EXPECTED, place)
    _check_keys(found, place)
    try:
        return Condition.model_validate(found)
    except ValidationError as error:
        raise _rule_error(error, place) from None


def _check_keys(found: dict[str, object], place: str) -> None:
    """What the model would refuse as well, but not in words that help."""
    op = found.get("op")
    if isinstance(op, str) and op not in get_args(Operator):
        raise RuleError(f"unknown operator '{op[:60]}'{near(op, get_args(Operator))}", join(place, "op"))
    for key, value in found.items():
        if value is None:
            raise RuleError("leave it out where there is none: null is no value", join(place, key[:60]))


def _parse_list(found: dict[str, object], key: str, model: type[AllOf] | type[AnyOf], place: str) -> Rule:
    _only(found, key, place)
    parts = found[key]
    if not isinstance(parts, list) or not 1 <= len(parts) <= 200:
        raise RuleError(f"'{key}' needs a list of 1 to 200 rules", join(place, key))
    return model.model_validate(
        {key: [_parse(part, f"{join(place, key)}[{index}]") for index, part in enumerate(parts)]}
    )


def _parse_in_segment(found: dict[str, object], place: str) -> Rule:
    _only(found, "in_segment", place)
    try:
        return InSegment.model_validate(found)
    except ValidationError:
        raise RuleError("expected the slug of a segment, such as 'high-pain'", join(place, "in_segment")) from None


def _only(found: dict[str, object], key: str, place: str) -> None:
    if len(found) > 1:
        other = next(name for name in found if name != key)
        raise RuleError(f"'{str(other)[:60]}' cannot stand beside '{key}'", place)


def join(*places: str) -> str:
    """A place within a place."""
    return ".".join(filter(None, places))


def _rule_error(error: ValidationError, place: str) -> RuleError:
    first = error.errors(include_url=False, include_input=False)[0]
    misfit = first.get("ctx", {}).get("error")
    if isinstance(misfit, Misfit):
        return RuleError(str(misfit), join(place, misfit.key))
    key = str(first["loc"][0])
    if first["type"] == "missing":
        return RuleError(f"expected '{key}' beside 'measure'", place)
    if first["type"] == "extra_forbidden":
        return RuleError(f"unknown key '{key[:60]}'{near(key, Condition.model_fields)}", place)
    return RuleError(_SAID.get(key, str(first["msg"])), join(place, key))


_TEXTS = "expected a list of 1 to 1000 texts of 1 to 200 characters, without NUL"
_TEXT = "expected a text of 1 to 200 characters, without NUL"
_SAID = {
    "measure": "expected the name of a measure",
    "window": "expected a window such as '30d'",
    "value": "the value must be a number, a text of 1 to 200 characters, or a list of these",
    **dict.fromkeys(("status", "service", "modality"), _TEXTS),
    **dict.fromkeys(("form", "question"), _TEXT),
}


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
