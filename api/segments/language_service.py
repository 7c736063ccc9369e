"""What rules are made of."""

from typing import Any, get_args

from pydantic import TypeAdapter

from api.gateway import Access, Caller
from api.segments import vocabulary_repository as repository
from api.segments.language_schemas import MeasureEntry, Measures, Vocabulary, VocabularyTemplate
from api.services import Services
from policies.access.model import Resource
from policies.appointments import Status
from policies.segments.catalogue import CATALOGUE
from policies.segments.condition import OPERATORS, Operator
from policies.segments.rule import Rule
from policies.words import Action


def schema() -> dict[str, Any]:
    """The JSON Schema of rules."""
    return TypeAdapter(Rule).json_schema()


def measures() -> Measures:
    """The catalogue of measures."""
    return Measures(
        measures=[
            MeasureEntry(
                measure=measure.name,
                meaning=measure.meaning,
                type=measure.type.value,
                unit=measure.unit,
                needs_profile=measure.needs_profile,
                windowed=measure.windowed,
                arguments={name: argument.required for name, argument in measure.arguments.items()},
                operators=[operator for operator in get_args(Operator) if operator in OPERATORS[measure.type]],
            )
            for measure in CATALOGUE.values()
        ]
    )


async def vocabulary(serving: Services, caller: Caller, clinic: str) -> Vocabulary:
    """What the rules of a clinic may name.

    Raises:
        NotThere: no such clinic, or not the caller's to manage.
    """
    async with serving.gateway.open(caller, Access(Action.SEGMENT_VOCABULARY, Resource(clinic))) as grant:
        row = await repository.vocabulary(grant)
    statuses = [status.value for status in Status]
    return Vocabulary(
        **{
            **row,
            "statuses": statuses,
            "templates": [VocabularyTemplate.model_validate(found) for found in row["templates"]],
        }
    )
