"""A clinic's limits stand in one place: what a page says of them is what is checked."""

import re

import pytest

from api.pages.admin.settings import FAULTS, LIMITS


@pytest.mark.parametrize("field", LIMITS)
def test_a_sentence_names_the_limits(field: str) -> None:
    assert tuple(map(int, re.findall(r"\d+", FAULTS[f"body.{field}"]))) == LIMITS[field]
