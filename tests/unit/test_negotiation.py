"""Which format an Accept header means (RFC 9110, section 12.5.1)."""

import pytest

from api.negotiation import chosen
from api.problems import NotAcceptable

OFFERED = ("application/json", "application/x-ndjson", "text/csv")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/*, application/json;q=0.9", "text/csv"),
        ("text/csv, application/json", "application/json"),
        ("application/json;q=0.1, application/x-ndjson;q=0.8, */*;q=0.5", "application/x-ndjson"),
        ("application/json;q=0, */*", "application/x-ndjson"),
        ("application/*;q=0, text/html, text/*;q=0.3", "text/csv"),
        ("text/csv;q=many, application/json;q=0.2", "application/json"),
        (" , text/csv ,", "text/csv"),
    ],
)
def test_the_best_liked_of_what_is_offered(accept: str, expected: str) -> None:
    assert chosen(accept, OFFERED) == expected


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "application/json;q=7", "image/*, text/csv;q=0"])
def test_none_of_them(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        chosen(accept, OFFERED)
    assert refused.value.detail == ", ".join(OFFERED)
