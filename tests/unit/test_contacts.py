"""Phone numbers and emails: what people take for the same is the same, and what is none is said to be none."""

import pytest

from api import problems
from infra.encryption.contacts import canonical, indexed, mailbox
from infra.errors import InvalidInput

SAME = [
    "+55 27 99912-3456",
    "005527999123456",
    "00 55 27 99912 3456",
    "+55 (27) 99912.3456",
    "(27) 99912-3456",
    "27999123456",
    "027 99912-3456",
    "+٥٥ ٢٧ ٩٩٩١٢-٣٤٥٦",
    "+५५ २७ ९९९१२ ३४५६",
    "＋５５　２７　９９９１２－３４５６",
    "\u202a+55 27 99912\u20113456\u202c",
    "  +55 27 99912–3456 ",
]


@pytest.mark.check(38)
@pytest.mark.parametrize("given", SAME)
def test_ways_to_write_one_number_are_one(given: str) -> None:
    stored = canonical("phone", given, "BR")
    assert stored == "+5527999123456"
    assert indexed("phone", stored) == b"+5527999123456"


@pytest.mark.parametrize(
    ("given", "country", "stored"),
    [
        ("030 23125 042", "DE", "+493023125042"),
        ("030 23125 042", "GB", None),
        ("020 7946 0018", "GB", "+442079460018"),
        ("02 12345678", "IT", "+390212345678"),  # Italy keeps the zero
        ("+49 30 23125 042 ext. 7", "BR", "+493023125042;ext=7"),
        ("+493023125042;ext=7", "ZZ", "+493023125042;ext=7"),
    ],
)
def test_a_national_number_is_of_the_clinics_country(given: str, country: str, stored: str | None) -> None:
    if stored is None:
        assert canonical("phone", given, country) != "+493023125042"
    else:
        assert canonical("phone", given, country) == stored


def test_an_extension_is_kept_and_not_looked_up() -> None:
    assert indexed("phone", "+493023125042;ext=7") == indexed("phone", "+493023125042")


@pytest.mark.check(38)
@pytest.mark.parametrize(
    ("given", "country"),
    [("", "BR"), ("12", "BR"), ("n/a", "BR"), ("+55 27 99912-34567890", "BR"), ("27 99912-3456", "ZZ"), ("+", "BR"),
     ("call 27 99912-3456", "BR"), ("+999 123456789", "BR"), ("27 99912\x003456", "BR"), ("0", "BR"), ("00", "BR"),
     ("²³ 99912-3456 x", "BR")],
)  # fmt: skip
def test_a_bad_number_is_422_and_names_the_field_alone(given: str, country: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical("phone", given, country)
    body = problems.of(caught.value)
    assert (body["status"], body["errors"]) == (422, [{"place": "body.phone", "rule": "not_valid"}])
    assert given == "" or given not in caught.value.message


def test_emails_are_found_whatever_their_case_and_kept_as_given() -> None:
    assert canonical("email", " Ada.Wren@Example.ORG ") == "Ada.Wren@Example.ORG"
    alike = ["ada.wren@example.org", "Ada.Wren@EXAMPLE.org", "ａda.wren@example.org", "ada.wren@ｅxample.org"]
    assert {indexed("email", given) for given in alike} == {b"ada.wren@example.org"}
    assert indexed("email", "o\u0308@example.org") == indexed("email", "Ö@example.org")


@pytest.mark.parametrize("given", ["", "ada", "@example.org", "ada@", "a@b@c", "a b@c", "a\u202e@b", "a\x00@b"])
def test_a_bad_email_names_the_field(given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        canonical("email", given)
    assert caught.value.place == "email"


def test_other_contacts_stay_as_they_are() -> None:
    assert canonical("address", " 1 Example Street ") == " 1 Example Street "


@pytest.mark.parametrize(
    ("email", "read_at"),
    [
        ("Swift@Example.org", "swift@example.org"),
        ("swift+a.tag+more@example.org", "swift@example.org"),
        ("swift\uff0b1@example.org", "swift@example.org"),
        ("s.wi.ft+1@gmail.com", "swift@gmail.com"),
        ("s.wift@GoogleMail.com", "swift@googlemail.com"),
        ("s.wift@example.org", "s.wift@example.org"),
        ("swift-1@example.org", "swift-1@example.org"),
        ("+@example.org", "+@example.org"),
        ("...@gmail.com", "...@gmail.com"),
    ],
)
def test_a_tag_makes_no_other_mailbox_and_no_same_address(email: str, read_at: str) -> None:
    assert mailbox(email) == read_at
    assert canonical("email", mailbox(email)) == read_at, "an address still"


def test_addresses_of_one_mailbox_are_addresses_of_several_accounts() -> None:
    assert indexed("account_email", "swift+1@example.org") != indexed("account_email", "swift@example.org")
