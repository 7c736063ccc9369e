"""Normalisation of contacts, whatever is given."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.encryption.contacts import canonical, indexed
from infra.errors import InvalidInput

COUNTRIES = ("BR", "DE", "GB", "US", "IT", "JP")
numbers = st.sampled_from(COUNTRIES).map(
    lambda region: phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
)
DIGITS = ("٠", "०", "０", "𝟎", "0")
noise = st.sampled_from(["", " ", "-", ".", "\u2011", "\u200e", "\u00a0"])


@given(numbers, st.sampled_from(list(DIGITS)), st.sampled_from(["+", "00", "＋"]), st.data())
def test_any_way_to_write_a_number_is_that_number(
    number: phonenumbers.PhoneNumber, zero: str, prefix: str, data: st.DataObject
) -> None:
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    written = prefix + "".join(chr(ord(zero) + int(digit)) + data.draw(noise) for digit in plain[1:])
    country = data.draw(st.sampled_from((*COUNTRIES, "ZZ")))
    assert canonical("phone", written, country) == plain


@given(st.sampled_from(["phone", "email"]), st.text(), st.sampled_from((*COUNTRIES, "ZZ")))
def test_any_text_is_brought_into_one_form_or_refused_by_name(field: str, text: str, country: str) -> None:
    places = []
    try:
        stored = canonical(field, text, country)
    except InvalidInput as error:
        places.append(error.place)
    else:
        assert canonical(field, stored) == stored
        assert indexed(field, stored) == indexed(field, canonical(field, stored))
    assert places in ([], [field])


@given(st.emails() | st.tuples(st.text(min_size=1), st.text(min_size=1)).map("@".join))
def test_an_emails_index_does_not_see_case(text: str) -> None:
    try:
        stored = canonical("email", text)
    except InvalidInput:
        return
    found = indexed("email", stored)
    for again in (stored.upper(), stored.lower(), stored.casefold()):
        try:
            assert indexed("email", again) == found or again.casefold() != stored.casefold()
        except InvalidInput:
            pytest.fail("a case of it is refused")
