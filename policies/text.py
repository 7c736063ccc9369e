"""Which characters a text may hold, whoever sends it. Names what is wrong, never the text itself."""

import re
import unicodedata

_SURROGATES = re.compile("[\ud800-\udfff]")
# Unicode general categories (Unicode Standard, section 4.5).
_CONTROL, _FORMAT = "Cc", "Cf"
_SEPARATORS = ("Zl", "Zp")
LONGEST_IDENTIFIER = 200


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
    if fault := fault_of_text(text):
        return fault
    for character in text:
        category = unicodedata.category(character)
        if category in (_CONTROL, _FORMAT, *_SEPARATORS):
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
