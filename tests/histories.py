"""Histories of chance: of each, its seed makes the same again."""

import os

# Like the examples of property tests, more of them in `make test-deep`.
DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def seeds(*known: int, deep: int = 100) -> list[int]:
    """These, of which each failed once or goes where others do not; in a deep run so many others too."""
    return [*known, *(range(100_000, 100_000 + deep) if DEEP else ())]
