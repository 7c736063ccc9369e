"""Segments as managers write them."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from api.segments.naming import Warnings
from api.segments.rules import AskedRule, RuleOrStored
from policies.segments.rule import Slug
from policies.segments.templates import SegmentTemplate
from policies.words import ArchiveReason
from policies.written import Written

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"[^\s]")]
Description = Annotated[str, Field(max_length=2000)]
Fires = Annotated[
    bool,
    Field(description="Whether automation acts on whom this brings in or out. What patients do later fires anyway."),
]

# Whatever comes: what is wrong with it the parameter says.
AskedValue = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})]


class NewSegment(Written):
    """A segment to be added."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug
    name: Name
    description: Description = ""
    rule: AskedRule
    fires: Fires = False


class SegmentChange(Written):
    """What changes of a segment; what is absent stays. Another rule makes a new version."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    description: Description | None = None
    rule: AskedRule | None = None
    fires: Fires = False


class Archiving(Written):
    """Why a segment is put away."""

    model_config = ConfigDict(extra="forbid")

    reason: ArchiveReason


class Reviving(RuleOrStored):
    """A segment that is wanted again, by its stored rule or another one."""

    fires: Fires = False


class Enabling(Written):
    """A template with the values that the clinic chooses; a parameter that is absent has its usual value."""

    model_config = ConfigDict(extra="forbid")

    slug: Slug | None = Field(default=None, description="The template's own unless another is given.")
    name: Name | None = None
    values: dict[str, AskedValue] = Field(default_factory=dict, max_length=20)
    fires: Fires = False


class Saved(BaseModel):
    """A segment as it is now. Its entity tag goes with the next change."""

    slug: str
    version: int
    changed: bool = Field(description="Whether anything is another now.")
    warnings: Warnings = Field(default_factory=list)


class SegmentTemplates(BaseModel):
    """Segments that any clinic can enable."""

    templates: list[SegmentTemplate]
