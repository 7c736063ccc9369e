"""One unit of work: at most 500 patients of one clinic, in one transaction under the clinic's lock.

Taken out of the outbox, copied, evaluated and recorded, or none of it: a worker that is killed leaves nothing half
done.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from orchestration.clinics import ClinicDay
from orchestration.ingest.sources import ENTITY, Asset
from orchestration.live.copying import assets_of, copy
from orchestration.live.dead import Poisoned, is_poison
from orchestration.live.lane import Lane
from orchestration.live.midnight import pass_midnight
from orchestration.live.queue import State, Taken, state, take
from orchestration.live.record import record, record_day
from orchestration.live.withdrawal import holds_too_much, withdraw
from orchestration.reevaluate import reevaluate


@dataclass(frozen=True)
class Done:
    """How many patients a unit dealt with, whether more wait, and whether a run over all patients is due.

    `open_consents` says that something was open before the unit, `finished` how much of it is no more.
    """

    patients: int
    more: bool = False
    unevaluated: bool = False
    open_consents: bool = False
    finished: int = 0


def bring(lane: Lane, clinic: ClinicDay, patients: list[UUID] | None = None, *, wait: bool = False) -> Done | None:
    """Bring the mart and the memberships of those up to date who waited longest, or of these patients.

    None if somebody else holds the clinic's lock and `wait` is false. The clinic's day counts only until its members
    are first evaluated; from then on they have a day of their own.

    Raises:
        Poisoned: the database refused something of these patients; nothing has changed.
    """
    with lane.alone(clinic.slug, wait=wait) as got:
        if not got:
            return None
        standing, taken = take(lane.connection, clinic.slug, patients)
        if standing.as_of:
            lane.meet(clinic.slug, standing.as_of)
        finished = 0
        if taken.entities:
            try:
                finished = _bring(lane, clinic, taken, standing)
            except psycopg.Error as error:
                if is_poison(error):
                    raise Poisoned(list(taken.entities), taken.rows, error) from None
                raise
        return Done(len(taken.entities), taken.more, standing.unevaluated, standing.open_consents, finished)


def _bring(lane: Lane, clinic: ClinicDay, taken: Taken, standing: State) -> int:
    """Bring what was taken; how much of what consents left open is finished."""
    moved = copy_taken(lane, clinic, taken)
    finished = _evaluate(lane, clinic, list(taken.entities), standing, bool(moved.get(Asset.PATIENTS)))
    record(lane.connection, clinic.slug, taken, moved)
    return finished


def copy_taken(lane: Lane, clinic: ClinicDay, taken: Taken) -> dict[Asset, set[UUID]]:
    """Copy what changed of those taken; whose rows of each asset it moved."""
    moved: dict[Asset, set[UUID]] = {}
    for asset in assets_of(set[str]().union(*taken.entities.values())):
        patients = taken.with_any({ENTITY[asset], ENTITY[Asset.PATIENTS]})
        silent = taken.silent.get(ENTITY[asset], ())  # as an ingest, which takes one entity after the other
        moved[asset] = copy(lane.connection, clinic.slug, asset, patients, silent)
    return moved


def _evaluate(lane: Lane, clinic: ClinicDay, patients: list[UUID], standing: State, copied: bool) -> int:
    """Evaluate patients, and finish what consents left open: what ended one may have come with the rows alone."""
    program = lane.program(clinic.slug, standing.rules)
    day = standing.as_of or clinic.as_of
    reevaluate(lane.connection, clinic.slug, program, patients, day, standing.at)
    if not standing.open_consents and not copied:
        return 0
    return withdraw(lane.connection, clinic.slug, program, patients, standing.at, secrets=lane.at.secrets_folder)


def let_go(lane: Lane, clinic: ClinicDay, patient: UUID) -> None:
    """Take a profile that is shared no more out of the mart, of a patient of whom the mart refuses something else.

    Whatever it is that is refused: where the patient cannot even be evaluated the profile alone is taken, and nothing
    that depends on it is shown until that is mended.
    """
    for evaluated in (True, False):
        try:
            with lane.alone(clinic.slug, wait=True):
                if holds_too_much(lane.connection, clinic.slug, patient):
                    standing = state(lane.connection, clinic.slug)
                    moved = {Asset.PATIENTS: copy(lane.connection, clinic.slug, Asset.PATIENTS, [patient])}
                    if evaluated:
                        _evaluate(lane, clinic, [patient], standing, True)
                    record(lane.connection, clinic.slug, Taken.nobody(), moved)
                return
        except psycopg.Error as error:
            if not is_poison(error):
                raise


def begin_day(lane: Lane, clinic: ClinicDay, now: datetime, *, wait: bool = False) -> bool:
    """Have what time alone changes in a clinic wait from its midnight on; false if somebody else holds its lock."""
    with lane.alone(clinic.slug, wait=wait) as got:
        if got and pass_midnight(lane.connection, clinic.slug, now) is not None:
            day = state(lane.connection, clinic.slug).as_of  # by the database's clock, and its time zone of the clinic
            record_day(lane.connection, clinic.slug, day)
        return got
