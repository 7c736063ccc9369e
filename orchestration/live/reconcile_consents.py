"""Finishes what consents began and ended in the marts, where no live worker does: after a build, say."""

from collections.abc import Sequence

from infra.database import Server
from orchestration.clinics import ClinicDay
from orchestration.live.attend import attend
from orchestration.live.lane import open_lane


def reconcile_consents(at: Server, clinics: Sequence[ClinicDay]) -> None:
    """Attend to these clinics, as the live worker would.

    Raises:
        DatabaseUnavailable: no database, or not set up.
    """
    with open_lane(at) as lane:
        for clinic in clinics:
            attend(lane, clinic, wait=True)
