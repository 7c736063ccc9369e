"""Whatever happens at a clinic, and whenever the worker looks, it brings what a build brings."""

import random
from contextlib import ExitStack
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from operational_rows import Rows

from infra.database import Server
from orchestration.clinics import ClinicDay
from orchestration.drift import check_drift
from orchestration.ingest.load import ingest
from orchestration.ingest.session import connect_arrow
from orchestration.ingest.sources import Asset
from orchestration.live.attend import Left, attend
from orchestration.live.lane import open_lane
from orchestration.live.unit import begin_day
from policies.segments.rule import RuleError
from tests.histories import seeds
from tests.integration.live_twins import AS_OF, TWINS, evaluate, feed, save
from tests.integration.twin_events import Events
from tests.integration.twin_marts import assert_alike


class Worker:
    """North's, who stays on one connection until it is started anew."""

    def __init__(self, at: Server) -> None:
        self.at, self.stack = at, ExitStack()
        self.start()

    def start(self) -> None:
        self.stack.close()
        self.lane = self.stack.enter_context(open_lane(self.at))

    def begin(self, day: ClinicDay, noon: datetime) -> None:
        assert begin_day(self.lane, day, noon, wait=True)

    def bring(self, day: ClinicDay) -> None:
        assert attend(self.lane, day, wait=True) is Left.NOTHING


class Builder:
    """South's."""

    def __init__(self, at: Server) -> None:
        self.at, self.stack = at, ExitStack()
        self.arrow = self.stack.enter_context(connect_arrow(at))

    def load(self, clinic: str = "south") -> int:
        loads = [ingest(self.at, clinic, asset, uuid4(), connection=self.arrow) for asset in Asset]
        return sum(found.rows_written + found.rows_deleted for found in loads)

    def build(self, day: ClinicDay, noon: datetime) -> None:
        self.load()
        try:
            evaluate(self.at, day.slug, day.as_of)
        except RuleError:  # such a build fails: whoever attends to the clinic leaves that rule out
            with open_lane(self.at) as lane:
                begin_day(lane, day, noon, wait=True)
                attend(lane, day, wait=True)


@pytest.mark.check(16)
@pytest.mark.check(45)
@pytest.mark.check(49)
@pytest.mark.parametrize("seed", seeds(42, 66, 80, 133, 238, 269, 45_092, 45_104, deep=300))
def test_however_often_the_worker_looks_it_brings_what_a_build_brings(
    server: Server, admin: psycopg.Connection, seed: int
) -> None:
    chance = random.Random(seed)
    often, moments = chance.choice([0, 0, 0.2]), True
    admin.execute("update operational.clinic set time_zone = 'Europe/Berlin', country = 'DE'")
    twins, worker, builder = Events(Rows(admin), chance), Worker(server), Builder(server)
    twins.breaks = not often  # whoever looked at a rule before it broke has its members
    twins.begin(server)
    with worker.stack, builder.stack:
        for step in range(6):
            for _ in range(25):
                if twins.happen(server):
                    worker.begin(ClinicDay("north", twins.day), twins.noon)
                if chance.random() < often:
                    worker.bring(ClinicDay("north", twins.day))
                    moments = False
            worker.bring(ClinicDay("north", twins.day))
            builder.build(ClinicDay("south", twins.day), twins.noon)
            told = f"seed {seed}, step {step}"
            assert_alike(server, twins.rows, twins.day, moments=moments, told=told)
            if chance.random() < 0.2:
                worker.start()
        assert builder.load("north") == 0, f"seed {seed}"
        if not twins.rows.raw("north", "segment_broken"):
            assert check_drift(server, TWINS).passed, f"seed {seed}"


def test_what_was_archived_before_a_run_begins_there_when_it_comes_back(
    server: Server, admin: psycopg.Connection
) -> None:
    rows, archive = Rows(admin), "update clinic_{}.segment set archived_at = now() where slug = 'late'"
    worker, builder = Worker(server), Builder(server)
    with worker.stack, builder.stack:
        for clinic in TWINS:
            rows.patient(clinic)

        def follow() -> None:
            worker.bring(ClinicDay("north", AS_OF))
            builder.build(ClinicDay("south", AS_OF), datetime.now(UTC))

        save(server, {"seen": "appointments.count > 0"})
        follow()
        for days in (1, 2):  # never followed before, and then back and away again
            save(server, {"late": f"registration.days > {days}"})
            for clinic in TWINS:
                admin.execute(archive.format(clinic))
            follow()
        save(server, {"late": "registration.days > 3"}, fires=True)
        follow()
        told = [[row[2:] for row in feed(rows, clinic) if row[0] == "late"] for clinic in TWINS]
        assert told == [[("entered", "rule", 3, True)]] * 2
