"""Rows that come before what they name, such as a visit before its patient: read again once all files are in.

So the order of rows and files does not matter. What still names nothing then goes to quarantine.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from infra.errors import InvalidInput
from orchestration.importing.reading import Progress
from orchestration.importing.session import ImportSession

NO_PATIENT = "source_id: is no patient of this clinic"
NO_PATIENT_BORN = "source_id: is no patient of this clinic whose birth date is known"
NO_FORM = "form_id: is no form of this patient"
NO_PLAN = "plan_id: is no plan of this patient"
NO_GUARDIAN = "guardian_id: is unknown"
NO_SIGNER = "signer_id: is unknown"
NOT_THEIR_SIGNER = "signer_id: is neither the patient nor a guardian"
# What another row can mend.
NOT_YET = [NO_PATIENT, NO_PATIENT_BORN, NO_FORM, NO_PLAN, NO_GUARDIAN, NO_SIGNER, NOT_THEIR_SIGNER]


class Early:
    """Lines of one file, a bit each: memory stays flat whatever the file holds."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self.count = 0

    def note(self, lines: Iterable[int]) -> None:
        """Have these lines read again."""
        for line in lines:
            if line not in self:
                place, bit = divmod(line, 8)
                self._bits.extend(bytes(max(0, place + 1 - len(self._bits))))
                self._bits[place] |= 1 << bit
                self.count += 1

    def __contains__(self, line: int) -> bool:
        place, bit = divmod(line, 8)
        return place < len(self._bits) and bool(self._bits[place] >> bit & 1)


class FileLoader(Protocol):
    """The import of one file; `early` are the lines that are to be read again."""

    early: Early

    def load(self, progress: Progress) -> None:
        """Load the file."""

    def load_again(self, session: ImportSession, *, last: bool) -> None:
        """Load the lines that came too early; the last time what still does goes to quarantine."""

    def end(self) -> None:
        """Note what came of it."""


def load_all(session: ImportSession, files: Sequence[FileLoader], progress: Progress) -> None:
    """Load files in this order, and then what came too early.

    Raises:
        InvalidInput: a file does not fit; what was loaded before stays.
    """
    waiting: list[FileLoader] = []
    try:
        for file in files:
            waiting.append(file)
            file.load(progress)
            if not file.early.count:
                waiting.pop().end()
    except InvalidInput:
        _load_early(session, waiting)
        _end(waiting[:-1])
        raise
    _load_early(session, waiting)
    _end(waiting)


def _load_early(session: ImportSession, files: Sequence[FileLoader]) -> None:
    """As often as something comes of it: what comes in may be what another row waits for."""
    before = None
    while (count := sum(file.early.count for file in files)) and count != before:
        before, again = count, session.again()
        for file in files:
            file.load_again(again, last=False)
    if count:
        again = session.again()
        for file in files:
            file.load_again(again, last=True)


def _end(files: Sequence[FileLoader]) -> None:
    for file in files:
        file.end()
