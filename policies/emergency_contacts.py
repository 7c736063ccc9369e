"""Whom to call: all of a person's emergency contacts, or those that one guardian entered, read and replaced.

They are kept as JSON, a list of entries with `name`, `relationship` and `phone`, and `by` where a guardian entered one:
the id of that person, who is shown to nobody. Or as any text, as an import brought it; beside entries it is one of that
name.
"""

import json
from typing import Any

MOST = 5
_BY = "by"
_OF_ENTRY = {"name", "relationship", "phone"}
Entry = dict[str, str]


def visible(kept: str | None) -> list[Entry] | str | None:
    """All of them: a list, the text of an import, or None if there is none."""
    found = _entries(kept)
    return kept if found is None else [_told(each) for each in found]


def entered(kept: str | None, by: str) -> list[Entry] | None:
    """Those that one guardian entered; None if there is none."""
    return [_told(each) for each in _entries(kept) or [] if each.get(_BY) == by] or None


def replaced(kept: str | None, given: list[Entry] | None, author: str | None = None) -> str | None:
    """What is kept once the person says that these are all, or a guardian that these are theirs.

    An entry that the person leaves as it is stays that guardian's; whatever a guardian says, all others stay.
    """
    before = _entries(kept)
    if author is None:
        return None if given is None else _text(_with_authors(given, before or []))
    if before is None:  # in one line, as a form can show it
        before = [{"name": " ".join(kept.split()), "relationship": "", "phone": ""}] if kept else []
    others = [each for each in before if each.get(_BY) != author]
    own = [{**each, _BY: author} for each in given or []]
    return _text(others + own) if others or own else None


def _with_authors(given: list[Entry], before: list[Entry]) -> list[Entry]:
    left, found = list(before), []
    for entry in given:
        same = next((each for each in left if _told(each) == entry), entry)
        if same in left:
            left.remove(same)
        found.append(same)
    return found


def _entries(kept: str | None) -> list[Entry] | None:
    """The list that people wrote; None if there is none, or it is another text."""
    try:
        found = json.loads(kept or "")
    # So deep that it cannot be parsed.
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(_is_entry(one) for one in found) else None


def _is_entry(one: Any) -> bool:
    return isinstance(one, dict) and one.keys() - {_BY} == _OF_ENTRY


def _told(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name != _BY}


def _text(entries: list[Entry]) -> str:
    return json.dumps(entries, ensure_ascii=False)
