"""Which characters a text may hold, whoever sends it. Names what is wrong, never the text itself."""

import re
import unicodedata
from collections.abc import Container, Iterable

_SURROGATES = re.compile("[\ud800-\udfff]")
# Unicode general categories (Unicode Standard, section 4.5).
_CONTROL, _FORMAT = "Cc", "Cf"
_SEPARATORS = ("Zl", "Zp")
LONGEST_IDENTIFIER = 200
ZWNJ, ZWJ = "\u200c", "\u200d"
_WITHOUT_JOINERS = str.maketrans("", "", ZWNJ + ZWJ)
# The canonical combining class of viramas (Unicode Standard, section 4.3); the category of marks that joining skips.
_VIRAMA, _MARK = 9, "Mn"
_PRESENTATION_FORMS = range(0xFB50, 0xFF00)


def _letters_with(form: str) -> frozenset[str]:
    """The Arabic letters with such a presentation form, by the decompositions of the Unicode Character Database."""
    parts = (unicodedata.decomposition(chr(code)).split() for code in _PRESENTATION_FORMS)
    return frozenset(chr(int(part[1], 16)) for part in parts if len(part) == 2 and part[0] == form)


# Letters that join the next one begin a word in another form, and those that join the one before end one so.
_JOIN_NEXT, _JOIN_BEFORE = _letters_with("<initial>"), _letters_with("<final>")


def fault_of_text(text: str) -> str | None:
    """What PostgreSQL could not keep, or UTF-8 not write: NUL, a lone surrogate; None if all is well."""
    if "\x00" in text:
        return "nul"
    return "lone_surrogate" if _SURROGATES.search(text) else None


def fault_of_identifier(text: str) -> str | None:
    """What makes a login, slug or name look like another one: control and direction marks.

    Stricter than `fault_of_text`: nothing invisible may stand in what people compare by eye
    (Unicode Technical Standard 39, section 3).
    """
    return _fault_of_line(text, ())


def fault_of_name(text: str) -> str | None:
    """As of an identifier, but that a person's name may hold joiners where they change how it is written.

    These are U+200C and U+200D after a virama, as in Sinhala, and U+200C between letters that would join, as in
    Persian: a part of the rules CONTEXTJ of internationalised domain names (RFC 5892, appendices A.1 and A.2), which
    know more scripts that join.
    """
    if len(text) > LONGEST_IDENTIFIER:  # before any joiner is looked at: what surrounds it is copied for each
        return fault_of_text(text) or "too_long"
    joiners = (place for place, character in enumerate(text) if character in (ZWNJ, ZWJ))
    return _fault_of_line(text, {place for place in joiners if _joiner_shows(text, place)})


def without_joiners(text: str) -> str:
    """A name for comparison with one that somebody wrote without its joiners, or with them."""
    return text.translate(_WITHOUT_JOINERS)


def _joiner_shows(text: str, place: int) -> bool:
    """Whether the joiner at this place changes how the text is written."""
    before, character, after = text[:place], text[place], text[place + 1 :]
    if not before:
        return False
    if unicodedata.combining(before[-1]) == _VIRAMA:
        return True
    return character == ZWNJ and _letter(reversed(before)) in _JOIN_NEXT and _letter(after) in _JOIN_BEFORE


def _letter(characters: Iterable[str]) -> str:
    return next((character for character in characters if unicodedata.category(character) != _MARK), "")


def _fault_of_line(text: str, shown: Container[int]) -> str | None:
    """The fault of what stands in one line; `shown` are the places of joiners that it may have."""
    if fault := fault_of_text(text):
        return fault
    for place, character in enumerate(text):
        category = unicodedata.category(character)
        if category in (_CONTROL, _FORMAT, *_SEPARATORS) and place not in shown:
            return "control_character"
    if unicodedata.normalize("NFC", text) != text:
        return "not_normalised"
    return "too_long" if len(text) > LONGEST_IDENTIFIER else None


def fault_of_plain_text(text: str) -> str | None:
    """What a text of several lines does not hold: control characters other than its line breaks and tabs."""
    if fault := fault_of_text(text):
        return fault
    controls = (character for character in text if unicodedata.category(character) == _CONTROL)
    return "control_character" if any(character not in "\n\t" for character in controls) else None
