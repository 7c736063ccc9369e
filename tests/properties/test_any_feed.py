"""Any history of a clinic: its feed, its members at each instant and its daily counts tell the same, page by page."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import strategies as st

from orchestration.drift import check_drift
from orchestration.live import withdrawal
from orchestration.programs import active_segments
from policies.segments.reconcile import compile_program
from policies.segments.reference import holds
from policies.segments.rule import parse_rule
from tests.conftest import CLINICS as BOTH
from tests.integration.segment_clinic import AS_OF, OLD, RECENT, SEEN
from tests.properties.segment_strategies import AS_OF as ANY_DAY
from tests.properties.segment_strategies import PATIENTS, patients, rules, tables
from tests.properties.told_clinic import PROFILE, SHARED, Answer, Told, clinics, ordered, share
from tests.spec.segments.tables import Row

SLUGS = ("s0", "s1", "s2")
ZONES = {clinic.slug: ZoneInfo(clinic.time_zone) for clinic in BOTH}
MONTHS_AGO = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=60)
__all__ = ["clinics"]
few = share(40)
# What consents, visits and days move.
KNOWN_TO_MOVE = st.sampled_from([OLD, {"not": OLD}, SEEN, RECENT, {"not": RECENT}, {"any": [OLD, RECENT]}])
someone = st.sampled_from(PATIENTS)
any_slug = st.sampled_from(SLUGS)
STEP = st.one_of(
    st.tuples(st.just("visit"), someone, st.integers(-3, 40)),
    st.tuples(st.just("revoke"), someone),
    st.tuples(st.just("sign"), someone),
    st.tuples(st.just("gone"), someone),
    st.tuples(st.just("back"), someone),
    st.tuples(st.just("rule"), any_slug, st.integers(0, 2)),
    st.tuples(st.just("archive"), any_slug),
    st.tuples(st.just("revive"), any_slug),
    st.tuples(st.just("days"), st.integers(1, 40)),
    st.tuples(st.just("run"), st.integers(1, 40)),
    st.tuples(st.just("live"), someone),
    st.tuples(st.just("clean")),
    st.tuples(st.just("follow"), any_slug, st.integers(1, 3)),
)


@dataclass
class Follower:
    """A copy of a segment that follows its feed by small pages."""

    cursor: str | None = None
    changes: list[Answer] = field(default_factory=list)

    def follow(self, told: Told, slug: str, limit: int) -> bool:
        """Take one page; whether more follow."""
        page = told.ask(f"{slug}/changes", limit=limit, **({"after": self.cursor} if self.cursor else {}))
        assert len(page["changes"]) == limit if page["more"] else len(page["changes"]) <= limit
        self.changes += page["changes"]
        self.cursor = page["next"]
        return bool(page["more"])


class History:
    """What happens at a clinic, and what the API tells of it."""

    def __init__(self, told: Told, as_of: date, rows: dict[str, list[Row]], asked: list[list[Row]]) -> None:
        self.told, self.as_of, self.asked, self.rows = told, as_of, asked, {**rows}
        self.rules = {slug: rules[0] for slug, rules in zip(SLUGS, asked, strict=True)}
        self.at, self.instants, self.archived = MONTHS_AGO, [MONTHS_AGO], set[str]()
        self.followers = {slug: Follower() for slug in SLUGS}
        self.sharing, self.gone = dict.fromkeys(PATIENTS, True), set[str]()
        self.waiting = set[str]()  # of whom what the profile told is still to be taken out
        told.fill(as_of, rows, {}, SHARED)
        for slug, rule in self.rules.items():
            told.send("", {"slug": slug, "name": slug, "rule": rule})
        self.run()

    def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case "visit", letter, ago:
                self.visit(letter, self.as_of - timedelta(days=ago))
            case "revoke", letter if self.sharing[letter] and letter not in self.gone:
                self.sharing[letter] = False
                self.waiting.add(letter)
                self.told.withhold_now({letter: "limit"})
            case "sign", letter if not self.sharing[letter]:
                self.clean()
                self.sharing[letter] = True
                self.told.lift(letter)
                self.copy(letter, "consent")
            case "gone", letter if letter not in self.gone:
                self.gone.add(letter)
                self.within(lambda clinic: clinic.lose(letter))
            case "back", letter if letter in self.gone:
                self.gone.discard(letter)
                self.copy(letter, "correction")
            case "rule", slug, which if slug not in self.archived:
                self.save(slug, self.asked[SLUGS.index(slug)][which])
            case "archive", slug if slug not in self.archived and not self.used(slug):
                self.told.send(f"{slug}/archive", {"reason": "replaced"})
                self.archived.add(slug)
            case "revive", slug if slug in self.archived and not self.names_archived(self.rules[slug]):
                self.told.send(f"{slug}/revive", {})
                self.archived.discard(slug)
            case "days", days:
                self.as_of += timedelta(days=days)
            case "run", hours:
                self.at += timedelta(hours=hours)
                self.load()
                self.run()
            case "live", letter:
                self.at += timedelta(minutes=1)
                self.within(lambda clinic: clinic.run(self.as_of, at=self.at, given=letter))
                self.instants.append(self.at)
            case ("clean",):
                self.clean()
            case "follow", slug, limit:
                self.followers[slug].follow(self.told, slug, limit)

    def within(self, happens: Any) -> None:
        with self.told.admin.transaction():
            happens(self.told.segments())
            self.told.admin.execute("reset role")

    def visit(self, letter: str, day: date) -> None:
        number = len(self.rows["raw_appointments"])
        self.rows["raw_appointments"] = [*self.rows["raw_appointments"], {"patient": letter, "starts_on": day}]
        clinic = self.told.segments
        with self.told.admin.transaction():
            segments = clinic()
            segments.facts = 1000 + number
            segments.visit(letter, day)

    def copy(self, letter: str, cause: str) -> None:
        """Have the mart hold the patient's row as it is by now."""
        if letter in self.gone:
            return
        row = next(row for row in self.rows["raw_patients"] if row["patient"] == letter)
        columns = {name: value for name, value in row.items() if name != "patient"}
        if not self.sharing[letter]:
            columns |= {"profile_shared": False, **dict.fromkeys(PROFILE)}
        self.within(lambda clinic: clinic.patient(letter, cause, **columns))

    def load(self) -> None:
        """What a build does of consents: it copies, and leaves the rest to the worker."""
        for letter, shares in self.sharing.items():
            if not shares:
                self.copy(letter, "consent")

    def run(self) -> None:
        self.within(lambda clinic: clinic.run(self.as_of, at=self.at))
        self.instants.append(self.at)

    def clean(self) -> None:
        """What the worker does of all who withdrew, at an instant of its own."""
        self.at += timedelta(hours=1)
        self.load()
        with self.told.admin.transaction():
            clinic = self.told.segments()
            clinic.run(self.as_of, at=self.at, given=PATIENTS)
            waiting = self.told.admin.execute("select patient_id from withdrawal").fetchall()
            program = compile_program(active_segments(self.told.admin), given=True)
            if waiting:
                withdrawal._take_out(
                    self.told.admin, self.told.slug, program, [patient for (patient,) in waiting], self.at
                )
            self.told.admin.execute("reset role")
        self.instants.append(self.at)
        self.waiting.clear()

    def save(self, slug: str, rule: Row) -> None:
        if not self.names_archived(rule):
            self.told.send(slug, {"rule": rule}, "PATCH")
            self.rules[slug] = rule

    def names_archived(self, rule: Row) -> bool:
        return any(f"'in_segment': '{slug}'" in str(rule) for slug in self.archived)

    def used(self, slug: str) -> bool:
        return any(
            f"'in_segment': '{slug}'" in str(rule) for other, rule in self.rules.items() if other not in self.archived
        )

    # What is told.

    def members(self, slug: str, at: datetime | None = None, limit: int = 2) -> str:
        query = {} if at is None else {"at": at.isoformat()}
        return letters(each for page in self.told.pages(f"{slug}/members", "members", limit, **query)
                       for each in page["members"])  # fmt: skip

    def feed(self, slug: str, limit: int) -> list[Answer]:
        copy = Follower()
        while copy.follow(self.told, slug, limit):
            pass
        return copy.changes

    def meant(self, slug: str) -> str:
        """The members that the reference finds."""
        found = ""
        for patient in patients({**self.rows}):
            letter = str(patient.columns["patient"])
            if not self.sharing[letter]:
                patient.columns.update(dict.fromkeys(PROFILE))  # type: ignore[attr-defined]
            if letter not in self.gone and holds(self.parsed()[slug], patient, self.as_of, self.parsed()):
                found += letter
        return "".join(sorted(found))

    def parsed(self) -> dict[str, Any]:
        return {slug: parse_rule(rule) for slug, rule in self.rules.items()}


