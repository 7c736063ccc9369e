"""Phone numbers and emails in one form each: what is stored, and what a blind index is made of.

Phone numbers are kept as E.164 (with RFC 3966's `;ext=`), so that no later reader needs to know which
country a national number was of. Emails are kept as given; their index is case-folded NFKC.
"""

import re
import unicodedata

import phonenumbers

from infra.errors import InvalidInput

INDEXED = ("phone", "email")
# Before the kind in the names of an account's contacts; and of one that an older account has proven as well.
OF_ACCOUNT = "account_"
SHARED = "shared_account_"
NO_COUNTRY = "ZZ"
_PHONE = re.compile(r"\+?[0-9 ()./-]+(?:(?:;ext=|ext\.?|x|#) ?[0-9]{1,7})?", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
# Their mailboxes know no dots.
_WITHOUT_DOTS = ("gmail.com", "googlemail.com")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")


def canonical(field: str, value: str, country: str = NO_COUNTRY) -> str:
    """The form in which a contact is stored; fields without an index stay as they are.

    Args:
        field: a column of the profile.
        value: as it was given.
        country: ISO 3166 code that national phone numbers belong to; `ZZ`: none.

    Raises:
        InvalidInput: no phone number or email; names the field and never the value.
    """
    if field == "phone":
        return _phone(value, country)
    return _email(value) if field == "email" else value


def indexed(field: str, value: str) -> bytes:
    """What the blind index of a stored value is made of: equal for what people take for equal.

    `field` is a column of the profile, or the same of an account with `account_` or `shared_account_` before it.

    Raises:
        InvalidInput: not in the form that `canonical` gives.
    """
    if field.removeprefix(SHARED).removeprefix(OF_ACCOUNT) == "phone":
        return _phone(value, NO_COUNTRY).split(";")[0].encode()
    folded = unicodedata.normalize("NFKC", _email(value)).casefold()
    return unicodedata.normalize("NFKC", folded).encode()


def mailbox(email: str) -> str:
    """The address at which what goes to this one is read, as far as one can tell: no tag after a plus (RFC 5233).

    To count what somebody is sent, whatever name it is sent to; people are told apart by the address as it is.
    """
    local, _, domain = unicodedata.normalize("NFKC", email).casefold().rpartition("@")
    untagged = local.partition("+")[0]
    if domain in _WITHOUT_DOTS:
        untagged = untagged.replace(".", "")
    return f"{untagged or local}@{domain}"


def _phone(value: str, country: str) -> str:
    text = _plain(value)
    # ITU-T E.164 recommends 00; a country whose own prefix takes a carrier's code (Brazil) would read it otherwise.
    if text.startswith("00"):
        text = f"+{text[2:].lstrip()}"
    if not _PHONE.fullmatch(text):
        raise InvalidInput("is no phone number", place="phone")
    if not text.startswith("+") and country == NO_COUNTRY:
        raise InvalidInput("is a national number, and its country is not known", place="phone")
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        raise InvalidInput("is no phone number", place="phone") from None
    # Possible, not valid: the library's lists of ranges in use are older than some people's numbers.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise InvalidInput("is no phone number", place="phone")
    extension = f";ext={number.extension}" if number.extension else ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) + extension


def _plain(value: str) -> str:
    """Digits of any script as ASCII, dashes as one, marks of direction gone."""
    kept = []
    for letter in unicodedata.normalize("NFKC", value):
        category = unicodedata.category(letter)
        if category == "Nd":
            kept.append(str(unicodedata.decimal(letter)))
        elif category in ("Pd", "Zs"):
            kept.append("-" if category == "Pd" else " ")
        elif category != "Cf":
            kept.append(letter)
    return "".join(kept).strip()


def _email(value: str) -> str:
    text = value.strip()
    if not _EMAIL.fullmatch(text) or any(unicodedata.category(letter) in _INVISIBLE for letter in text):
        raise InvalidInput("is no email address", place="email")
    return text
