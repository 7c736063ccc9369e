"""A clinic of any patients, facts and rules, whose segments the API tells of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from typing import Any, Literal
from uuid import UUID

import access_world
import httpx
import hypothesis
import psycopg
import pytest
from access_world import Api, World
from hypothesis import strategies as st
from psycopg import sql

from infra.database import connect_admin
from policies.classification import Field, needs_consent
from policies.segments.condition import Condition
from policies.segments.measure import FactTable
from policies.segments.reference import OPEN, Patient, Verdict
from policies.segments.rule import AllOf, AnyOf, InSegment, Not, Rule
from policies.segments.text import write
from tests.integration.segment_clinic import FIRST_RUN, SegmentClinic
from tests.properties.segment_strategies import PATIENTS
from tests.spec.segments.tables import Row, put

CLINICS = ("north", "south")
PROFILE = [field.value for field in Field if needs_consent(field)]
Answer = dict[str, Any]
# Whether the profile is shared; or how it is withheld, though the mart still holds it.
Sharing = Literal["shared", "never", "withdrawn", "until", "limit"]
SHARING = st.sampled_from(["shared", "shared", "shared", "never", "withdrawn", "until", "limit"])
SHARED: dict[str, Sharing] = dict.fromkeys(PATIENTS, "shared")
LAST_YEAR = datetime.now(UTC) - timedelta(days=365)


@dataclass
class Told:
    """One clinic's manager, who asks the API, and the clinic as the administrator fills it."""

    world: World
    api: Api
    admin: psycopg.Connection
    slug: str
    headers: dict[str, str]

    def ask(self, path: str, **query: Any) -> Answer:
        return _body(self.api.get(self._at(path), headers=self.headers, params=query))

    def send(self, path: str, body: Answer, method: str = "POST") -> Answer:
        headers = {**self.headers, "If-Match": "*"} if method == "PATCH" else self.headers
        return _body(self.api.request(method, self._at(path), headers=headers, json=body))

    def _at(self, path: str) -> str:
        return f"/v1/clinics/{self.slug}/segments{path and f'/{path}'}"

    def pages(self, path: str, listed: str, limit: int, **query: Any) -> list[Answer]:
        """All pages of a list that has a `next`."""
        found = [self.ask(path, limit=limit, **query)]
        while found[-1]["next"]:
            assert len(found[-1][listed]) == limit
            found.append(self.ask(path, limit=limit, cursor=found[-1]["next"], **query))
        return found

    def segments(self) -> SegmentClinic:
        """The clinic as a test of segments has it, within a transaction."""
        return SegmentClinic(self.admin, self.world.server, self.slug)

    def fill(
        self, as_of: date, rows: Mapping[str, list[Row]], rules: Mapping[str, Row], sharing: Mapping[str, Sharing]
    ) -> None:
        """Have these rows and rules alone, evaluated as of a day."""
        with self.admin.transaction():
            for slug in CLINICS:
                self._empty(slug)
            clinic = self.segments()
            for slug, rule in rules.items():
                clinic.save(slug, rule)
            people = [_shared(row, sharing[str(row["patient"])]) for row in rows["raw_patients"]]
            put(self.admin, {**rows, "raw_patients": people})
            clinic.run(as_of)
            self.withhold(sharing)
            self.admin.execute("update pipeline.mart_state set as_of = %s where clinic = %s", [as_of, self.slug])
            self.admin.execute("reset role")

    def withhold(self, sharing: Mapping[str, Sharing]) -> None:
        """Have profiles withheld that the mart still holds."""
        self.admin.execute(f"reset role; set local search_path = clinic_{self.slug}")
        for letter, how in sharing.items():
            if how == "withdrawn":
                self.admin.execute("insert into withdrawal (patient_id) values (%s)", [UUID(int=ord(letter))])
            if how == "limit":
                self.admin.execute(
                    "insert into operational.sharing_limit (clinic_id, patient_id, source, starts_at, ends_at)"
                    " values (%s, %s, 'consent', %s, %s) on conflict (clinic_id, patient_id, source) do update set"
                    " starts_at = excluded.starts_at, ends_at = excluded.ends_at",
                    [self.world.clinic_ids[self.slug], UUID(int=ord(letter)), LAST_YEAR, LAST_YEAR],
                )  # fmt: skip

    def withhold_now(self, sharing: Mapping[str, Sharing]) -> None:
        """The same, at once."""
        with self.admin.transaction():
            self.withhold(sharing)

    def lift(self, letter: str) -> None:
        """Have a profile withheld no more."""
        self.admin.execute(
            "update operational.sharing_limit set starts_at = null, ends_at = null where patient_id = %s",
            [UUID(int=ord(letter))],
        )

    def learn(self, letter: str, profile: Row) -> None:
        """Have the mart hold another profile of a patient, as if none had been withheld."""
        columns = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in profile)
        query = sql.SQL("update {} set {} where patient_id = %s")
        table = sql.Identifier(f"clinic_{self.slug}", "raw_patients")
        with self.admin.transaction():
            self.admin.execute("set local session_replication_role = replica")  # which nobody is to have noticed
            self.admin.execute(query.format(table, columns), [*profile.values(), UUID(int=ord(letter))])
            self.admin.execute("set local session_replication_role = default")
            self.segments().note(letter, "data")

    def run(self, as_of: date, day: int = 1) -> None:
        """Evaluate all segments once more, so many days after the first time."""
        with self.admin.transaction():
            self.segments().run(as_of, at=FIRST_RUN + timedelta(days=day))
            self.admin.execute("reset role")

    def put_forms_of_record(self, forms: Sequence[Row]) -> None:
        """Of the mart's open forms, until when each can be answered: what the system of record alone knows."""
        with self.admin.transaction():
            for number, form in enumerate(forms):
                if form["status"] not in OPEN:
                    continue
                self.admin.execute(
                    "insert into operational.form (clinic_id, patient_id, form_id, template, status, assigned_on,"
                    " expires_on) values (%s, %s, %s, 'i', %s, %s, %s) on conflict (clinic_id, form_id) do update set"
                    " patient_id = excluded.patient_id, status = excluded.status, expires_on = excluded.expires_on",
                    [self.world.clinic_ids[self.slug], UUID(int=ord(str(form["patient"]))), UUID(int=number),
                     form["status"], form["assigned_on"], form["expires_on"]],
                )  # fmt: skip

    def _empty(self, slug: str) -> None:
        tables = sql.SQL(", ").join(
            sql.Identifier(f"clinic_{slug}", name)
            for name in (
                "raw_patients", "raw_appointments", "raw_forms", "raw_answers", "raw_adherence", "segment",
                "segment_version", "segment_member", "segment_state", "segment_forget", "withdrawal",
                "changed_patient", "patient_flip", "segment_report", "segment_broken", "dead_change",
            )
        )  # fmt: skip
        ids = [UUID(int=ord(letter)) for letter in PATIENTS]
        self.admin.execute(sql.SQL("truncate {}").format(tables))
        self.admin.execute(f"update clinic_{slug}.segment_clock set run = 0, at = null, as_of = null")
        self.admin.execute(
            "update operational.sharing_limit set starts_at = null, ends_at = null where patient_id = any(%s)", [ids]
        )
        self.admin.execute("update operational.form set expires_on = null where patient_id = any(%s)", [ids])


