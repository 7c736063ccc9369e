"""A form by which records of another clinic are brought: what it sends, and what may be wrong with that."""

from dataclasses import dataclass

from fastapi import Request

from api.pages.texts import N_
from api.uploads import TooLarge, Upload, fields
from infra.errors import InvalidInput, Misplaced

_FAULTS = {
    "missing": N_("Choose a file."),
    "too_large": N_("The file is larger than such a file can be."),
    "expired": N_("The file is too old by now. Download a new one."),
    "wrong_person": N_("Nothing tells that this file is yours."),
    "another_export": N_("That was another file than the one that was shown."),
}
_AT_THE_DESK = {
    "expired": N_("The file is too old by now. The patient can download a new one."),
    "wrong_person": N_("Nothing tells that this file is this patient's."),
}
_OTHERWISE = N_("This is no file that a clinic of a trusted platform made, or it was changed since.")


@dataclass(frozen=True)
class Sent:
    """What the form sends: its token, the file, and the digest of what was shown already, empty if nothing was."""

    csrf: str
    file: Upload
    digest: str


def typed(request: Request, sent: Upload) -> Sent:
    """Read the form.

    Raises:
        TooLarge: it was not read to its end, so that nothing of it is known.
    """
    try:
        found = fields(sent, request.headers.get("content-type", ""))
    except TooLarge:
        raise
    except InvalidInput:
        found = {}
    csrf, digest = (found.get(name, b"").decode(errors="replace") for name in ("csrf", "digest"))
    return Sent(csrf, Upload(found.get("file", b"")), digest)


def fault(error: Misplaced, *, at_the_desk: bool = False) -> str:
    """Why the file is not taken, in words for who brings it or for who takes it in."""
    said = _FAULTS | _AT_THE_DESK if at_the_desk else _FAULTS
    return said.get(error.rule, _OTHERWISE)