def letters(found: Any) -> str:
    return "".join(chr(UUID(each["patient_id"]).int) for each in found)


def replayed(changes: list[Answer], until: datetime | None = None) -> str:
    """Whom a copy holds that was told these changes, as of an instant."""
    copy = set[str]()
    for change in changes:
        if until is None or datetime.fromisoformat(change["at"]) <= until:
            {"entered": copy.add}.get(change["kind"], copy.discard)(change["patient_id"])
    return "".join(chr(UUID(patient).int) for patient in sorted(copy))


@st.composite
def stories(draw: st.DrawFn) -> tuple[str, date, dict[str, list[Row]], list[list[Row]], list[tuple[Any, ...]]]:
    day = draw(ANY_DAY)
    rows = draw(tables(day))
    known = patients(rows)
    asked = [
        [ordered(draw(KNOWN_TO_MOVE | rules(day, known, SLUGS[:number]))) for _ in range(3)]
        for number in range(len(SLUGS))
    ]
    return draw(st.sampled_from(sorted(ZONES))), day, rows, asked, draw(st.lists(STEP, min_size=4, max_size=25))


@pytest.mark.check(45)
@pytest.mark.check(49)
@few
@hypothesis.given(stories())
def test_the_feed_the_members_at_each_instant_and_the_days_tell_the_same(
    clinics: dict[str, Told],
    story: tuple[str, date, dict[str, list[Row]], list[list[Row]], list[tuple[Any, ...]]],
) -> None:
    clinic, as_of, rows, asked, steps = story
    history = History(clinics[clinic], as_of, rows, asked)
    for step in steps:
        history.step(step)
        agree(history)
    history.clean()
    history.run()
    agree(history)
    for slug in SLUGS:
        follower = history.followers[slug]
        while follower.follow(history.told, slug, 1):
            pass
        present = "" if slug in history.archived else history.members(slug)
        assert replayed(follower.changes) == present
        told = [(change["at"], change["patient_id"], change["kind"]) for change in follower.changes]
        assert len({*told}) == len(told)
        assert present == ("" if slug in history.archived else history.meant(slug))
    assert check_drift(history.told.world.server, [clinic]).passed


