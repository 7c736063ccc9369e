"""A segment's rule together with those of the segments that it names, and what is said where they take too long."""

from collections.abc import Mapping
from dataclasses import dataclass

from infra.errors import InvalidInput
from policies.segments.condition import Condition
from policies.segments.references import profile_dependent
from policies.segments.rule import Rule, conditions


@dataclass(frozen=True)
class Rules:
    """A segment's rule in force, its version, and the rules of all that it names, directly or not, by slug."""

    version: int
    rule: Rule
    segments: Mapping[str, Rule]

    @property
    def conditions(self) -> list[Condition]:
        """Every condition of them, in reading order."""
        return [found for rule in (self.rule, *self.segments.values()) for found in conditions(rule)]

    @property
    def uses_profile(self) -> bool:
        """Whether any condition needs the profile."""
        return profile_dependent(self.rule, self.segments)


def too_long() -> InvalidInput:
    """The problem of a segment that takes more than some seconds."""
    return InvalidInput("takes too long", place="path.segment", rule="takes_too_long")
