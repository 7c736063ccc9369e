"""The pages have a phrase for everything that an event can say."""

from api.pages.action_words import ACTIONS, WORDS
from api.pages.show import words
from policies.words import AccountAction, Action, ProcessAction


def test_every_action_has_a_phrase_and_a_place_in_the_filter() -> None:
    everything = [*Action, *AccountAction, *ProcessAction]
    assert list(ACTIONS) == everything
    assert set(WORDS) == set(everything)
    assert len(set(WORDS.values())) == len(WORDS), "two actions read the same"


def test_other_codes_lose_their_underscores() -> None:
    assert words("clinic_manager") == "clinic manager"
    assert words(None) == ""
