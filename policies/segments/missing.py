"""What is missing where a rule is undecided: an answer, a consent, a field of the profile, another fact.

Only what lies in the mart is asked. Of a patient who does not share the profile nothing but that is known, so
every condition on it lacks the consent and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policies.segments.condition import Condition
from policies.segments.explanation import Explanation, Part, explain_by
from policies.segments.flips import Course
from policies.segments.measure import FactTable
from policies.segments.reference import Verdict
from policies.segments.rule import Rule
from policies.segments.text import write


class Lacking(StrEnum):
    """What kind of thing is missing."""

    CONSENT = "consent"  # to share the profile
    PROFILE = "profile"  # a field that is empty, though the profile is shared
    ANSWER = "answer"
    FACT = "fact"  # an appointment, a form, an exercise


@dataclass(frozen=True, order=True)
class Missing:
    """One thing that is missing: a question of a form for an answer, the measure for a field or a fact."""

    lacking: Lacking
    measure: str = ""
    form: str = ""
    question: str = ""


def missing_of(condition: Condition, *, shared: bool) -> Missing:
    """What an unknown condition lacks, for a patient who shares the profile or not."""
    measure = condition.definition
    if measure.needs_profile:
        return Missing(Lacking.PROFILE, measure.name) if shared else Missing(Lacking.CONSENT)
    if measure.table is FactTable.ANSWERS:
        return Missing(Lacking.ANSWER, form=condition.form or "", question=condition.question or "")
    return Missing(Lacking.FACT, _measure(condition))


def missing_from(found: Explanation, *, shared: bool) -> list[Missing]:
    """What could decide a rule that is undecided, sorted; nothing if it is decided."""
    return sorted({missing_of(condition, shared=shared) for condition in found.open_conditions()})


def missing_by(
    rule: Rule, segments: Mapping[str, Rule], verdicts: Mapping[str, Verdict], *, shared: bool
) -> list[Missing]:
    """What could decide a rule whose conditions have these verdicts, by their text form.

    Raises:
        RuleError: as `explain`.
    """

    def known(condition: Condition) -> Part:
        return Part(condition, Course(((date.min, verdicts[write(condition)]),)))

    return missing_from(explain_by(rule, segments, known), shared=shared)


def _measure(condition: Condition) -> str:
    """The measure with its window and arguments, in the text form."""
    known = condition.model_copy(update={"op": "is_known", "value": None})
    return write(known).removesuffix(" is known")
