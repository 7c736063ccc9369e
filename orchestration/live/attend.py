"""Attends to one clinic, unit after unit, whatever is poison set apart.

What consents left open is queued for one more unit at a time, as long as that gets anywhere: it waits like any other
change.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import repeat
from uuid import UUID

import structlog

from orchestration.clinics import ClinicDay
from orchestration.live.blame import NOBODY, failing_for
from orchestration.live.dead import Poisoned, bury, dead_alike, dead_patients
from orchestration.live.everybody import evaluate_all, everybody, note_evaluated
from orchestration.live.lane import Lane
from orchestration.live.open_consents import queue_open
from orchestration.live.record import record_retry
from orchestration.live.unit import Done, bring, let_go
from orchestration.programs import note_failing, try_failing_again
from orchestration.reevaluate import PATIENTS_A_STATEMENT

# A rule that cannot be evaluated for more patients is to blame itself.
MOST_DEAD = 20
log = structlog.get_logger()


class Left(Enum):
    """What is left in a clinic that was attended to."""

    NOTHING = auto()
    MORE = auto()
    LOCKED = auto()  # somebody else holds the clinic's lock


def attend(lane: Lane, clinic: ClinicDay, *, wait: bool = False, units: int | None = None) -> Left:
    """Deal with what waits in a clinic, in so many units at most, three or more: all of it if none are said.

    Somebody else's lock is waited for if `wait` is true.

    Raises:
        Poisoned: what is refused of more patients than can be to blame is no segment's.
    """
    visit, queued = _Visit(lane, clinic, wait), False
    turns: Iterable[None] = repeat(None) if units is None else repeat(None, units)
    for _ in turns:
        done = visit.unit()
        if done is None:
            return Left.LOCKED
        # What was due before a unit may be less after it: few enough for units, which then bring the rest.
        if done.more or (done.unevaluated and done.patients):
            continue
        if done.open_consents and (done.finished or not queued):
            queued = True
            if queue_open(lane, clinic.slug):
                continue
        if not done.unevaluated or visit.evaluate_all():
            return Left.NOTHING
    return Left.MORE


def retry(lane: Lane, clinic: ClinicDay) -> tuple[int, int]:
    """Try the clinic's dead changes again; how many patients had some, and how many still have.

    Segments that failed are due again, for everybody.
    """
    with lane.alone(clinic.slug, wait=True):
        try_failing_again(lane.connection)
    dead, visit = dead_patients(lane, clinic.slug), _Visit(lane, clinic, wait=True)
    for start in range(0, len(dead), PATIENTS_A_STATEMENT):
        visit.unit(dead[start : start + PATIENTS_A_STATEMENT])
    left = dead_patients(lane, clinic.slug)
    with lane.alone(clinic.slug, wait=True):
        record_retry(lane.connection, len(dead))
    return len(dead), len(left)


@dataclass(frozen=True)
class _Visit:
    """One visit to a clinic: for whom each segment failed, and the segments that were left out for that."""

    lane: Lane
    clinic: ClinicDay
    wait: bool
    failed: defaultdict[UUID, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    left_out: set[UUID] = field(default_factory=set)

    def unit(self, patients: list[UUID] | None = None) -> Done | None:
        """Bring the mart up to date of those who waited longest, or of these; whoever is poison is set apart."""
        try:
            return bring(self.lane, self.clinic, patients, wait=self.wait or patients is not None)
        except Poisoned as found:
            self._set_apart(found)
            return Done(len(found.patients), more=True)

    def evaluate_all(self) -> bool:
        """Evaluate every patient, at once or, if one is poison, part after part; false if it is to be tried again."""
        try:
            return evaluate_all(self.lane, self.clinic, wait=self.wait)
        except Poisoned:
            rules, patients = everybody(self.lane, self.clinic)
            before = len(dead_patients(self.lane, self.clinic.slug))
            left_out = len(self.left_out)
            for start in range(0, len(patients), PATIENTS_A_STATEMENT):
                self.unit(patients[start : start + PATIENTS_A_STATEMENT])
                if len(self.left_out) > left_out:
                    return False
                if len(dead_patients(self.lane, self.clinic.slug)) - before > MOST_DEAD:
                    raise
            return note_evaluated(self.lane, self.clinic, rules)

    def _set_apart(self, found: Poisoned) -> None:
        """Find by halving who is to blame, and bring all others."""
        if len(found.patients) == 1:
            # First, or whoever is killed in between would leave a profile that nobody comes for.
            let_go(self.lane, self.clinic, found.patients[0])
            bury(self.lane, self.clinic.slug, found)
            self._blame(found)
            return
        middle = len(found.patients) // 2
        for half in (found.patients[:middle], found.patients[middle:]):
            self.unit(half)

    def _blame(self, found: Poisoned) -> None:
        """Leave out the segments that cannot be evaluated for too many, or for anybody; bring whom they had buried."""
        failing = failing_for(self.lane, self.clinic, found.patients[0])
        if not self.failed.keys() & set(failing):
            self._look_back(failing, found)
        for segment in failing:
            self.failed[segment].update(found.patients)
        hopeless = [segment for segment in failing if len(self.failed[segment]) > MOST_DEAD]
        if failing and not hopeless:
            hopeless = failing_for(self.lane, self.clinic, NOBODY)
        if not hopeless:
            return
        self.left_out.update(hopeless)
        with self.lane.alone(self.clinic.slug, wait=True):
            note_failing(self.lane.connection, hopeless, found.sqlstate)
        log.error("a segment cannot be evaluated", clinic=self.clinic.slug, sqlstate=found.sqlstate)
        for segment in hopeless:
            self.unit(sorted(self.failed.pop(segment, ())))

    def _look_back(self, failing: list[UUID], found: Poisoned) -> None:
        """Count those as well whom these segments buried in visits before: a few each time are many in the end."""
        for patient in dead_alike(self.lane, self.clinic.slug, found, MOST_DEAD) if failing else ():
            for segment in failing_for(self.lane, self.clinic, patient):
                self.failed[segment].add(patient)
