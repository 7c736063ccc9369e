"""Names in a rule that the clinic does not have: whatever asks for them finds nothing, of whomever.

That is no fault, since the form may come later; whoever writes the rule is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policies.segments.condition import Condition, near, near_names, shown
from policies.segments.rule import Rule, join, leaves


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
    message: str


def asked_in(rule: Rule) -> list[tuple[str, Named]]:
    """Every name in a rule that a clinic may have or not, with its place."""
    return [each for place, leaf in leaves(rule) if isinstance(leaf, Condition) for each in _asked(place, leaf)]


def unknown_in(rule: Rule, catalogue: Words, records: Words = NOTHING) -> list[Unknown]:
    """The names in a rule that neither the clinic's catalogue nor its records have.

    Of a form that is not there no question is looked at, nor options of a question of which the catalogue knows none:
    an import may bring any.
    """
    found: list[Unknown] = []
    for place, named in asked_in(rule):
        known = catalogue.beside(named)
        if named.kind is Kind.OPTION and not known:
            continue
        if named.name not in known | records.beside(named) and not _missing_before(named, found):
            # What patients chose is nobody's suggestion.
            found.append(_unknown(place, named, known if named.kind is Kind.OPTION else known | records.beside(named)))
    return found


def _missing_before(named: Named, found: list[Unknown]) -> bool:
    """Whether the form that a question is of is not there itself."""
    return named.kind is Kind.QUESTION and any(
        each.named.kind is Kind.FORM and each.named.name == named.form for each in found
    )


def _unknown(place: str, named: Named, known: frozenset[str]) -> Unknown:
    what = {
        Kind.SERVICE: f"no service {shown(named.name)} at this clinic",
        Kind.FORM: f"no form template {shown(named.name)} at this clinic",
        Kind.QUESTION: f"no question {shown(named.name)} of the form {shown(named.form)} at this clinic",
        Kind.OPTION: f"no option {shown(named.name)} of {shown(named.question)} of the form {shown(named.form)}",
    }[named.kind]
    return Unknown(place, named, near_names(named.name, known), what + near(named.name, known))


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
