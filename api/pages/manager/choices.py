"""What the builder's fields offer: measures, operators, and the clinic's own words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.pages.manager.rule_form import Row
from api.pages.texts import N_, say
from api.segments.language_schemas import Vocabulary
from policies.segments.catalogue import CATALOGUE, Measure

Option = tuple[str, str]

OPERATORS = {
    "=": N_("is"),
    "!=": N_("is not"),
    "<": N_("is less than"),
    "<=": N_("is at most"),
    ">": N_("is more than"),
    ">=": N_("is at least"),
    "between": N_("is between"),
    "in": N_("is one of"),
    "starts_with": N_("starts with"),
    "contains_any": N_("has any of"),
    "contains_all": N_("has all of"),
    "contains_none": N_("has none of"),
    "is_known": N_("is known"),
    "is_unknown": N_("is unknown"),
}
GROUPS = {"all": N_("all hold"), "any": N_("at least one holds"), "none": N_("none holds")}


@dataclass(frozen=True)
class Choices:
    """What there is to choose from at one clinic; what a rule has already is always among it."""

    words: Vocabulary
    others: Sequence[dict[str, Any]]

    @property
    def groups(self) -> list[Option]:
        """How the parts of a group are joined."""
        return [(kind, say(text)) for kind, text in GROUPS.items()]

    def measures(self) -> dict[str, list[Measure]]:
        """The measures by what their names begin with, in the catalogue's order; a profile's have no such word."""
        found: dict[str, list[Measure]] = {}
        for measure in CATALOGUE.values():
            family, dot, _ = measure.name.partition(".")
            found.setdefault(family if dot else "profile", []).append(measure)
        return found

    def operators(self, row: Row) -> list[Option]:
        """The operators that fit a row's measure."""
        return [(op, say(OPERATORS[op])) for op in row.operators]

    def one(self, row: Row, name: str) -> list[Option]:
        """The forms, or the questions of the chosen form."""
        templates = self.words.templates
        if name == "form":
            known = {each.template: each.title or each.template for each in templates}
        else:
            asked = next((each.questions for each in templates if each.template == row.one("form")), [])
            known = {question["id"]: f"{question['id']}: {question.get('text', '')}".rstrip(": ") for question in asked}
        required = row.measure.arguments[name].required
        nothing = ("", say("Choose") if required else say("Any"))
        return [nothing, *_with([row.one(name)], known).items()]

    def many(self, row: Row, name: str) -> list[tuple[str, bool]]:
        """Statuses, services or ways to meet, and whether each is chosen."""
        words = {"status": self.words.statuses, "service": self.words.services, "modality": self.words.modalities}
        chosen = row.said.get(name, [])
        return [(value, value in chosen) for value in _with(chosen, dict.fromkeys(words[name], ""))]

    def segments(self, row: Row) -> list[Option]:
        """The clinic's other segments."""
        known = {segment["slug"]: str(segment["name"]) for segment in self.others}
        return [("", say("Choose")), *_with([row.one("segment")], known).items()]


def number(place: str) -> str:
    """What a row is called: `2.1` is the first part of the second."""
    return ".".join(str(int(step) + 1) for step in place.split(".")[1:])


def _with(chosen: Sequence[str], known: dict[str, str]) -> dict[str, str]:
    return known | {value: value for value in chosen if value and value not in known}
