"""Names as people write them: joiners stand where they show, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from idna.core import valid_contextj

from policies.text import ZWJ, ZWNJ, fault_of_identifier, fault_of_name, without_joiners

SHARIFZADEH, SRI = "\u0634\u0631\u06cc\u0641\u200c\u0632\u0627\u062f\u0647", "\u0dc1\u0dca\u200d\u0dbb\u0dd3"
FEH, ALEF, BEH, FATHA = "\u0641", "\u0627", "\u0628", "\u064e"
KA, VIRAMA, SSA = "\u0915", "\u094d", "\u0937"
# Letters that join both ways or one, a mark, viramas, and what no rule is about.
PARTS = [
    ZWNJ,
    ZWJ,
    FEH,
    ALEF,
    BEH,
    FATHA,
    KA,
    VIRAMA,
    SSA,
    "\u0dca",
    "\u0640",
    "\u06cc",
    "\u06c0",
    "\u00ad",
    "\u3099",
    "a",
    " ",
]


@pytest.mark.check(41)
@pytest.mark.parametrize(
    "name",
    [SHARIFZADEH, SRI, FEH + ZWNJ + ALEF, FEH + FATHA + ZWNJ + FATHA + BEH, KA + VIRAMA + ZWJ + SSA,
     KA + VIRAMA + ZWNJ + SSA, "\u0d28\u0d4d" + ZWJ, "Ana", "x" * 200],
    ids=ascii,
)  # fmt: skip
def test_joiners_that_show_stand_in_names_alone(name: str) -> None:
    assert fault_of_name(name) is None
    joined = ZWNJ in name or ZWJ in name
    assert fault_of_identifier(name) == ("control_character" if joined else None)
    assert fault_of_identifier(without_joiners(name)) is None


@pytest.mark.check(41)
@pytest.mark.parametrize(
    ("name", "fault"),
    [(ZWNJ, "control_character"), ("a" + ZWNJ + "b", "control_character"), ("a" + ZWJ + "b", "control_character"),
     (ZWNJ + FEH, "control_character"), (FEH + ZWNJ, "control_character"), (ALEF + ZWNJ + BEH, "control_character"),
     (FEH + ZWJ + BEH, "control_character"), (FEH + ZWNJ + ZWNJ + BEH, "control_character"),
     (FEH + ZWNJ + " " + BEH, "control_character"), (KA + ZWJ + SSA, "control_character"),
     (SHARIFZADEH + "\u202e", "control_character"), (SHARIFZADEH + "\x00", "nul"), ("cafe\u0301", "not_normalised"),
     (SHARIFZADEH * 30, "too_long"), ("x" * 201, "too_long")],
    ids=ascii,
)  # fmt: skip
def test_what_does_not_show_stands_in_none(name: str, fault: str) -> None:
    assert fault_of_name(name) == fault


@given(st.lists(st.sampled_from(PARTS), max_size=8).map("".join))
def test_what_a_name_may_hold_the_rules_for_domains_allow(name: str) -> None:
    """`idna` has the whole of RFC 5892, with the joining types of all scripts."""
    if fault_of_name(name) is None:
        assert all(valid_contextj(name, place) for place, each in enumerate(name) if each in (ZWNJ, ZWJ))
        assert not set(name) & {"\u00ad", "\x00"}


@pytest.mark.parametrize("following", sorted(chr(code) for code in range(0x600, 0x700)), ids=ascii)
def test_every_letter_that_is_taken_for_a_joining_one_is_one(following: str) -> None:
    for name in (following + ZWNJ + BEH, BEH + ZWNJ + following):
        assert fault_of_name(name) or valid_contextj(name, name.index(ZWNJ))
