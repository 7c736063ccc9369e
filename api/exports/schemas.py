"""What is asked for with an export."""

from pydantic import BaseModel, ConfigDict, Field


class Exporting(BaseModel):
    """Of which clinic."""

    model_config = ConfigDict(extra="forbid")

    clinic: str = Field(max_length=40)
