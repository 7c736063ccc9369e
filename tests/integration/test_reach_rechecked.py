"""What changes between the queueing of a message and its sending, or between its sending and its link, counts."""

from uuid import UUID, uuid4

import pytest
from access_world import CHICK, FINCH, HERON, Api, World, sign_in
from campaigning import crowd, link_of, manager, people, progress, started

from api.messages.port import Message, MessageKind
from tests.integration.posting import due_now, give_email, mail_server, queue, send


def end_guardianship(world: World, dependent: UUID) -> None:
    world.change("update operational.guardianship set ends_on = current_date where dependent_id = %s", dependent)


@pytest.fixture
def finch(world: World) -> UUID:
    give_email(world, FINCH, "finch@example.org")
    return world.people[FINCH]


@pytest.mark.check(33)
@pytest.mark.check(48)
def test_a_campaigns_copy_goes_to_whoever_is_a_guardian_when_it_is_sent(world: World, api: Api, finch: UUID) -> None:
    give_email(world, HERON, "heron@example.org")
    found = crowd(world, "guarded")
    found.add("child", verified=None, guardian=FINCH)
    child = world.people["guarded child"]
    world.change(
        "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
        " values (%s, %s, 'parent', '2020-03-01')", world.people[HERON], child,
    )  # fmt: skip
    campaign = started(api, found)
    with mail_server() as (mailman, smtp):
        send(world, smtp)  # it is passed on
        assert not mailman.came
        world.change(
            "update operational.guardianship set ends_on = current_date where dependent_id = %s and guardian_id = %s",
            child, finch,
        )  # fmt: skip
        due_now(world)
        send(world, smtp)
    assert [to for to, _ in mailman.came] == ["heron@example.org"]
    assert progress(api, found, campaign)["sent"] == 1
    kept = "select state, failure from operational.message where about_id = %s and person_id = %s"
    assert world.look(kept, UUID(campaign), finch) == [("withheld", "no_contact")]


@pytest.mark.check(33)
def test_where_no_guardian_is_left_nobody_gets_the_campaign(world: World, api: Api, finch: UUID) -> None:
    found = crowd(world, "unguarded")
    found.add("child", verified=None, guardian=FINCH)
    campaign = started(api, found)
    with mail_server() as (mailman, smtp):
        send(world, smtp)
        end_guardianship(world, world.people["unguarded child"])
        send(world, smtp, times=2)
    assert not mailman.came
    assert progress(api, found, campaign)["withheld"] == {"no_contact": 1}


@pytest.mark.check(33)
def test_a_notices_copy_goes_to_no_guardian_of_yesterday(world: World, finch: UUID) -> None:
    told = queue(world, Message(MessageKind.FORM_REQUEST, world.people[CHICK]))
    with mail_server() as (mailman, smtp):
        send(world, smtp)
        end_guardianship(world, world.people[CHICK])
        send(world, smtp, times=2)
    world.change("update operational.guardianship set ends_on = null where dependent_id = %s", world.people[CHICK])
    assert not mailman.came
    copies = world.look("select state, failure from operational.message where copied_from = %s", told)
    assert copies == [("withheld", "no_contact")]


@pytest.mark.check(34)
def test_who_unsubscribes_by_a_registration_that_was_merged_gets_no_more(world: World, api: Api) -> None:
    found = people(world, "merged", 3)
    started(api, found)
    with mail_server() as (mailman, smtp):
        send(world, smtp)
        link = {to: link_of(mail) for to, mail in mailman.came}["merged-0@account.example"]
    # Of three registrations of one person the first goes into the second, and that into the third.
    for other, kept in ((0, 1), (1, 2)):
        case = uuid4()
        world.change(
            "insert into operational.merge_case (clinic_id, case_id, kept_patient_id, other_patient_id)"
            " values (%s, %s, %s, %s)",
            world.clinic_ids["north"], case, found.patients[f"merged-{kept}"], found.patients[f"merged-{other}"],
        )  # fmt: skip
        path = f"/v1/clinics/north/merges/{case}"
        assert api.post(path, json={"decision": "merge"}, headers=sign_in(api, "staff.north")).status_code == 200
    assert api.post(link).status_code == 200
    refused = world.look(
        "select patient_id from operational.message_refusal where patient_id = any(%s)", list(found.patients.values())
    )
    assert refused == [(found.patients["merged-2"],)]
    assert api.get(f"{found.path}/reach", headers=manager(api)).json()["withheld"]["unsubscribed"] == 1
