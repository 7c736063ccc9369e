"""What is asked for with an export."""

from pydantic import ConfigDict, Field

from policies.written import Written


class Exporting(Written):
    """Of which clinic."""

    model_config = ConfigDict(extra="forbid")

    clinic: str = Field(max_length=40)
