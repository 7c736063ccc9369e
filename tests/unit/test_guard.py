"""How deep a JSON text nests, and which characters a text may hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.guard import depth
from policies.text import fault_of_identifier, fault_of_text

LEAVES = st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('[]{}"\\,:a\u2028é'))
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


def true_depth(found: Any) -> int:
    if isinstance(found, dict):
        return 1 + max(map(true_depth, found.values()), default=0)
    return 1 + max(map(true_depth, found), default=0) if isinstance(found, list) else 0


@given(JSON, st.booleans())
def test_brackets_in_strings_are_no_nesting(found: Any, ascii_only: bool) -> None:
    assert depth(json.dumps(found, ensure_ascii=ascii_only).encode()) == true_depth(found)


@given(JSON, st.integers(0, 8))
def test_what_is_deeper_than_allowed_is_looked_at_no_further(found: Any, allowed: int) -> None:
    assert depth(json.dumps(found).encode(), allowed) == min(true_depth(found), allowed + 1)


@given(st.binary(max_size=200))
def test_a_text_that_python_reads_is_never_deeper_than_measured(text: bytes) -> None:
    try:
        found = json.loads(text)
    except ValueError:
        return
    assert depth(text) >= true_depth(found)


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("text", "in_text", "in_identifier"),
    [("north", None, None), ("São Paulo", None, None), ("a\x00", "nul", "nul"),
     ("a\ud800", "lone_surrogate", "lone_surrogate"), ("a\nb", None, "control_character"),
     ("a\u202eb", None, "control_character"), ("a\u200fb", None, "control_character"),
     ("a\u2066b", None, "control_character"), ("a\ufeff", None, "control_character"),
     ("a\u2028", None, "control_character"), ("a\x7f", None, "control_character"),
     ("cafe\u0301", None, "not_normalised"),
     ("x" * 201, None, "too_long"), ("😀", None, None)],
    ids=ascii,
)  # fmt: skip
def test_characters(text: str, in_text: str | None, in_identifier: str | None) -> None:
    assert (fault_of_text(text), fault_of_identifier(text)) == (in_text, in_identifier)


@given(st.text(st.characters(), max_size=20))
def test_what_passes_can_be_written_as_utf_8(text: str) -> None:
    if fault_of_text(text) is None:
        assert "\x00" not in text.encode().decode()
