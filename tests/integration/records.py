"""A family for the tests of records: Chick, with an own account, is treated at north, and Finch is the guardian."""

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import access_world
import httpx
from access_world import CHICK, Api, World

from infra.database import connect_admin
from policies.words import Role

BERLIN = ZoneInfo("Europe/Berlin")
NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}


def add_chick(world: World) -> None:
    """Register Chick at north, with an appointment and an account."""
    with connect_admin(world.server) as admin:
        registered = access_world._register(admin, world.clinic_ids["north"], world.people[CHICK])
        world.patients["north", CHICK] = registered
        access_world._visit(admin, world, "north", CHICK)
    access_world._own_account(world, "chick", CHICK, [Role.PATIENT])


@dataclass
class Family:
    """Who signs in, with headers that are asked for once."""

    world: World
    api: Api
    headers: dict[str, dict[str, str]]

    def ask(self, login: str, method: str, path: str, body: Any = None) -> httpx.Response:
        if login not in self.headers:
            self.headers[login] = access_world.sign_in(self.api, login)
        content = None if body is None else json.dumps(body)
        headers = {**self.headers[login], "content-type": "application/json"} if content else self.headers[login]
        return self.api.request(method, f"/v1{path}", headers=headers, content=content)

    def done(self, login: str, method: str, path: str, body: Any = None) -> Any:
        """The answer to what must succeed."""
        answer = self.ask(login, method, path, body)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def refused(self, login: str, method: str, path: str, body: Any = None) -> tuple[int, str, str]:
        """Status, place and rule of what must not."""
        answer = self.ask(login, method, path, body)
        found = answer.json()
        assert answer.status_code >= 400, answer.text
        errors = found.get("errors", [{"place": "", "rule": ""}])
        return answer.status_code, errors[0]["place"], errors[0]["rule"]

    def assign(self, name: str, template: str, clinic: str = "north") -> str:
        """A form for a patient, of an occasion of its own, as a booking would bring it."""
        rows = self.world.look(
            "insert into operational.form (clinic_id, patient_id, template, template_version, status, assigned_on,"
            " due_on, occasion, confidential) select t.clinic_id, %s, t.template, t.template_version, 'pending',"
            " current_date, current_date + 7, gen_random_uuid()::text, t.confidential from operational.form_template"
            " as t where t.clinic_id = %s and t.template = %s order by t.template_version desc limit 1"
            " returning form_id",
            self.world.patients[clinic, name], self.world.clinic_ids[clinic], template,
        )  # fmt: skip
        return str(rows[0][0])

    @property
    def of_chick(self) -> str:
        """Where Finch finds Chick."""
        return f"/me/dependents/{self.world.guardianship}"


def today() -> date:
    """The day at north."""
    return datetime.now(BERLIN).date()


def days(count: int) -> timedelta:
    return timedelta(days=count)
