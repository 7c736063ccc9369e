"""Proofs by API verify with the public key alone; which event a leaf is, only those learn who may see the event."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from uuid import uuid4

import access_world
import httpx
import pytest
from access_world import FINCH, Api, World

from infra.audit_tree.export import export
from policies.audit.merkle import leaf_hash, verify_consistency, verify_inclusion
from policies.audit.note import Checkpoint, Verifier, open_checkpoint
from tests.integration.sealing import add_events, seal_all

MEMBERS = "/v1/clinics/{}/segments/everybody/members"
Asking = tuple[Api, dict[str, str]]


@pytest.fixture(scope="module")
def sealed(world: World, api: Api) -> World:
    """Members of both clinics were listed, and more than 256 events sealed."""
    for clinic in ("north", "south"):
        assert (
            api.get(MEMBERS.format(clinic), headers=access_world.sign_in(api, f"manager.{clinic}")).status_code == 200
        )
    add_events(world.server, 300)
    seal_all(world.server)
    add_events(world.server, 9)
    seal_all(world.server)
    return world


@pytest.fixture(scope="module")
def auditor(sealed: World, api: Api) -> Asking:
    return api, access_world.sign_in(api, "auditor")


def asked(by: Asking, path: str, **params: Any) -> dict[str, Any]:
    api, headers = by
    answer = api.get(f"/v1/{path}", headers=headers, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def status(by: Asking, path: str, **params: Any) -> int:
    api, headers = by
    return api.get(f"/v1/{path}", headers=headers, params=params).status_code


def listing(world: World, clinic: str) -> str:
    rows = world.look(
        "select event_id from audit.access_event where action = 'member.list' and clinic_id = %s and patients > 0",
        world.clinic_ids[clinic],
    )
    return str(rows[0][0])


def checkpoint_of(by: Asking, note: str) -> Checkpoint:
    return open_checkpoint(note, [Verifier.parse(key) for key in asked(by, "audit/keys")["keys"]])


def holds(by: Asking, proof: dict[str, Any]) -> bool:
    """Whether an inclusion proof leads to the signed root that came with it."""
    checkpoint = checkpoint_of(by, proof["checkpoint"])
    leaf, path = b64decode(proof["leaf"]), list(map(b64decode, proof["path"]))
    return checkpoint.size == proof["size"] and verify_inclusion(
        proof["index"], proof["size"], leaf, path, checkpoint.root
    )


def test_any_leaf_is_proven_to_any_role(sealed: World, api: Api) -> None:
    for login in ("staff.north", "wren", "finch", "admin", "auditor.north"):
        by = api, access_world.sign_in(api, login)
        size = asked(by, "audit/checkpoint")["size"]
        for index in (0, 255, 256, size - 1):
            proof = asked(by, "audit/proofs/inclusion", index=index)
            assert holds(by, proof) and proof["leaf"] != proof["path"][0]
    assert status((api, {"Authorization": f"Bearer {sealed.keys['north']}"}), "audit/checkpoint") == 200
    assert status((api, access_world.sign_in(api, "roleless")), "audit/checkpoint") == 404
    assert status((api, {}), "audit/keys") == 401


def test_the_log_is_proven_to_have_grown_out_of_what_it_was(sealed: World, auditor: Asking) -> None:
    notes = sealed.look("select note from audit.checkpoint where stream = 'access' order by size")
    first, last = (checkpoint_of(auditor, note) for (note,) in (notes[0], notes[-1]))
    assert first.size < last.size
    proof = asked(auditor, "audit/proofs/consistency", **{"from": first.size})
    path = list(map(b64decode, proof["path"]))
    assert checkpoint_of(auditor, proof["checkpoint"]) == last
    assert verify_consistency(first.size, last.size, first.root, last.root, path)
    between = asked(auditor, "audit/proofs/consistency", **{"from": 7, "to": first.size})
    assert between["checkpoint"] is None and between["size"] == first.size
    assert asked(auditor, "audit/proofs/inclusion", index=3, size=first.size)["size"] == first.size


@pytest.mark.check(50)
def test_which_leaf_an_event_is_is_for_its_auditors(sealed: World, api: Api, auditor: Asking) -> None:
    north = api, access_world.sign_in(api, "auditor.north")
    mine, others = (asked(auditor, "audit/proofs/inclusion", event=listing(sealed, c)) for c in ("north", "south"))
    assert holds(auditor, mine) and holds(auditor, others) and mine["index"] != others["index"]
    assert asked(north, "audit/proofs/inclusion", event=listing(sealed, "north"))["index"] == mine["index"]
    hidden = [
        api.get("/v1/audit/proofs/inclusion", headers=north[1], params={"event": event})
        for event in (listing(sealed, "south"), str(uuid4()))
    ]
    assert {answer.status_code for answer in hidden} == {404} and hidden[0].json() == hidden[1].json()
    for login in ("manager.north", "finch", "admin"):
        by = api, access_world.sign_in(api, login)
        assert status(by, "audit/proofs/inclusion", event=listing(sealed, "north")) == 404
    assert status(north, "audit/proofs/inclusion", event=listing(sealed, "north"), clinic="south") == 404


def test_a_patient_gets_the_proof_of_who_read_them_and_of_nobody_else(sealed: World, api: Api, auditor: Asking) -> None:
    event, other = listing(sealed, "north"), listing(sealed, "south")
    read = sealed.look("select patient_id from audit.disclosure where event_id = %s", event)
    assert (sealed.patients["north", FINCH],) in read
    finch, wren, heron = ((api, access_world.sign_in(api, login)) for login in ("finch", "wren", "heron"))
    proof = asked(finch, f"me/access-log/{event}/proof")
    assert holds(finch, proof)
    assert proof["index"] == asked(auditor, "audit/proofs/inclusion", event=event)["index"]
    assert status(wren, f"me/access-log/{event}/proof") == 200
    assert status(heron, f"me/access-log/{event}/proof") == 404
    assert status(wren, f"me/access-log/{other}/proof") == 404
    for nothing in (uuid4(), "nothing"):
        assert status(finch, f"me/access-log/{nothing}/proof") == 404
    assert status(finch, f"me/dependents/{uuid4()}/access-log/{event}/proof") == 404


@pytest.mark.parametrize("clinic", [None, "north"], ids=["the platform's", "the clinic's"])
def test_a_patients_proof_is_of_the_line_in_an_auditors_export(
    sealed: World, api: Api, tmp_path: Path, clinic: str | None
) -> None:
    """Which names the event and the patient; what the patient is shown does not hash to the leaf."""
    event, other = listing(sealed, "north"), listing(sealed, "south")
    finch, heron = ((api, access_world.sign_in(api, login)) for login in ("finch", "heron"))
    proof = asked(finch, f"me/access-log/{event}/proof")
    lines = {}
    for line in export(sealed.server, tmp_path / "log", clinic=clinic).path.read_bytes().splitlines():
        leaf, told, text = line.partition(b" {")
        if told:
            lines[json.loads(b"{" + text)["index"]] = leaf.decode(), b"{" + text
    leaf, text = lines[proof["index"]]
    assert b64encode(leaf_hash(text)).decode() == leaf == proof["leaf"]
    said = json.loads(text)
    assert said["event_id"] == event and str(sealed.patients["north", FINCH]) in said["patient_ids"]
    assert (asked(heron, f"me/access-log/{other}/proof")["index"] in lines) == (clinic is None)


def test_a_guardian_gets_the_proof_of_who_read_a_dependent(sealed: World, api: Api) -> None:
    finch = api, access_world.sign_in(api, "finch")
    assert status(finch, f"me/dependents/{sealed.guardianship}/profile") == 200
    seal_all(sealed.server)
    rows = sealed.look(
        "select event_id from audit.access_event where acting_for = %s and action = 'person.read'",
        sealed.people[access_world.CHICK],
    )
    proof = asked(finch, f"me/dependents/{sealed.guardianship}/access-log/{rows[0][0]}/proof")
    assert holds(finch, proof)


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("path", "params", "place"),
    [
        ("inclusion", {}, "query.event"),
        ("inclusion", {"index": 1, "event": str(uuid4())}, "query.event"),
        ("inclusion", {"index": 10**9}, "query.index"),
        ("inclusion", {"index": -1}, "query.index"),
        ("inclusion", {"index": 2**64}, "query.index"),
        ("inclusion", {"index": 1, "size": 10**9}, "query.size"),
        ("inclusion", {"index": 1, "stream": "x"}, "query.stream"),
        ("inclusion", {"event": "x"}, "query.event"),
        ("consistency", {}, "query.from"),
        ("consistency", {"from": 0}, "query.from"),
        ("consistency", {"from": 10**9}, "query.from"),
        ("consistency", {"from": 1, "to": 10**9}, "query.size"),
    ],
    ids=lambda given: str(given)[:20],
)
def test_what_cannot_be_proven_is_named(auditor: Asking, path: str, params: dict[str, Any], place: str) -> None:
    api, headers = auditor
    answer = api.get(f"/v1/audit/proofs/{path}", headers=headers, params=params)
    assert answer.status_code == 422
    assert [fault["place"] for fault in answer.json()["errors"]] == [place]


@pytest.mark.check(28)
def test_asking_for_proofs_is_recorded(sealed: World, auditor: Asking) -> None:
    def recorded() -> list[tuple[Any, ...]]:
        return sealed.look(
            "select action, count(*) from audit.access_event where action in ('audit.prove', 'audit.search')"
            " group by 1 order by 1"
        )

    before = dict(recorded())
    asked(auditor, "audit/checkpoint")
    asked(auditor, "audit/proofs/consistency", **{"from": 1})
    asked(auditor, "audit/proofs/inclusion", event=listing(sealed, "north"))
    after = dict(recorded())
    assert after["audit.prove"] == before["audit.prove"] + 2 and after["audit.search"] == before["audit.search"] + 1


def test_of_a_tree_with_holes_nothing_is_proven(sealed: World, auditor: Asking) -> None:
    sealed.change(
        "set session_replication_role = replica; delete from audit.leaf where stream = 'access' and index = 5"
    )
    answer: httpx.Response = auditor[0].get("/v1/audit/proofs/inclusion", headers=auditor[1], params={"index": 6})
    assert answer.status_code == 500 and "proof" not in answer.json()
