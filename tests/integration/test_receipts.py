"""A revocation as people, followers of a feed and auditors see it, from the commit to the receipt and after it."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import access_world
import pytest
from access_world import CHICK, FINCH, HERON, Api, World
from typer.testing import CliRunner

from infra.audit_tree.receipt_key import verify_receipt
from infra.cli.main import build
from infra.errors import Refused
from orchestration.clinics import ClinicDay
from orchestration.live.reconcile_consents import reconcile_consents
from policies.consent_receipt import Place

NOT_THERE = {"type": "urn:cloister:problem:not-there", "title": "There is nothing here.", "status": 404}
NORTH = "/v1/clinics/north/segments"
CONSENT = {"clinic": "north", "purpose": "profile_sharing"}
SIGNED = {**CONSENT, "text_version": "v1", "sha256": "00" * 32}


@cache
def signed_in(api: Api, login: str) -> dict[str, str]:
    return access_world.sign_in(api, login)


def got(api: Api, login: str, path: str, **query: Any) -> Any:
    answer = api.get(path, headers=signed_in(api, login), params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def feed(api: Api, **query: Any) -> tuple[list[tuple[str, str, str]], str]:
    """Of Finch, kinds and causes of a page of the elders' feed; and where it goes on."""
    page = got(api, "manager.north", f"{NORTH}/elders/changes", **query)
    return [(c["kind"], c["cause"], c["fires"]) for c in page["changes"] if c.get("name") == FINCH], page["next"]


def appearances(api: Api, world: World) -> list[str]:
    """Where anything of Finch's profile, or of stays that depend on it, is shown to the clinic."""
    finch = str(world.patients["north", FINCH])
    key = {"Authorization": f"Bearer {world.keys['north.contact']}"}
    reader = {"Authorization": f"Bearer {world.keys['north.profile']}"}
    explained = got(api, "manager.north", f"{NORTH}/elders/patients/{finch}/explanation")
    seen = {
        "profile": access_world.BIRTH in api.get(f"/v1/clinics/north/patients/{finch}/profile", headers=key).text,
        "members": access_world.BIRTH in api.get(f"{NORTH}/everybody/members", headers=reader).text,
        "elders": finch in api.get(f"{NORTH}/elders/members", headers=reader).text,
        "elders then": finch in api.get(f"{NORTH}/elders/members?at=2026-02-01T00:00Z", headers=reader).text,
        "days": any(day["members"] for day in got(api, "manager.north", f"{NORTH}/elders/days")["days"]),
        "explanation": "'holds': True" in str(explained),
        "make-up": any("80" in str(one["make_up"]) for one in got(api, "manager.north", NORTH)["segments"]),
    }  # fmt: skip
    seen["feed"] = any(kind != "forget" for kind, *_ in feed(api)[0])
    return sorted(name for name, shown in seen.items() if shown)


def finish(world: World, clinic: str = "north") -> None:
    reconcile_consents(world.server, [ClinicDay(clinic, date(2026, 3, 4))])


@pytest.fixture(scope="module")
def elders(world: World) -> World:
    """Finch alone is an elder of north; the members stand for a day, as after a build."""
    world.change("delete from clinic_north.segment_member where patient_id <> %s", world.patients["north", FINCH])
    for clinic in ("north", "south"):
        world.change(f"update clinic_{clinic}.segment_clock set run = 1, at = '2026-01-01', as_of = '2026-03-04'")
    return world


