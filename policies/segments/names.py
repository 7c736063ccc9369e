"""Names in a rule that the clinic does not have: whatever asks for them finds nothing, of whomever.

That is no fault, since the form may come later; whoever writes the rule is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from policies.segments.condition import Condition, did_you_mean, near_names, shown
from policies.segments.rule import Rule, join, leaves

# A rule may have thousands of names; whoever wrote it mends these first.
MOST_TOLD = 20


class Kind(StrEnum):
    """What a name in a rule is one of."""

    SERVICE = "service"
    FORM = "form"
    QUESTION = "question"
    OPTION = "option"


@dataclass(frozen=True)
class Named:
    """A name of a kind: a question is one of a form, an option one of a question of a form."""

    kind: Kind
    name: str
    form: str | None = None
    question: str | None = None


# Names of a rule, each once with its first place there.
Places = Mapping[Named, str]


@dataclass(frozen=True)
class Words:
    """The names that there are, by what they are names of."""

    found: Mapping[tuple[Kind, str | None, str | None], frozenset[str]] = field(default_factory=dict)

    @staticmethod
    def of(names: Iterable[Named]) -> "Words":
        """The words that these names are."""
        found: dict[tuple[Kind, str | None, str | None], set[str]] = {}
        for each in names:
            found.setdefault((each.kind, each.form, each.question), set()).add(each.name)
        return Words({key: frozenset(texts) for key, texts in found.items()})

    def beside(self, named: Named) -> frozenset[str]:
        """All names of that kind, form and question."""
        return self.found.get((named.kind, named.form, named.question), frozenset())


NOTHING = Words()


@dataclass(frozen=True)
class Unknown:
    """A name that is not there, its place in the rule, and what may have been meant."""

    place: str
    named: Named
    near: list[str]

    @property
    def message(self) -> str:
        """What is not there, in words, and what may have been meant."""
        named = self.named
        what = {
            Kind.SERVICE: f"no service {shown(named.name)} at this clinic",
            Kind.FORM: f"no form template {shown(named.name)} at this clinic",
            Kind.QUESTION: f"no question {shown(named.name)} of the form {shown(named.form)} at this clinic",
            Kind.OPTION: f"no option {shown(named.name)} of {shown(named.question)} of the form {shown(named.form)}",
        }[named.kind]
        return what + did_you_mean(self.near)


def asked_in(rule: Rule) -> Places:
    """Every name in a rule that a clinic may have or not, in reading order."""
    found: dict[Named, str] = {}
    for place, leaf in leaves(rule):
        for at, named in _asked(place, leaf) if isinstance(leaf, Condition) else ():
            found.setdefault(named, at)
    return found


def unknown_in(asked: Places, catalogue: Words, records: Words = NOTHING) -> Places:
    """Those of the names that neither the clinic's catalogue nor its records have.

    Of a form that is not there no question is looked at, nor options of a question of which the catalogue knows none:
    an import may bring any.
    """
    found: dict[Named, str] = {}
    for named, place in asked.items():
        known = catalogue.beside(named)
        if named.kind is Kind.OPTION and not known:
            continue
        there = named.name in known or named.name in records.beside(named)
        if not there and not (named.kind is Kind.QUESTION and Named(Kind.FORM, named.form or "") in found):
            found[named] = place
    return found


def first_told(unknown: Places, catalogue: Words, records: Words) -> list[Unknown]:
    """The first of the unknown names, with what may have been meant: that is looked for among all that there are."""
    return [
        Unknown(place, named, near_names(named.name, _suggested(named, catalogue, records)))
        for named, place in islice(unknown.items(), MOST_TOLD)
    ]


def _suggested(named: Named, catalogue: Words, records: Words) -> frozenset[str]:
    # What patients chose is nobody's suggestion.
    known = catalogue.beside(named)
    return known if named.kind is Kind.OPTION else known | records.beside(named)


def _asked(place: str, leaf: Condition) -> Iterator[tuple[str, Named]]:
    for index, service in enumerate(leaf.service or ()):
        yield join(place, "service", index), Named(Kind.SERVICE, service)
    if leaf.form is not None:
        yield join(place, "form"), Named(Kind.FORM, leaf.form)
    if leaf.question is not None:
        yield join(place, "question"), Named(Kind.QUESTION, leaf.question, leaf.form)
        yield from _options(place, leaf)


def _options(place: str, leaf: Condition) -> Iterator[tuple[str, Named]]:
    if leaf.definition.value != "choice" or leaf.value is None or leaf.op == "starts_with":
        return
    for index, value in enumerate(leaf.constants()):
        at = join(place, "value", index) if isinstance(leaf.value, list) else join(place, "value")
        yield at, Named(Kind.OPTION, str(value), leaf.form, leaf.question)
