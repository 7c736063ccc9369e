"""What patients bring of another clinic: genuine, of this very person, shown first, and kept as it was signed."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import access_world
import httpx
import pytest
from access_world import CHICK, FINCH, HERON, WREN, Api, World
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from exporting import Export, export, packed
from handing_over import DESK, bring, send, shown
from impersonating import act_as

from api.services import UPLOADS
from infra.audit_tree.keys import EXPORTS_FILE, AuditKeys
from policies.audit.note import Signer
from policies.detached_jws import sign
from policies.patient_export import STREAM, Manifest


@pytest.fixture(scope="module")
def carried(api: Api) -> Export:
    """Finch's of north."""
    return export(api, "finch", "north")


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and rule."""
    return answer.status_code, answer.json()["errors"][0]["rule"]


def kept(world: World, name: str = FINCH, clinic: str = "south") -> int:
    """How many records a patient brought, without the one that is always there."""
    rows = world.look(
        "select count(*) from operational.brought_record where patient_id = %s and origin <> 'Elsewhere'",
        world.patients[clinic, name],
    )
    return int(rows[0][0])


def events_of(world: World, answer: httpx.Response) -> list[tuple[str, str]]:
    rows = world.look(
        "select action, decision from audit.access_event where request_id = %s", answer.headers["x-request-id"]
    )
    return [(action, decision) for action, decision in rows]


def resigned(world: World, made: Export, signer: Signer | None = None, **changed: Any) -> bytes:
    """The same export with another manifest, signed by this platform or by somebody else."""
    said = Manifest.read(made.files["manifest.json"])
    signer = signer or AuditKeys.load(world.server.secrets_folder, EXPORTS_FILE).signers(STREAM)[0]
    files = {name: made.files[name] for name in ("bundle.json", "readable.html", "access-log.ndjson")}
    files |= changed.pop("files", {})
    manifest = Manifest(**{**vars(said), "issuer": signer.name, **changed}).over(files).content()
    return packed({"manifest.json": manifest, "manifest.jws": sign(manifest, signer), **files})


def test_a_patient_is_shown_what_they_bring_and_the_clinic_keeps_it(world: World, api: Api, carried: Export) -> None:
    before = kept(world)
    found = shown(api, "finch", carried.archive)
    assert kept(world) == before
    assert (found["origin"], found["issuer"], found["already"]) == ("North", carried.manifest["issuer"], None)
    assert {"type": "Patient", "count": 1} in found["resources"]
    answer = bring(api, "finch", carried.archive)
    assert answer.status_code == 201, answer.text
    record = answer.json()
    assert (record["origin"], record["channel"], record["digest"]) == ("North", "patient", found["digest"])
    assert kept(world) == before + 1
    mine = api.get("/v1/me/handovers", headers=access_world.sign_in(api, "finch")).json()["records"]
    assert {"clinic": "south", **record} in mine


def test_who_treats_reads_it_as_it_was_signed_and_staff_see_that_it_came(
    world: World, api: Api, carried: Export
) -> None:
    record = bring(api, "finch", carried.archive).json()
    specialist, patient = access_world.sign_in(api, "specialist.south"), world.patients["south", FINCH]
    world.consent("south", FINCH)
    answer = api.get(f"/v1/clinics/south/handovers/{record['id']}", headers=specialist)
    world.consent("south", FINCH, "revoked")
    assert answer.status_code == 200 and answer.json()["bundle"] == carried.bundle
    disclosed = world.look(
        "select e.action, d.patient_id from audit.access_event as e inner join audit.disclosure as d using (event_id)"
        " where e.request_id = %s", answer.headers["x-request-id"],
    )  # fmt: skip
    assert disclosed == [("handover.read", patient)]
    other, staff = (access_world.sign_in(api, login) for login in ("specialist.north", "staff.north"))
    at_north = DESK.replace("south", "north").format(world.patients["north", FINCH])
    assert [api.get(at_north, headers=who).status_code for who in (other, staff)] == [200, 200]
    assert api.get(at_north, headers=access_world.sign_in(api, "other.north")).status_code == 404
    listed = api.get(DESK.format(patient), headers=specialist)
    assert record in listed.json()["records"] and "bundle" not in listed.text
    # North's specialist treats Finch as well; what south keeps is south's.
    for login in ("specialist.north", "other.north", "staff.north", "finch"):
        headers = access_world.sign_in(api, login)
        for clinic in ("north", "south"):
            assert api.get(f"/v1/clinics/{clinic}/handovers/{record['id']}", headers=headers).status_code == 404


def test_it_is_encrypted_and_without_who_read_them_elsewhere(world: World, api: Api, carried: Export) -> None:
    record = bring(api, "finch", carried.archive).json()
    ((content,),) = world.look("select content from operational.brought_record where brought_id = %s", record["id"])
    assert b"Canary" not in content and content[:2] != b"PK"
    assert len(content) < len(packed({n: carried.files[n] for n in ("bundle.json", "manifest.json")})) + 2_000


def test_nothing_of_it_goes_into_profile_or_records(world: World, api: Api, carried: Export) -> None:
    def state() -> list[tuple[Any, ...]]:
        tables = (
            "profile",
            "profile_fact",
            "appointment",
            "form",
            "form_answer",
            "treatment_plan",
            "adherence",
            "outbox",
        )
        counted = " union all ".join(f"select '{t}', count(*)::text from operational.{t}" for t in tables)
        profile = "select 'p', p::text from operational.profile as p where person_id = %s"
        return world.look(f"{counted} union all {profile} order by 1, 2", world.people[FINCH])

    before = state()
    assert bring(api, "finch", carried.archive).status_code in (200, 201)
    assert state() == before


@pytest.mark.check(42)
def test_twice_is_once(world: World, api: Api) -> None:
    archive = export(api, "finch", "north").archive
    first, second = bring(api, "finch", archive), bring(api, "finch", archive)
    assert (first.status_code, second.status_code) == (201, 200) and first.json() == second.json()
    assert shown(api, "finch", archive)["already"] == first.json()["id"]


@pytest.mark.check(20)
@pytest.mark.parametrize("what", ["altered", "expired", "unknown_issuer", "wrong_person", "no_export", "too_large"])
@pytest.mark.parametrize("desk", [False, True], ids=["patient", "staff"])
def test_what_is_not_right_is_rejected_named_and_recorded(
    world: World, api: Api, carried: Export, what: str, desk: bool
) -> None:
    now = datetime.now(UTC)
    stranger = Signer(f"cloister/elsewhere/{STREAM}", Ed25519PrivateKey.generate())
    archive = {
        "altered": packed(
            {**carried.files, "bundle.json": carried.files["bundle.json"].replace(b"latex", b"none!") + b" "}
        ),
        "expired": resigned(world, carried, created=now - timedelta(days=40), expires=now - timedelta(seconds=1)),
        "unknown_issuer": resigned(world, carried, stranger),
        "wrong_person": export(api, "wren", "north").archive,
        "no_export": b"PK no archive",
        "too_large": bytes(8 * 1024 * 1024 + 1),
    }[what]
    status = 413 if what == "too_large" else 422
    before = kept(world)
    if desk:
        # North's staff, at whose clinic all of them could be patients.
        login, path = "staff.north", f"/v1/clinics/north/patients/{world.patients['north', FINCH]}/handovers"
        query, actions = {}, ("handover.preview", "handover.receive")
    else:
        login, path = "finch", "/v1/me/handovers"
        query, actions = {"clinic": "south"}, ("own_handover.preview", "own_handover.bring")
    for action, at in zip(actions, (f"{path}/preview", path), strict=True):
        answer = send(api, login, at, archive, **query)
        assert answer.status_code == status, answer.text
        if what != "too_large":
            assert refused(answer) == (422, what)
        assert events_of(world, answer) == [(action, "deny")]
        assert "canary" not in answer.text.lower()
    assert kept(world) == before


def test_only_what_was_shown_is_kept(world: World, api: Api) -> None:
    archive = export(api, "finch", "north").archive
    before = kept(world)
    missing = send(api, "finch", "/v1/me/handovers", archive, clinic="south")
    other = send(api, "finch", "/v1/me/handovers", archive, clinic="south", digest="0" * 64)
    assert refused(missing) == (422, "missing") and refused(other) == (409, "another_export")
    assert events_of(world, missing) == events_of(world, other) == [("own_handover.bring", "deny")]
    assert kept(world) == before


def test_whoever_has_signed_in_is_known_by_the_account_and_not_by_what_they_write(world: World, api: Api) -> None:
    """Somebody of the same name and birth date, as their own profile says, is somebody else."""
    archive = export(api, "wren", "north").archive
    world.change("update operational.person set name = %s where person_id = %s", WREN, world.people[HERON])
    try:
        answer = send(api, "heron", "/v1/me/handovers/preview", archive, clinic="south")
    finally:
        world.change("update operational.person set name = %s where person_id = %s", HERON, world.people[HERON])
    assert refused(answer) == (422, "wrong_person")


def test_at_the_desk_an_export_of_ours_is_known_by_its_subject_alone(world: World, api: Api) -> None:
    """Whoever makes an export writes name and birth date themselves: those of somebody else as well."""
    twin = world.newcomer("north")
    world.change("update operational.person set name = %s where person_id = %s", WREN, twin)
    ((patient,),) = world.look("select patient_id from operational.registration where person_id = %s", twin)
    world.people["twin"], world.patients["north", "twin"] = twin, patient
    world.consent("north", "twin")
    archive, path = export(api, "wren", "north").archive, "/v1/clinics/north/patients/{}/handovers/preview"
    assert refused(send(api, "staff.north", path.format(patient), archive)) == (422, "wrong_person")
    # The patient's own registration is known by the platform, whatever is shared.
    assert send(api, "staff.north", path.format(world.patients["north", WREN]), archive).status_code == 200


@pytest.mark.check(33)
def test_a_guardian_brings_for_the_dependent_alone(world: World, api: Api) -> None:
    for clinic in ("north", "south"):
        world.register_chick(clinic)
    whose = f"/v1/me/dependents/{world.guardianship}"
    archive = export(api, "finch", "north", world.guardianship).archive
    answer = bring(api, "finch", archive, whose=whose)
    assert answer.status_code == 201 and answer.json()["channel"] == "guardian"
    assert kept(world, CHICK) == 1
    assert refused(send(api, "finch", "/v1/me/handovers/preview", archive, clinic="south")) == (422, "wrong_person")
    own = export(api, "finch", "north").archive
    assert refused(send(api, "finch", f"{whose}/handovers/preview", own, clinic="south")) == (422, "wrong_person")
    assert send(api, "heron", f"{whose}/handovers/preview", archive, clinic="south").status_code == 404
    listed = api.get(f"{whose}/handovers", headers=access_world.sign_in(api, "finch")).json()["records"]
    assert [each["id"] for each in listed] == [answer.json()["id"]]


@pytest.mark.check(31)
def test_nobody_else_brings_anything(world: World, api: Api, carried: Export) -> None:
    path = DESK.format(world.patients["south", FINCH])
    assert (
        send(api, act_as(api, "finch")[1], "/v1/me/handovers/preview", carried.archive, clinic="south").status_code
        == 404
    )
    assert send(api, "wren", "/v1/me/handovers/preview", carried.archive, clinic="south").status_code == 404
    for login in ("staff.north", "manager.south", "specialist.south", "admin"):
        answer = send(api, login, path, carried.archive)
        assert answer.status_code == 404 and events_of(world, answer) == [("handover.receive", "deny")]
    assert send(api, "staff.north", DESK.replace("south", "north").format(uuid4()), carried.archive).status_code == 404


def test_exports_of_an_issuer_that_the_settings_name_are_taken(world: World, api: Api, carried: Export) -> None:
    other = Signer(f"cloister/elsewhere/{STREAM}", Ed25519PrivateKey.generate())
    archive = resigned(world, carried, other, subject="0" * 64, clinic="Clínica Além")
    keys = api.app.state.services.export_keys
    object.__setattr__(keys, "others", (other.verifier,))
    try:
        record = bring(api, "finch", archive).json()
        assert (record["issuer"], record["origin"]) == (other.name, "Clínica Além")
        bundle = carried.bundle
        bundle["entry"][2]["resource"]["birthDate"] = "1931-05-18"
        assert bundle["entry"][2]["resource"]["resourceType"] == "Patient"
        wrong = resigned(world, carried, other, files={"bundle.json": json.dumps(bundle).encode()})
        assert refused(send(api, "finch", "/v1/me/handovers/preview", wrong, clinic="south")) == (422, "wrong_person")
    finally:
        object.__setattr__(keys, "others", ())


@pytest.mark.check(34)
def test_what_was_deleted_is_gone_and_is_still_there(world: World, api: Api) -> None:
    archive = export(api, "wren", "north").archive
    brought = bring(api, "wren", archive, clinic="north").json()["id"]
    staff, specialist = (access_world.sign_in(api, f"{role}.north") for role in ("staff", "specialist"))
    path = f"/v1/clinics/north/handovers/{brought}"
    assert api.get(path, headers=specialist).status_code == 200
    deletion = f"/v1/clinics/north/deletions/brought_record/{brought}"
    assert api.post(deletion, headers=staff, json={"reason": "mistake"}).status_code == 200
    assert api.get(path, headers=specialist).status_code == 404
    listed = api.get("/v1/me/handovers", headers=access_world.sign_in(api, "wren")).json()["records"]
    assert brought not in [each["id"] for each in listed]
    assert world.look("select delete_reason from operational.brought_record where brought_id = %s", UUID(brought)) == [
        ("mistake",)
    ]
    assert bring(api, "wren", archive, clinic="north").status_code == 201


def test_other_requests_stay_as_small_as_they_were(api: Api) -> None:
    headers = access_world.sign_in(api, "finch")
    for kind in ("application/x-www-form-urlencoded", "application/json"):
        answer = api.post("/v1/me/handovers?clinic=south", headers={**headers, "content-type": kind}, content=b"{}")
        assert refused(answer) == (422, "missing")
    for path, kind, status in (
        ("/v1/me/handovers", "application/json", 413),
        ("/v1/me/exports", "application/zip", 413),
        ("/v1/me/handovers/more", "application/zip", 413),
        ("/v1/me/handovers", "text/plain", 413),
    ):
        answer = api.post(path, headers={**headers, "content-type": kind}, content=bytes(70_000))
        assert answer.status_code == status, (path, kind)


def test_nobody_keeps_others_from_sending_files(world: World, api: Api, carried: Export) -> None:
    """Two of one person's lie there unread; the third waits, and somebody else's is taken."""
    serving, path = api.app.state.services, "/v1/me/handovers/preview"
    finch = access_world.sign_in(api, "finch")
    ((sender,),) = world.look("select principal_id::text from operational.principal where login = 'finch'")
    with serving.uploads_of_one.place(sender), serving.uploads_of_one.place(sender):
        refused_ = send(api, finch, path, carried.archive, clinic="south")
        assert (refused_.status_code, refused_.json()["type"]) == (429, "urn:cloister:problem:too-many-files")
        assert int(refused_.headers["retry-after"]) > 0
        assert send(api, "heron", path, carried.archive, clinic="south").status_code == 422
    with ExitStack() as all_of_them:
        for _ in range(UPLOADS):
            all_of_them.enter_context(serving.uploads.place())
        assert send(api, "heron", path, carried.archive, clinic="south").status_code == 429
    assert send(api, finch, path, carried.archive, clinic="south").status_code == 200
