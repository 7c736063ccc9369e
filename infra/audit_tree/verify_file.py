"""Verifying an export that lies in a file: with nothing but public keys, no settings and no database."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from infra.errors import CloisterError, InvalidInput, Refused
from policies.audit.export_format import LONGEST, Unreadable
from policies.audit.note import LONGEST as LONGEST_NOTE
from policies.audit.note import BadNote, Verifier
from policies.audit.verify import Broken, Verified, verify

GZIPPED = b"\x1f\x8b"


def verify_file(
    path: Path, keys: Sequence[str] = (), older: Sequence[Path] = (), archives: Sequence[Path] = ()
) -> Verified:
    """Verify an export, gzipped or not; a key is one in C2SP's form, or a file of such, one a line.

    The archives that events of the export lie in are verified as well.

    Raises:
        Refused: the log was changed; names the first bad index.
        InvalidInput: a line that is none of an export, a checkpoint, key or archive that is none.
        CloisterError: a file cannot be read.
    """
    in_archives = [verify_file(archive, keys) for archive in archives]
    try:
        known = keys_in(keys)
        if keys and not known:
            raise BadNote("no key is in what was given as such")
        return verify(_lines(path), known, [text_of(file) for file in older], in_archives)
    except Broken as error:
        raise Refused(str(error), place=path.name, rule="log_changed") from None
    except (Unreadable, BadNote) as error:
        raise InvalidInput(str(error), place=path.name) from None


def _lines(path: Path) -> Iterator[bytes]:
    number = 0
    try:
        with path.open("rb") as probe:
            packed = probe.read(2) == GZIPPED
        with gzip.open(path) if packed else path.open("rb") as file:
            for line in iter(partial(file.readline, LONGEST), b""):
                number += 1
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise Unreadable(number + 1, "the compressed file is cut off or damaged") from None
    except OSError as error:
        raise CloisterError(f"{path} cannot be read: {error.strerror}") from None


def keys_in(given: Sequence[str]) -> list[Verifier]:
    """Public keys, each in C2SP's form or a file of such, one a line.

    Raises:
        InvalidInput: one that is none.
        CloisterError: a file cannot be read.
    """
    lines = [line for one in given for line in _lines_of(one) if line.strip()]
    try:
        return [Verifier.parse(line) for line in lines]
    except BadNote as error:
        raise InvalidInput(str(error), place="key") from None


def _lines_of(given: str) -> list[str]:
    path = Path(given)
    return text_of(path).splitlines() if "+" not in given or path.is_file() else [given]


def text_of(path: Path) -> str:
    """A short text, such as a note, with its line breaks as they are.

    Raises:
        InvalidInput: not a text.
        CloisterError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return file.read(LONGEST_NOTE + 1)
    except UnicodeDecodeError:
        raise InvalidInput("not a text", place=path.name) from None
    except OSError as error:
        raise CloisterError(f"{path} cannot be read: {error.strerror}") from None
