"""The pages have a phrase for everything that an event can say."""

from datetime import UTC, date, datetime

import pytest

from api.pages import show
from api.pages.action_words import ACTIONS, WORDS
from api.pages.show import due, measured, words
from policies.words import AccountAction, Action, ProcessAction
from tests.clocks import standing_at


def test_every_action_has_a_phrase_and_a_place_in_the_filter() -> None:
    everything = [*Action, *AccountAction, *ProcessAction]
    assert list(ACTIONS) == everything
    assert set(WORDS) == set(everything)
    assert len(set(WORDS.values())) == len(WORDS), "two actions read the same"


def test_other_codes_lose_their_underscores() -> None:
    assert words("clinic_manager") == "clinic manager"
    assert words(None) == ""


def test_what_a_measure_found_is_shown_without_a_tail_of_digits() -> None:
    values = (23 / 56, 78.0, 1234567.5, 78, date(2026, 3, 4), ["asthma", "gout"], "public")
    shown = [measured(value) for value in values]
    assert shown == ["0.410714", "78", "1234567.5", "78", "4 March 2026", "asthma, gout", "public"]


def test_what_is_due_is_over_by_the_clinics_day(monkeypatch: pytest.MonkeyPatch) -> None:
    # Half past eleven in London: the next day in Berlin already, and not yet in Recife.
    monkeypatch.setattr(show, "datetime", standing_at(datetime(2026, 3, 4, 23, 30, tzinfo=UTC)))
    said = [due(date(2026, 3, on), zone) for on in (4, 5) for zone in ("Europe/Berlin", "America/Recife")]
    assert said == ["was due on 4 March 2026", "due by 4 March 2026", "due by 5 March 2026", "due by 5 March 2026"]