@pytest.mark.check(16)
@pytest.mark.check(49)
def test_from_the_commit_nothing_is_shown_and_the_receipt_says_so(elders: World, api: Api, tmp_path: Path) -> None:
    finch = elders.patients["north", FINCH]
    everywhere = ["days", "elders", "elders then", "explanation", "feed", "make-up", "members", "profile"]
    assert appearances(api, elders) == everywhere
    shown, cursor = feed(api)
    assert [kind for kind, *_ in shown] == ["entered"]
    me = signed_in(api, "finch")
    event = api.post("/v1/me/consents/revoke", headers=me, json=CONSENT).json()["id"]
    assert event in [one["event"] for one in got(api, "finch", "/v1/me/consents")["consents"]]
    assert appearances(api, elders) == []
    assert feed(api, after=cursor)[0] == [] == feed(api)[0]
    path = f"/v1/me/consents/{event}/receipt"
    (told,) = got(api, "finch", path)["receipts"]
    assert (told["kind"], told["issued_at"], told["note"]) == ("revoked", None, None)

    finish(elders)
    assert appearances(api, elders) == []
    forgotten = [("forget", "consent", True)]
    assert feed(api, after=cursor)[0] == forgotten == feed(api)[0]
    after = feed(api, after=cursor)[1]
    assert feed(api, after=after)[0] == []
    (told,) = got(api, "finch", path)["receipts"]
    keys = tmp_path / "keys"
    keys.write_text("\n".join(got(api, "finch", "/v1/audit/keys")["keys"]))
    (tmp_path / "receipt").write_text(told["note"], newline="")
    receipt = verify_receipt(tmp_path / "receipt", [str(keys)])
    assert (str(receipt.consent_event_id), receipt.patient_id, receipt.clinic) == (event, finch, "north")
    assert set(receipt.places) == set(Place)
    verify = ["consent", "verify", str(tmp_path / "receipt"), "--key"]
    said = CliRunner().invoke(build(), [*verify, str(keys)], catch_exceptions=False)
    assert said.exit_code == 0
    assert f"genuine: consent {event} of patient {finch} at 'north'\nrevoked, done not before " in said.output
    assert [line.split()[0] for line in said.output.splitlines()[2:]] == [place.value for place in receipt.places]
    (tmp_path / "receipt").write_text(told["note"].replace("north", "south"), newline="")
    with pytest.raises(Refused):
        CliRunner().invoke(build(), [*verify, str(keys)], catch_exceptions=False)

    # Signed again: shared again, and a follower hears of it where it left off.
    again = api.post("/v1/me/consents", headers=me, json=SIGNED).json()["id"]
    finish(elders)
    assert [kind for kind, *_ in feed(api, after=after)[0]] == ["entered"]
    assert {"elders", "members", "profile"} <= set(appearances(api, elders))
    assert "elders then" not in appearances(api, elders)
    assert [r["kind"] for r in got(api, "finch", f"/v1/me/consents/{again}/receipt")["receipts"]] == ["signed"]


@pytest.mark.check(50)
def test_a_receipt_is_for_the_person_a_guardian_and_who_audits_the_clinic(elders: World, api: Api) -> None:
    elders.register_chick()
    with_chick = f"/v1/me/dependents/{elders.guardianship}/consents"
    headers = signed_in(api, "finch")
    event = api.post(with_chick, headers=headers, json=SIGNED).json()["id"]
    finish(elders)
    (one,) = got(api, "finch", f"{with_chick}/{event}/receipt")["receipts"]
    assert one["note"]
    for login in ("auditor.north", "auditor"):
        (found,) = got(api, login, "/v1/audit/receipts", event=event)["receipts"]
        assert (found["note"], found["clinic"]) == (one["note"], "north")
        chick = elders.patients["north", CHICK]
        assert got(api, login, "/v1/audit/receipts", patient=chick)["receipts"] == [found]
    elders.consent("south", HERON)
    finish(elders, "south")
    heron = elders.patients["south", HERON]
    assert got(api, "auditor.north", "/v1/audit/receipts", patient=heron)["receipts"] == []
    assert len(got(api, "auditor", "/v1/audit/receipts", patient=heron)["receipts"]) == 1
    asked = api.get("/v1/audit/receipts", headers=signed_in(api, "auditor"))
    assert asked.status_code == 422 and asked.json()["errors"][0]["place"] == "query.patient"
    for login, path in (
        ("finch", f"/v1/me/consents/{event}/receipt"),  # the dependent's, not the guardian's own
        ("wren", f"/v1/me/consents/{event}/receipt"),
        ("finch", f"/v1/me/consents/{uuid4()}/receipt"),
        ("finch", "/v1/me/consents/x/receipt"),
        ("heron", f"{with_chick}/{event}/receipt"),
        ("manager.north", f"/v1/audit/receipts?event={event}"),
        ("auditor.north", f"/v1/audit/receipts?clinic=south&event={event}"),
    ):
        assert api.get(path, headers=signed_in(api, login)).json() == NOT_THERE, (login, path)
