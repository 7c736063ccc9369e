"""What is wrong with a text that is no rule, in words, and where: by line and column."""

import re
from typing import Any, NamedTuple

from lark import Token
from lark.exceptions import UnexpectedInput, UnexpectedToken

from policies.segments.catalogue import CATALOGUE, ValueType
from policies.segments.condition import ARGUMENTS, near

WORD = re.compile(r'"[^"\\\n]*(?:\\.[^"\\\n]*)*"|[\w.+-]+|\S')
_EXPECTED = {
    "MEASURE": "a measure", "NAME": "an argument", "WINDOW": "a window such as 30d", "NUMBER": "a number",
    "STRING": "a text in double quotes", "DATE": "a date", "COMPARED": "a comparison", "LPAR": "'('",
    "RPAR": "')'", "OPEN": "'['", "RSQB": "']'", "COMMA": "','", "EQUAL": "'='", "$END": "the end",
    "STARTS": "'starts with'",
}  # fmt: skip
_CONSTANTS = {"NUMBER", "STRING", "DATE"}
_OF_TYPE = {ValueType.NUMBER: "NUMBER", ValueType.DATE: "DATE"}
# The words of a terminal, where these are not its name's.
_WORDS = {"MEASURE": [*CATALOGUE], "NAME": [*ARGUMENTS], "STARTS": ["starts with"]}
# How the operators are written here whose names have a line between their words.
_OPERATORS = {
    "STARTS": ["starts with"],
    "CONTAINS": ["contains any", "contains all", "contains none"],
    "IS": ["is known", "is unknown"],
}


class Measured(NamedTuple):
    """A measure as it was read: its keys, and the tokens that each of them and its items stand at."""

    found: dict[str, Any]
    places: dict[str, list[Token]]


def said(error: UnexpectedInput, text: str) -> str:
    """What was expected, and what may have been meant."""
    names = _fitting(error, _accepted(error))
    expected = sorted({_EXPECTED.get(name, f"'{name.lower()}'") for name in names})
    meant = "" if _at_end(error) else _meant(text, error.pos_in_stream or 0, names)
    return f"expected {' or '.join(expected)}{meant}" if expected else "this is no rule"


def place(error: UnexpectedInput, text: str) -> str:
    """Where it is: at the word that does not fit, or behind the last one if more was to come."""
    if _at_end(error):
        return at_position(text, len(text.rstrip()))
    return at(error.line, error.column) if error.line > 0 else at(1, 1)


def at_position(text: str, position: int) -> str:
    """Line and column of a position in a text."""
    return at(text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position))


def at(line: int | None, column: int | None) -> str:
    """A place in a text."""
    return f"line {line}, column {column}"


def at_token(token: Token) -> str:
    """The place of a token."""
    return at(token.line, token.column)


def _at_end(error: UnexpectedInput) -> bool:
    return isinstance(error, UnexpectedToken) and error.token.type == "$END"


def _accepted(error: UnexpectedInput) -> set[str]:
    """What could stand there; of what the lexer looks for, some would be refused by the parser."""
    parser = getattr(error, "interactive_parser", None)
    return set(parser.accepts()) if parser else set()


def _fitting(error: UnexpectedInput, names: set[str]) -> set[str]:
    """Of the constants that the grammar would take, the measure's alone."""
    if not names >= _CONSTANTS:
        return names
    stack = error.interactive_parser.parser_state.value_stack
    # Within its arguments there is none yet.
    measured = next((part for part in reversed(stack) if isinstance(part, Measured)), None)
    measure = CATALOGUE.get(measured.found["measure"]) if measured else None
    return names - _CONSTANTS | {_OF_TYPE.get(measure.type, "STRING")} if measure else names


def _meant(text: str, position: int, names: set[str]) -> str:
    there = WORD.match(text, position)
    word = there[0] if there else ""
    if "_" in word and (written := near(word.replace("_", " "), _spelled(names, _OPERATORS))):
        return written
    keywords = [name.lower() for name in names - _EXPECTED.keys()]
    return near(word, [*keywords, *_spelled(names, _WORDS)])


def _spelled(names: set[str], words: dict[str, list[str]]) -> list[str]:
    return [word for name in sorted(names & words.keys()) for word in words[name]]
