"""What rules are made of: the language, for everybody signed in, and a clinic's own words, for its managers."""

from typing import Any

from fastapi import APIRouter

from api.segments import vocabulary_service as service
from api.segments.editing_schemas import SegmentTemplates
from api.segments.language_schemas import Measures, Vocabulary
from api.services import ApiCaller, Serving
from policies.segments.catalogue import describe
from policies.segments.schema import rule_schema
from policies.segments.templates import segment_templates

router = APIRouter(tags=["segments"])


@router.get("/segments/schema")
async def read_schema(_caller: ApiCaller) -> dict[str, Any]:
    """The JSON Schema of rules."""
    return rule_schema()


@router.get("/segments/measures")
async def list_measures(_caller: ApiCaller) -> Measures:
    """The measures that rules compare, with their types, units, arguments and operators."""
    return Measures.model_validate({"measures": describe()})


@router.get("/segments/templates")
async def list_segment_templates(_caller: ApiCaller) -> SegmentTemplates:
    """Segments that any clinic can enable, with the parameters that it may choose."""
    return SegmentTemplates(templates=list(segment_templates().values()))


@router.get("/clinics/{clinic}/segments/vocabulary")
async def read_vocabulary(serving: Serving, caller: ApiCaller, clinic: str) -> Vocabulary:
    """The clinic's services, templates and questions, and the statuses of appointments: what a rule may name."""
    return await service.vocabulary(serving, caller, clinic)
