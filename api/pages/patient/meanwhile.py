"""What a form showed when it was asked for, and what becomes of it where somebody else changed the same meanwhile."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData

# Of each value a digest is sent along: whether it is the same is all that is asked, and a form has 64 KiB in all.
DIGEST_BYTES = 8


def as_shown(values: Mapping[str, Any]) -> dict[str, str]:
    """Digests of what a form shows, by field; what is none has none."""
    return {name: _digest(value) for name, value in values.items() if value is not None}


def shown_before(sent: FormData) -> dict[str, str]:
    """What the form showed, as `as_shown` gave it, by its hidden field `was`; nothing where that is something else."""
    try:
        found = json.loads(str(sent.get("was", "")))
    # So deep that it cannot be parsed.
    except (ValueError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}


def changed(typed: Mapping[str, Any], was: Mapping[str, str]) -> set[str]:
    """The fields of which something else was typed than was shown."""
    shown = as_shown(typed)
    return {name for name in {*shown, *was} if shown.get(name) != was.get(name)}


def laid_over(now: Mapping[str, Any], typed: Mapping[str, Any], was: Mapping[str, str]) -> dict[str, Any]:
    """What is there now, with what was typed in the place of what it changes; what was taken out is none."""
    other = changed(typed, was)
    kept = {name: value for name, value in now.items() if name not in other}
    return {**kept, **{name: typed[name] for name in other if name in typed}}


def _digest(value: Any) -> str:
    # A number that is kept as 2.0 is the 2 that is typed.
    same = int(value) if isinstance(value, float) and value.is_integer() else value
    text = json.dumps(same, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()
