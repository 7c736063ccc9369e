"""A demo's personal accounts belong to people of the sample, each to one who has what its role is for."""

from access_world import Api, World

from api import demo_accounts
from api.messages.port import Message, MessageKind
from tests.integration.posting import mail_server, queue, send


def test_a_demo_has_a_patient_and_a_guardian_of_the_first_clinic(world: World, api: Api) -> None:
    # Another module's accounts may be kept there.
    (world.server.secrets_folder.parent / "demo-accounts.json").unlink(missing_ok=True)
    alone, guardian, dependent = (world.newcomer("north") for _ in range(3))
    world.change(
        "insert into operational.guardianship (guardian_id, dependent_id, relationship, starts_on)"
        " values (%s, %s, 'parent', current_date - 10)", guardian, dependent,
    )  # fmt: skip
    made = {account.login: account for account in demo_accounts.ensure_demo_accounts(world.server, ["north", "south"])}
    query = "select login, person_id from operational.principal where login in ('patient', 'guardian')"
    assert dict(world.look(query)) == {"patient": alone, "guardian": guardian}

    def headers(login: str) -> dict[str, str]:
        form = {"username": login, "password": made[login].secret}
        return {"Authorization": f"Bearer {api.post('/v1/token', data=form).json()['access_token']}"}

    assert api.get("/v1/me/profile", headers=headers("patient")).status_code == 200
    # By their address they are reached, and sign in.
    for login in ("patient", "guardian"):
        form = {"username": f"{login}@demo.example", "password": made[login].secret}
        assert api.post("/v1/token", data=form).status_code == 200
    with mail_server() as (mailman, smtp):
        for person in (alone, guardian, dependent):
            queue(world, Message(MessageKind.FORM_REQUEST, person))
        send(world, smtp)
    assert sorted(to for to, _ in mailman.came) == ["guardian@demo.example", "patient@demo.example"]
    addresses = "select person_id, email from operational.account_contact where person_id = any(%s)"
    kept = world.look(addresses, [alone, guardian, dependent])
    assert {person for person, _ in kept} == {alone, guardian} and not any(b"demo" in email for _, email in kept)
    assert len(api.get("/v1/me/dependents", headers=headers("guardian")).json()["dependents"]) == 1
    linked = "select name from operational.specialist_name as s join operational.principal as p using (principal_id)"
    assert world.look(f"{linked} where p.login = 'specialist.north' and s.name <> 'Dr. North'") == [
        ("Dr. North Junior",)
    ]
    assert api.get("/book/north").status_code == 200 and api.get("/book/south").status_code == 404
    assert demo_accounts.ensure_demo_accounts(world.server, ["north", "south"]) == list(made.values())
    assert world.look(addresses, [alone, guardian, dependent]) == kept
