"""Entity tags: the server's own, for a form, and found in whatever a request sends."""

from pathlib import Path

from api.entity_tags import is_known, matches, tag
from api.idempotency import RequestDigests
from infra.database import Server
from infra.roles import RoleNames


def digests(folder: Path) -> RequestDigests:
    return RequestDigests(Server({}, RoleNames("x"), folder))


def test_a_tag_is_of_the_servers_key_the_rows_and_the_form(tmp_path: Path) -> None:
    here, there = digests(tmp_path / "here"), digests(tmp_path / "there")
    one = tag(here, -7, "text/csv", "patient_id")
    assert one == tag(here, -7, "text/csv", "patient_id") and one.startswith('W/"') and len(one) == 36
    others = {
        tag(there, -7, "text/csv", "patient_id"), tag(here, 7, "text/csv", "patient_id"),
        tag(here, -7, "text/csv"), tag(here, -7, "text/csvpatient_id"),
    }  # fmt: skip
    assert len(others) == 4 and one not in others


def test_a_tag_is_found_among_others_weak_or_strong(tmp_path: Path) -> None:
    one = tag(digests(tmp_path), 1, "x")
    for header in (one, one.removeprefix("W/"), f'"other", {one}', f'W/"{"0" * 32}",{one}'):
        assert is_known(one, header)
    for header in ("", "*", one[:-2] + '"', '"' + "0" * 32 + '"', one.replace('"', "")):
        assert not is_known(one, header)


def test_a_change_goes_on_by_its_own_tag_or_by_any() -> None:
    assert matches('"3-1"', '"3-1"') and matches('"3-1"', "*")
    for header in ("", '"*"', '"3-2"', "3-1", 'W/"3-1"', '"*", "3-2"'):
        assert not matches('"3-1"', header)
