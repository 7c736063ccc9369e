"""Which of the formats that an answer comes in a request takes: the `Accept` header (RFC 9110, section 12.5.1)."""

from collections.abc import Iterator, Sequence

from api.problems import NotAcceptable

HEADER = "header.accept"


def chosen(accept: str, offered: Sequence[str]) -> str:
    """The media type of `offered` that the request likes best; of equals the first. Without a header any will do.

    Raises:
        NotAcceptable: it takes none of them; names them all.
    """
    ranges = list(_ranges(accept)) or [("*/*", 1.0)]
    liked = {media_type: _quality(media_type, ranges) for media_type in offered}
    best = max(offered, key=liked.__getitem__)
    if not liked[best]:
        raise NotAcceptable("no such format", place=HEADER, rule="not_offered", detail=", ".join(offered))
    return best


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """Media ranges, each with its quality; a quality that is none is nothing that anybody asked for."""
    for part in accept.split(","):
        media_range, *parameters = (piece.strip().lower() for piece in part.split(";"))
        given = next((value for name, _, value in (p.partition("=") for p in parameters) if name.strip() == "q"), "1")
        try:
            quality = float(given)
        except ValueError:
            quality = 0.0
        if media_range:
            yield media_range, quality if 0 <= quality <= 1 else 0.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """What the most specific range that covers the type says of it."""
    for covering in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        found = [quality for media_range, quality in ranges if media_range == covering]
        if found:
            return max(found)
    return 0.0
