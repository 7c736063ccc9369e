"""Sizes of the sets that the benchmarks run on."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import date

AS_OF = date(2025, 6, 30)
# Bump it when the generator changes, so that databases made before are made again.
GENERATOR = 1


@dataclass(frozen=True)
class Scale:
    """How many rows over all clinics; every clinic gets the same share of them."""

    clinics: int
    patients: int
    appointments: int
    answers: int
    adherence: int
    csv_rows: int
    seed: int = 7

    @property
    def database(self) -> str:
        """Name of the database that holds it."""
        return f"scale_{self.clinics}x{self.patients}"

    @property
    def slugs(self) -> list[str]:
        """The clinics' slugs."""
        return [f"scale_{number:03}" for number in range(1, self.clinics + 1)]

    @property
    def label(self) -> str:
        """Everything that the data depends on, to tell whether a database holds it."""
        return json.dumps({**asdict(self), "csv_rows": 0, "generator": GENERATOR}, sort_keys=True)

    def halved(self) -> "Scale":
        """Half the rows in as many clinics."""
        sizes = ("patients", "appointments", "answers", "adherence", "csv_rows")
        return replace(self, **{name: getattr(self, name) // 2 for name in sizes})


# `full` is the scale set of the design: 17.5 M rows.
SCALES = {
    "small": Scale(2, 400, 4_000, 1_600, 8_000, 5_000),
    "medium": Scale(10, 50_000, 500_000, 200_000, 1_000_000, 200_000),
    "full": Scale(100, 500_000, 5_000_000, 2_000_000, 10_000_000, 1_000_000),
}
