"""Whom to call, as it is kept: everybody's entries are read and replaced, or one guardian's, and no other's moves."""

import json

import pytest

from policies.emergency_contacts import Entry, entered, replaced, visible

ANN, BOB = "ann", "bob"
KEPT_OF_NOBODY = [None, "Aunt +4930901821", "{", "[1]", '[{"name": "x"}]', "[" * 2000]


def entry(name: str) -> Entry:
    return {"name": name, "relationship": "aunt", "phone": "+4930901822"}


def both() -> str | None:
    """One of Ann's, one of Bob's, and one of the person's own."""
    return replaced(replaced(replaced(None, [entry("own")]), [entry("a")], ANN), [entry("b")], BOB)


def test_each_guardian_sees_what_they_entered_and_the_person_all_without_its_authors() -> None:
    kept = both()
    assert entered(kept, ANN) == [entry("a")] and entered(kept, BOB) == [entry("b")]
    assert visible(kept) == [entry("own"), entry("a"), entry("b")]
    assert entered(kept, "") is None and entered(kept, "somebody") is None


@pytest.mark.parametrize("given", [None, [], [entry("a")], [entry("b"), entry("own")], [entry("x")] * 7])
def test_whatever_a_guardian_says_the_others_stay(given: list[Entry] | None) -> None:
    kept = replaced(both(), given, ANN)
    assert entered(kept, ANN) == (given or None) and entered(kept, BOB) == [entry("b")]
    assert visible(replaced(kept, None, ANN)) == [entry("own"), entry("b")]


def test_what_the_person_leaves_as_it_is_stays_its_guardians_and_what_they_change_is_their_own() -> None:
    kept = replaced(both(), [entry("b"), entry("a two"), entry("own")])
    assert visible(kept) == [entry("b"), entry("a two"), entry("own")]
    assert entered(kept, ANN) is None and entered(kept, BOB) == [entry("b")]
    assert replaced(kept, None) is None and visible(replaced(kept, [])) == []


def test_of_two_that_are_alike_each_keeps_its_guardian() -> None:
    kept = replaced(replaced(None, [entry("same")], ANN), [entry("same")], BOB)
    again = replaced(kept, [entry("same"), entry("same"), entry("same")])
    assert entered(again, ANN) == entered(again, BOB) == [entry("same")]
    once = replaced(kept, [entry("same")])
    assert [entered(once, ANN), entered(once, BOB)].count(None) == 1


@pytest.mark.parametrize("kept", KEPT_OF_NOBODY, ids=lambda kept: str(kept)[:10])
def test_the_text_of_an_import_is_no_guardians_and_stays_beside_theirs(kept: str | None) -> None:
    assert entered(kept, ANN) is None and visible(kept) == kept
    assert replaced(kept, [entry("own")]) == json.dumps([entry("own")])
    added = replaced(kept, [entry("a")], ANN)
    others = [] if kept is None else [{"name": kept, "relationship": "", "phone": ""}]
    assert visible(added) == [*others, entry("a")] and entered(added, BOB) is None
    assert visible(replaced(added, None, ANN)) == (others or None)


def test_several_lines_of_an_import_become_the_one_that_a_form_shows() -> None:
    added = visible(replaced("Aunt\n +4930901821", [entry("a")], ANN))
    assert added == [{"name": "Aunt +4930901821", "relationship": "", "phone": ""}, entry("a")]
