"""A rotation from start to end: begin or go on, turn everything, retire what nothing stands under."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg

from infra.database import Server
from infra.encryption.columns import PURPOSES
from infra.encryption.field_codec import FieldCodec
from infra.encryption.rotation import indexes, kek, people, purposes
from infra.encryption.rotation.book import Kind, Rotation, alone, begin, find_open, finish, record
from infra.encryption.rotation.workers import Batch, Progress, run_passes
from policies.words import ProcessAction

# Tells what comes next and how much of it there is; returns where to count.
Announce = Callable[[Kind, int], Progress]


@dataclass(frozen=True)
class Outcome:
    """What a run did: rows turned, and rows left, because a writer held them or they do not open."""

    kind: Kind
    turned: int
    left: int


def rotate(at: Server, codec: FieldCodec, kinds: list[Kind], announce: Announce) -> list[Outcome]:
    """Rotate these kinds of keys, one after the other; what is left keeps its rotation open.

    Raises:
        Refused: another rotation runs.
        Misconfigured: the provider does not open a key.
    """
    with alone(at) as connection:
        return [_Run(at, connection, codec, kind).run(announce) for kind in kinds]


class _Run:
    """One kind's run."""

    def __init__(self, at: Server, connection: psycopg.Connection, codec: FieldCodec, kind: Kind) -> None:
        self.at, self.connection, self.codec, self.kind = at, connection, codec, kind
        self.turned = 0

    def run(self, announce: Announce) -> Outcome:
        rotation = self._begin()
        turn = {Kind.KEK: self._keks, Kind.DATA: self._data, Kind.INDEX: self._indexes}[self.kind]
        left = turn(rotation, announce)
        if left == 0:
            # Data keys of purposes and the wrapping of keys concern no patient by themselves.
            finish(self.connection, rotation, self.turned if self.kind is not Kind.KEK else 0)
        return Outcome(self.kind, self.turned, left)

    def _begin(self) -> Rotation:
        with self.connection.transaction():
            rotation = find_open(self.connection, self.kind)
            if rotation is None:
                rotation = begin(self.connection, self.kind)
                if self.kind is Kind.KEK:
                    # Before the rotation stands: one that stands without a new key would turn nothing.
                    self.codec.provider.renew()
            record(self.connection, ProcessAction.KEY_ROTATE, self.kind)
        return rotation

    def _passes(
        self, step: Callable[[psycopg.Connection, Any], Batch | None], settle: Callable[[], int], progress: Progress
    ) -> int:
        def count(more: int) -> None:
            self.turned += more
            progress(more)

        return run_passes(self.at, step, settle, count)

    def _keks(self, _: Rotation, announce: Announce) -> int:
        provider = self.codec.provider
        left = partial(kek.count_old, self.connection, provider)
        progress = announce(self.kind, left())
        return self._passes(lambda connection, after: kek.wrap_batch(connection, provider, after), left, progress)

    def _data(self, rotation: Rotation, announce: Announce) -> int:
        before = rotation.started_at
        people_left = partial(people.count_old, self.connection, before)
        known = [p for p in PURPOSES if purposes.renew_key(self.connection, self.codec, p, before)]
        progress = announce(self.kind, people_left() + sum(purposes.count_old(self.connection, p) for p in known))
        left = 0
        for purpose in known:
            left += self._purpose(purpose, progress)
        return left + self._passes(
            lambda connection, after: people.rotate_batch(connection, self.codec, before, after), people_left, progress
        )

    def _purpose(self, purpose: str, progress: Progress) -> int:
        settle = partial(purposes.settle, self.connection, purpose)
        return self._passes(partial(purposes.rotate_batch, codec=self.codec, purpose=purpose), settle, progress)

    def _indexes(self, rotation: Rotation, announce: Announce) -> int:
        newest = indexes.renew_keys(self.connection, self.codec, rotation.started_at)
        progress = announce(self.kind, indexes.count_left(self.connection, newest))
        left = self._passes(
            lambda connection, after: indexes.index_batch(connection, self.codec, newest, after),
            partial(indexes.settle, self.connection, newest),
            progress,
        )
        # Who cannot be indexed was not found by the old version either: that holds nothing up.
        if indexes.unsettled(self.connection):
            return left
        indexes.drop_retired(self.connection)
        return 0