def _body(answer: httpx.Response) -> Answer:
    assert answer.is_success, answer.text
    found: Answer = answer.json()
    return found


def _shared(row: Row, sharing: Sharing) -> Row:
    """A patient's row as the mart has it: what was never shared is not there."""
    if sharing == "never":
        return {**row, "profile_shared": False, "profile_until": None, **dict.fromkeys(PROFILE)}
    return {**row, "profile_shared": True, "profile_until": LAST_YEAR if sharing == "until" else None}


def seen(patient: Patient, sharing: Sharing) -> Patient:
    """A patient as a manager may see one, and as the reference is to take them."""
    return patient if sharing == "shared" else replace(patient, columns={**patient.columns, **dict.fromkeys(PROFILE)})


def share(of: int) -> hypothesis.settings:
    """Settings of a property whose examples each take the API many answers: so large a share of the usual number."""
    return hypothesis.settings(
        max_examples=max(hypothesis.settings().max_examples // of, 1),
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )


@pytest.fixture(scope="module")
def clinics(world: World) -> Iterator[dict[str, Told]]:
    """Both clinics, at each of which the patients of letters are registered, and the API on them."""
    for clinic, letter in product(CLINICS, PATIENTS):
        query = "update operational.registration set patient_id = %s where person_id = %s"
        world.change(query, UUID(int=ord(letter)), world.newcomer(clinic))
    with access_world.client(world.server) as api, connect_admin(world.server) as admin:
        yield {
            clinic: Told(world, api, admin, clinic, access_world.sign_in(api, f"manager.{clinic}"))
            for clinic in CLINICS
        }


def with_days_of_forms(patient: Patient, forms: Sequence[Row], as_of: date) -> Patient:
    """A patient as explanations look ahead: of open forms the last day that they are open on."""
    until = {
        UUID(int=number): form["expires_on"]
        for number, form in enumerate(forms)
        if form["expires_on"] and form["expires_on"] >= as_of and form["status"] in OPEN  # type: ignore[operator]
    }
    known = [{**form, "expires_on": until.get(form["form_id"])} for form in patient.facts[FactTable.FORMS]]
    return replace(patient, facts={**patient.facts, FactTable.FORMS: known})


def ordered(rule: Any) -> Any:
    """A rule as the API takes one: the lower bound first."""
    if isinstance(rule, list):
        return [ordered(part) for part in rule]
    if "measure" in rule:
        return {**rule, "value": sorted(rule["value"])} if rule["op"] == "between" else rule
    return rule if "in_segment" in rule else {key: ordered(part) for key, part in rule.items()}


def parts(rule: Rule) -> list[Rule]:
    if isinstance(rule, AllOf):
        return rule.all
    return rule.any if isinstance(rule, AnyOf) else [rule.part] if isinstance(rule, Not) else []


def decided(rule: Rule, rules: Mapping[str, Rule], of: Mapping[str, Verdict]) -> Verdict:
    """What Kleene's logic makes of conditions that have these verdicts."""
    if isinstance(rule, Condition):
        return of[write(rule)]
    if isinstance(rule, InSegment):
        return decided(rules[rule.in_segment], rules, of)
    found = [decided(part, rules, of) for part in parts(rule)]
    if isinstance(rule, Not):
        return None if found[0] is None else not found[0]
    by = isinstance(rule, AnyOf)
    return by if by in found else None if None in found else not by


def leaves(rule: Rule, rules: Mapping[str, Rule]) -> list[str]:
    """The conditions of a rule and of those that it names, each as often as it stands there."""
    if isinstance(rule, Condition):
        return [write(rule)]
    inner = [rules[rule.in_segment]] if isinstance(rule, InSegment) else parts(rule)
    return [leaf for part in inner for leaf in leaves(part, rules)]
