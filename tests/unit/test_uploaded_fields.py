"""The fields of a page's form with a file: whatever bytes the file holds, they come out as they went in."""

import httpx
from hypothesis import given
from hypothesis import strategies as st

from api.uploads import Upload, fields


def sent(content: bytes, **said: str) -> tuple[bytes, str]:
    """What a browser would send, and its content type."""
    request = httpx.Request("POST", "http://x", data=said, files={"file": ("a.zip", content)})
    return request.read(), request.headers["content-type"]


@given(
    st.one_of(st.binary(max_size=300), st.lists(st.sampled_from([b"\r\n", b"--", b"\r", b"\n", b"x"])).map(b"".join))
)
def test_a_file_is_taken_byte_for_byte(content: bytes) -> None:
    body, kind = sent(content, csrf="abc", digest="0")
    assert fields(Upload(body), kind) == {"csrf": b"abc", "digest": b"0", "file": content}


@given(st.binary(min_size=1, max_size=200), st.text(max_size=50))
def test_what_is_no_form_has_no_fields(content: bytes, kind: str) -> None:
    assert fields(Upload(content), kind) == {} or "boundary" in kind
