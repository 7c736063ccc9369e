"""Counts for those who may not list whom they count.

A count under ten may be somebody, and so may what a count leaves over of its whole: neither is told. The others are
told down to tens, so that no sum or difference of what is told gives one that is not.
"""

SMALLEST = 10


def told(count: int, whole: int | None = None) -> int | None:
    """A count of patients, `whole` being all of those it is a part of; None where it is not told."""
    left_over = SMALLEST if whole is None else whole - count
    return None if min(count, left_over) < SMALLEST else count // SMALLEST * SMALLEST