@pytest.mark.check(49)
def test_a_stay_from_before_the_rule_asked_for_the_profile_is_told_alike_of_who_withdraws(
    clinics: dict[str, Told],
) -> None:
    known = [{"patient": letter, "birth_date": AS_OF - timedelta(days=40_000)} for letter in PATIENTS]
    seen = [{"patient": letter, "starts_on": AS_OF} for letter in PATIENTS]
    rows: dict[str, list[Row]] = {"raw_patients": known, "raw_appointments": seen, "raw_answers": []}
    history = History(clinics["north"], AS_OF, rows, [[SEEN, {"not": SEEN}, OLD], [OLD], [OLD]])
    for step in (("rule", "s0", 1), ("run", 3), ("rule", "s0", 2), ("run", 3), ("revoke", "a"), ("run", 3), ("clean",)):
        history.step(step)
        agree(history)
    assert history.members("s0", MONTHS_AGO) == PATIENTS


def agree(history: History) -> None:
    """What is told in one way and in another of the same time is the same."""
    for slug in SLUGS:
        changes = history.feed(slug, 100)
        assert history.feed(slug, 1) == history.feed(slug, 3) == changes
        at_each = {at: history.members(slug, at) for at in {*history.instants[-4:]}}
        for at, members in at_each.items():
            assert replayed(changes, at) == members, (slug, at)
        if slug not in history.archived:
            # Who withdrew is listed where the rule asks for no profile any more; the feed waits until they enter anew.
            assert {*history.members(slug, limit=100)} - history.waiting == {*replayed(changes)} - history.waiting
        days(history, slug, changes)


def days(history: History, slug: str, changes: list[Answer]) -> None:
    """The days count who entered and left on them, and the members at their ends; but for whom the clinic deleted."""
    zone = ZONES[history.told.slug]
    first, last = (at.astimezone(zone).date() for at in (history.instants[0], history.instants[-1]))
    found = history.told.ask(f"{slug}/days", **{"from": str(first - timedelta(days=1)), "to": str(last)})["days"]
    here = [change for change in changes if chr(UUID(change["patient_id"]).int) not in history.gone]
    for told in found:
        day = date.fromisoformat(told["day"])
        on = [change for change in here if datetime.fromisoformat(change["at"]).astimezone(zone).date() == day]
        for kind, name in (("entered", "entered"), ("left", "left")):
            of_kind = [change["cause"] for change in on if change["kind"] == kind]
            assert told[name] == len(of_kind)
            assert told[f"{name}_by"] == {cause: of_kind.count(cause) for cause in {*of_kind}}
        end = datetime.combine(day + timedelta(days=1), datetime.min.time(), zone) - timedelta(microseconds=1)
        assert told["members"] == len(replayed(here, end))
