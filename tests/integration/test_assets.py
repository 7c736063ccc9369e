"""Style sheets, scripts and pictures are kept by browsers for good, and come anew once they are others."""

import re
from pathlib import Path

import pytest
from access_world import Api

from api.pages.assets import Assets
from api.pages.setup import FOLDER

NAMED = re.compile(r'(?:href|src)="(/static/[^"]+)"')


def test_what_a_page_names_is_kept_for_good_and_comes_packed(api: Api) -> None:
    named = set(NAMED.findall(api.get("/sign-in").text))
    assert {path.rsplit(".", 2)[0] for path in named} == {"/static/cloister", "/static/mark"}
    for path in named:
        for accepted, packed in (("gzip", "gzip"), ("identity", None)):
            answer = api.get(path, headers={"accept-encoding": accepted})
            assert (answer.status_code, answer.headers.get("content-encoding")) == (200, packed)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            assert answer.headers["vary"] == "accept-encoding"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-type"].split(";")[0] in {"text/css", "image/svg+xml"}
            file = FOLDER / "static" / re.sub(r"\.\w{12}\.", ".", path.rsplit("/", 1)[1])
            assert answer.content == file.read_bytes()


def test_what_has_no_digest_or_another_one_is_not_kept(api: Api) -> None:
    assert api.get("/static/cloister.css").headers["cache-control"] == "no-store"
    assert api.get("/static/cloister.0123456789ab.css").status_code == 404
    (named,) = {path for path in NAMED.findall(api.get("/sign-in").text) if path.endswith(".css")}
    assert api.post(named).status_code == 405
    assert api.head(named).status_code == 200


def test_another_content_has_another_name(tmp_path: Path) -> None:
    names: set[str] = set()
    for content in (b"a {}", b"b {}", b"a {}"):
        (tmp_path / "one.css").write_bytes(content)
        names.add(Assets(tmp_path).path("one.css"))
    assert len(names) == 2
    with pytest.raises(KeyError):
        Assets(tmp_path).path("two.css")
