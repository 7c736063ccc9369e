"""What was counted last of each clinic, in memory."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class OverviewCache:
    """Shared by all who look: no row of it is of a patient."""

    def __init__(self) -> None:
        self._counted: dict[int, tuple[tuple[object, ...], Mapping[str, Any]]] = {}

    def find(self, clinic_id: int, of: tuple[object, ...]) -> Mapping[str, Any] | None:
        """What was counted of a clinic in this state, if that is what was counted last."""
        known, counted = self._counted.get(clinic_id, ((), None))
        return counted if known == of else None

    def keep(self, clinic_id: int, of: tuple[object, ...], counted: dict[str, Any]) -> None:
        """Keep what was counted of a clinic in this state."""
        self._counted[clinic_id] = of, MappingProxyType(counted)
