"""What a sample is made from."""

from dataclasses import dataclass
from datetime import date, timedelta

from infra.errors import InvalidInput

# One in 25 patients is a person who is registered at a second clinic as well.
SHARED = 25


@dataclass(frozen=True)
class Spec:
    """Size, seed and reference date of a sample; the same spec gives the same bytes.

    Raises:
        InvalidInput: no clinic, or too few patients to have some at each.
    """

    patients: int
    clinics: int
    seed: int
    as_of: date

    def __post_init__(self) -> None:
        if self.clinics < 1:
            raise InvalidInput("a sample needs at least one clinic", place="clinics")
        if self.patients < 10 * self.clinics:
            raise InvalidInput("a sample needs at least 10 patients a clinic", place="patients")

    @property
    def people(self) -> int:
        """How many people the registrations belong to."""
        return self.patients - (self.patients // SHARED if self.clinics > 1 else 0)

    @property
    def yesterday(self) -> date:
        """The last day that has happened: nothing is recorded on the reference date itself."""
        return self.as_of - timedelta(days=1)
