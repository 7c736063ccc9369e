"""Who sees an impersonation afterwards: the patient when and why, auditors by whom as well."""

import access_world
import pytest
from access_world import Api, World
from impersonating import REASON, TICKET, account, act_as, end, get, opening


@pytest.mark.check(30)
def test_the_patient_is_told_by_a_message_whenever_somebody_may_act_as_them(fresh: World) -> None:
    """Each opening queues one, which no guardian gets a copy of; a refused one queues none."""
    queued = (
        "select person_id, about_id::text, confidential from operational.message"
        " where kind = 'impersonation_notice' and state = 'pending'"
    )
    with access_world.client(fresh.server) as api:
        assert opening(api, "finch", ticket=None).status_code == 422
        assert opening(api, "admin.too").status_code == 404
        assert fresh.look(queued) == []
        impersonation, _ = act_as(api, "finch")
        assert fresh.look(queued) == [(fresh.people[access_world.FINCH], impersonation, True)]


def test_the_patient_sees_when_and_why_and_not_by_whom(fresh: World) -> None:
    with access_world.client(fresh.server) as api:
        impersonation, headers = act_as(api, "finch")
        assert get(api, "me/profile", headers).status_code == 200
        assert get(api, f"me/dependents/{fresh.guardianship}/profile", headers).status_code == 200
        assert get(api, "clinics", headers).status_code == 404
        assert end(api, impersonation).status_code == 200
        finch = access_world.sign_in(api, "finch")
        # A guardian's own reading is none.
        assert get(api, f"me/dependents/{fresh.guardianship}/profile", finch).status_code == 200
        own = get(api, "me/access-log", finch)
        (seen,) = own.json()["accesses"]
        del seen["occurred_at"], seen["event_id"]
        assert seen == {"clinic": None, "role": "platform_admin", "organisation": "the platform",
                        "action": "person.read", "purpose": "patient_request",
                        "categories": ["name", "profile"], "impersonation": REASON}  # fmt: skip
        dependents = get(api, f"me/dependents/{fresh.guardianship}/access-log", finch)
        found = [(a["role"], a["impersonation"]) for a in dependents.json()["accesses"]]
        assert found == [("guardian", None), ("platform_admin", REASON)]
        listed = get(api, "me/impersonations", finch)
        (one,) = listed.json()["impersonations"]
        assert (one["id"], one["reason"]) == (impersonation, REASON)
        assert one["starts_at"] < one["ended_at"] < one["ends_at"]
        hidden = ["admin", TICKET, str(account(fresh, "admin")), *map(str, fresh.people.values())]
        for text in (own.text, dependents.text, listed.text):
            assert not [word for word in hidden if word in text.replace("platform_admin", "")]
        for login in ("wren", "heron"):
            headers = access_world.sign_in(api, login)
            assert get(api, "me/impersonations", headers).json() == {"impersonations": []}
            assert get(api, "me/access-log", headers).json()["accesses"] == []
        assert fresh.look("select notified_at from operational.impersonation") == [(None,)]


def test_an_auditor_finds_it_by_the_actor_and_by_the_impersonation(world: World, api: Api) -> None:
    impersonation, headers = act_as(api, "finch")
    assert get(api, "me/profile", headers).status_code == 200
    auditor = access_world.sign_in(api, "auditor")
    by_actor = api.get("/v1/audit/events", headers=auditor, params={"principal": str(account(world, "admin"))}).json()
    by_id = api.get("/v1/audit/events", headers=auditor, params={"impersonation": impersonation}).json()
    assert [event["action"] for event in by_id["events"]] == ["person.read", "impersonation.open"]
    assert by_actor["events"][:2] == by_id["events"]
    assert {(event["principal"], event["impersonation_id"]) for event in by_id["events"]} == {("admin", impersonation)}
