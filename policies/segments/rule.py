"""The rule language, in its JSON form.

A rule is a tree of `all`, `any` and `not` over conditions:

    {"all": [{"measure": "age", "op": ">", "value": 65},
             {"measure": "adherence.completion_rate", "window": "30d", "op": "<", "value": 0.5}]}

A rule may name another segment of the clinic: `{"in_segment": "high-pain"}`.
Errors name the place in the rule and what was expected there.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import CONSTANTS, Condition, Misfit, near, shown
from policies.segments.operators import Operator

LARGEST_RULE_BYTES = 250_000
DEEPEST_RULE = 40
# Values, keys and rules in lists, all counted together.
MOST_PARTS = 10_000
_DEEPER = ("all", "any", "not")
MOST_IN_LIST = 200
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=80)]
_KINDS = ("all", "any", "not", "in_segment", "measure")
_EXPECTED = "expected an object with 'all', 'any', 'not', 'in_segment' or 'measure'"


class RuleError(ValueError):
    """A rule that is none; `place` is a path into it, such as `all.1.window`."""

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(message)
        self.place = place


class AllOf(BaseModel):
    """Holds if every part holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    all: Annotated[list["Rule"], Field(min_length=1, max_length=MOST_IN_LIST)]


class AnyOf(BaseModel):
    """Holds if at least one part holds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    any: Annotated[list["Rule"], Field(min_length=1, max_length=MOST_IN_LIST)]


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
            yield from leaves(part, join(place, key, index))


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
    _check_size(found, place)
    return _parse(found, place)


def _parse(found: object, place: str) -> Rule:
    if isinstance(found, Condition | InSegment):  # of the text form, read where it stands
        return found
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
        raise RuleError(_EXPECTED + _meant(found), place)
    _check_keys(found, place)
    try:
        return Condition.model_validate(found)
    except ValidationError as error:
        raise _rule_error(error, found["measure"], place) from None


def _meant(found: dict[str, object]) -> str:
    # Of a few keys alone: comparing words is slow.
    return next(filter(None, (near(str(key), _KINDS) for key in islice(found, 10))), "")


def _check_keys(found: dict[str, object], place: str) -> None:
    """What the model would refuse as well, but not in words that help."""
    op = found.get("op")
    if isinstance(op, str) and op not in get_args(Operator):
        raise RuleError(f"unknown operator {shown(op)}{near(op, get_args(Operator))}", join(place, "op"))
    for key, value in found.items():
        if key not in Condition.model_fields:
            raise RuleError(f"unknown key {shown(key)}{near(str(key), Condition.model_fields)}", place)
        if value is None:
            raise RuleError("leave it out where there is none: null is no value", join(place, key))


def _parse_list(found: dict[str, object], key: str, model: type[AllOf] | type[AnyOf], place: str) -> Rule:
    _only(found, key, place)
    parts = found[key]
    if not isinstance(parts, list) or not 1 <= len(parts) <= MOST_IN_LIST:
        raise RuleError(f"'{key}' needs a list of 1 to {MOST_IN_LIST} rules", join(place, key))
    return model.model_validate({key: [_parse(part, join(place, key, index)) for index, part in enumerate(parts)]})


def _parse_in_segment(found: dict[str, object], place: str) -> Rule:
    _only(found, "in_segment", place)
    try:
        return InSegment.model_validate(found)
    except ValidationError:
        raise RuleError("expected the slug of a segment, such as 'high-pain'", join(place, "in_segment")) from None


def _only(found: dict[str, object], key: str, place: str) -> None:
    if len(found) > 1:
        other = next(name for name in found if name != key)
        raise RuleError(f"{shown(other)} cannot stand beside '{key}'", place)


def join(*places: str | int) -> str:
    """A place within a place, with points inwards, as every problem says it: `all.1.window`."""
    return ".".join(str(place) for place in places if place != "")


def located(place: str, within: str) -> str:
    """A place in a rule, and where the rule is: by its path, or by line and column of a text."""
    return f"{place}, {within}" if within.startswith("line ") else join(place, within)


def _rule_error(error: ValidationError, measure: object, place: str) -> RuleError:
    errors = error.errors(include_url=False, include_input=False)
    first = errors[0]
    misfit = first.get("ctx", {}).get("error")
    if isinstance(misfit, Misfit):
        return RuleError(str(misfit), join(place, misfit.key))
    key = str(first["loc"][0])
    if first["type"] == "missing":
        return RuleError(f"expected '{key}' beside 'measure'", place)
    # Of a list the first item that does not fit; before that comes what else the value could have been.
    index = next((step for one in errors if one["loc"][0] == key for step in one["loc"][1:] if type(step) is int), "")
    said = _VALUES.get(str(measure)) if key == "value" else _TEXT if index != "" else None
    return RuleError(said or _SAID.get(key, str(first["msg"])), join(place, key, index))


_TEXTS = "expected a list of 1 to 1000 texts of 1 to 200 characters, without NUL"
_TEXT = "expected a text of 1 to 200 characters, without NUL"
_SAID = {
    "measure": "expected the name of a measure",
    "window": "expected a window such as '30d'",
    "value": "the value must be a number, a text of 1 to 200 characters, or a list of these",
    **dict.fromkeys(("status", "service", "modality"), _TEXTS),
    **dict.fromkeys(("form", "question"), _TEXT),
}


_VALUES = {measure.name: f"the value must be {CONSTANTS[measure.type]}" for measure in CATALOGUE.values()}


def _check_size(found: object, place: str) -> None:
    """Refuse what is too deep or too large before anything of it is read, and with no recursion."""
    todo, parts = [(found, 1, place)], 0
    while todo:
        node, level, where = todo.pop()
        if level > DEEPEST_RULE:
            raise RuleError(f"the rule is nested deeper than {DEEPEST_RULE} levels", where)
        if isinstance(node, dict | list):
            parts += len(node)
            if parts > MOST_PARTS:
                raise RuleError(f"the rule has more than {MOST_PARTS} parts", place)
            todo += _within(node, level, where)


def _within(node: dict[str, object] | list[object], level: int, place: str) -> list[tuple[object, int, str]]:
    if isinstance(node, list):
        return [(part, level, join(place, index)) for index, part in enumerate(node)]
    return [
        (part, level + 1, join(place, key)) if key in _DEEPER else (part, level, place) for key, part in node.items()
    ]
