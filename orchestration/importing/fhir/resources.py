"""Which resource type becomes what, and in which order: what others refer to comes first."""

from collections.abc import Callable, Iterator

from orchestration.importing.fhir import facts, forms, people, plans, questionnaires, visits
from orchestration.importing.fhir.rows import Left, Note, Row, Source
from orchestration.importing.fhir.values import Body

LONGEST_KIND = 40  # of R4's own the longest has 33 letters
Convert = Callable[[Body, Source], Iterator[Row | Note]]


def _observation(body: Body, source: Source) -> Iterator[Row | Note]:
    if plans.is_adherence(body):
        return plans.adherence(body, source)
    return facts.blood_type(body, source) if facts.is_blood_type(body) else forms.observation(body, source)


CARRIED: dict[str, Convert] = {
    "Patient": people.patient,
    "RelatedPerson": people.related_person,
    "Coverage": facts.coverage,
    "AllergyIntolerance": facts.allergy,
    "Condition": facts.condition,
    "Consent": people.consent,
    "Questionnaire": questionnaires.questionnaire,
    "Appointment": visits.appointment,
    "Encounter": visits.encounter,
    "QuestionnaireResponse": forms.questionnaire_response,
    "Observation": _observation,
    "CarePlan": plans.care_plan,
    "ServiceRequest": plans.service_request,
    "Procedure": plans.procedure,
}
# They say which clinic is meant, and become no rows.
TELLING = frozenset({"Organization", "Location"})
ORDER = {kind: place for place, kind in enumerate((*sorted(TELLING), *CARRIED))}
# Rows in the order in which they are loaded: each may name rows of those before it.
SHAPES: tuple[tuple[str, ...], ...] = (
    ("patient",), ("guardian",), ("fact",), ("consent",), ("appointment",), ("template",), ("form",),
    ("form", "answer"), ("answer",), ("plan",), ("adherence",),
)  # fmt: skip


def place_of(kind: str) -> int:
    """Where a resource type comes among the others; what is not carried comes last."""
    return ORDER.get(kind, len(ORDER))


def rows_of(kind: str, body: Body, source: Source) -> Iterator[Row | Note]:
    """The rows of a resource.

    Raises:
        Unfit: it cannot be any; to be quarantined.
        Left: it is not carried; to be counted.
    """
    if kind not in CARRIED:
        raise Left(kind if kind.isascii() and kind.isalpha() and len(kind) <= LONGEST_KIND else "something else")
    yield from CARRIED[kind](body, source)
