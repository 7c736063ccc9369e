"""The words of the pages in the visitor's language: a gettext catalogue, English where there is none.

Templates write `{{ _('text') }}` or `{% trans %}`; words that stand in Python are marked by `N_` and said
by a template's filter. `make texts` collects them all in `locale/cloister.pot`; a language is a folder
beside it, `locale/de/LC_MESSAGES/cloister.mo`.
"""

from contextvars import ContextVar
from functools import cache
from gettext import NullTranslations, translation
from pathlib import Path

from fastapi import Request
from jinja2 import Environment

DOMAIN = "cloister"
FOLDER = Path(__file__).parent / "locale"
WRITTEN_IN = "en"
_SPOKEN: ContextVar[str] = ContextVar("spoken", default=WRITTEN_IN)


def N_(text: str) -> str:  # noqa: N802  # gettext's own name for it
    """Mark a text for the catalogue; it is translated where it is shown."""
    return text


def say(text: str) -> str:
    """A text in the language of this request."""
    return catalogue(_SPOKEN.get()).gettext(text)


def say_count(one: str, many: str, count: int) -> str:
    """The text for a count in the language of this request."""
    return catalogue(_SPOKEN.get()).ngettext(one, many, count)


def language() -> str:
    """The language of this request, such as `en`."""
    return _SPOKEN.get()


async def speak(request: Request) -> None:
    """A dependency of every page: the language that the browser asks for first of those that there are."""
    _SPOKEN.set(preferred(request.headers.get("accept-language", ""), languages()))


def preferred(accepted: str, spoken: frozenset[str]) -> str:
    """The best of the languages that are spoken by an Accept-Language header (RFC 9110, 12.5.4)."""
    wishes = [_wish(part) for part in accepted[:200].split(",")]
    for _, tag in sorted((wish for wish in wishes if wish[0] > 0), key=lambda wish: -wish[0]):
        if tag in spoken:
            return tag
    return WRITTEN_IN


def _wish(part: str) -> tuple[float, str]:
    tag, _, quality = part.strip().partition(";q=")
    try:
        return float(quality or 1), tag.split("-")[0].lower()
    except ValueError:
        return 0, ""


@cache
def languages() -> frozenset[str]:
    """The languages that there are texts in."""
    return frozenset({WRITTEN_IN, *(found.parts[-3] for found in FOLDER.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))})


@cache
def catalogue(spoken: str) -> NullTranslations:
    """The texts in one language, or as they are written."""
    return translation(DOMAIN, FOLDER, [spoken], fallback=True)


def add_texts(env: Environment) -> None:
    """Give templates `_`, `{% trans %}` and `language()`."""
    env.add_extension("jinja2.ext.i18n")
    env.policies["ext.i18n.trimmed"] = True
    env.install_gettext_callables(say, say_count, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    env.globals["language"] = language
    env.filters["say"] = say
