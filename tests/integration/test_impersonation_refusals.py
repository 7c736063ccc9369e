"""What somebody who acts as a person is refused, asked for as that person would do it themselves."""

from typing import Any

import access_world
import pytest
from access_world import CHICK
from impersonating import act_as
from psycopg import sql

from infra.database import connect_admin
from tests.integration.records import Family, add_chick

CONSENT = {"clinic": "north", "purpose": "profile_sharing"}
# Of the impersonation itself and of who signs in; what is read leaves its time of use there.
OF_ACTING = {"session", "principal", "api_key", "impersonation", "sign_in_bucket", "issuer_key"}


@pytest.fixture(scope="module")
def family(world: access_world.World, api: access_world.Api) -> Family:
    add_chick(world)
    return Family(world, api, {})


def asked_for(family: Family) -> dict[str, tuple[str, str, Any, dict[str, str]]]:
    """Method, path, a good body and more headers of each, for Finch, who is a patient and Chick's guardian."""
    signed = {**CONSENT, "text_version": "v1", "sha256": "00" * 32}
    version = {"If-Match": family.ask("finch", "GET", "/me/profile").headers["etag"]}
    child = {"name": "Canary New", "birth_date": "2020-02-29", "relationship": "parent"}
    form = family.assign(access_world.FINCH, "pain")
    return {
        "signs": ("POST", "/me/consents", signed, {}),
        "revokes": ("POST", "/me/consents/revoke", CONSENT, {}),
        "signs for a dependent": ("POST", f"{family.of_chick}/consents", signed, {}),
        "carries records away": ("POST", "/me/exports", {"clinic": "north"}, {}),
        "changes contacts": ("PUT", "/me/account/contacts", {"email": "other@example.org"}, {}),
        "makes a guardian": ("POST", "/me/invitations", None, {}),
        "makes another guardian": ("POST", f"{family.of_chick}/invitations", None, {}),
        "ceases to be a guardian": ("DELETE", family.of_chick, {"reason": "no_longer"}, {}),
        "adds a child": ("POST", "/me/dependents", child, {}),
        "edits the profile": ("PATCH", "/me/profile", {"blood_type": "A+"}, version),
        "hides a form": ("POST", f"/me/forms/{form}/confidential", None, {}),
        "completes a form": ("POST", f"/me/forms/{form}/complete", {"answers": {"score": 3}}, {}),
    }


def state(family: Family) -> dict[str, str]:
    """A digest of every table of the operational zone, but those of acting."""
    tables = family.world.look(
        "select relname from pg_class where relnamespace = 'operational'::regnamespace and relkind = 'r'"
    )
    digest = "select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from operational.{} as t"
    with connect_admin(family.world.server) as admin:
        return {
            table: admin.execute(sql.SQL(digest).format(sql.Identifier(table))).fetchone()[0]  # type: ignore[index]
            for (table,) in tables
            if table not in OF_ACTING
        }


@pytest.mark.check(31)
def test_whoever_acts_as_somebody_changes_nothing_in_their_name(family: Family) -> None:
    assert family.world.patients["north", CHICK]
    everything = asked_for(family)
    headers = act_as(family.api, "finch")[1]
    before = state(family)
    answers = {
        what: family.api.request(method, f"/v1{path}", headers={**headers, **more}, json=body)
        for what, (method, path, body, more) in everything.items()
    }
    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(everything, 404)
    assert state(family) == before


@pytest.mark.check(31)
def test_the_same_is_theirs_to_do(family: Family) -> None:
    """Or the test above would prove nothing."""
    headers = access_world.sign_in(family.api, "finch")
    found = {
        what: family.api.request(method, f"/v1{path}", headers={**headers, **more}, json=body).status_code
        for what, (method, path, body, more) in asked_for(family).items()
    }
    # 409: done already, or the last guardian.
    assert {what: status for what, status in found.items() if status // 100 != 2 and status != 409} == {}
