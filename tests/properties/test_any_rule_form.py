"""Any rule that fits a form comes back from its form as the same rule; any form is read, whatever it says."""

from hypothesis import assume, given
from hypothesis import strategies as st

from api.pages.manager.rule_form import ROOT, Row, all_rows, changed, read_rows, rows_of
from policies.segments.condition import Condition
from policies.segments.rule import RuleError, leaves, parse_rule
from policies.segments.text import take
from tests.properties.test_any_text import RULES
from tests.properties.test_any_text import Row as Json


def fields(root: Row) -> list[tuple[str, str]]:
    """What a browser sends of a tree."""
    found = []
    for place, row in all_rows(root):
        found.append((f"{place}.kind", row.kind))
        found += [(f"{place}.{name}", text) for name, texts in row.said.items() for text in texts]
    return found


@given(RULES)
def test_a_rule_is_the_same_after_its_form(found: Json) -> None:
    rule = parse_rule(found)
    root = rows_of(rule)
    assume(root is not None)
    assert root is not None
    assert parse_rule(read_rows(fields(root)).json()) == rule
    # What may be kept and not come in is at fault beside its field.
    kept = sum(isinstance(leaf, Condition) and leaf.reversed for _, leaf in leaves(rule))
    assert [set(row.faults()) for _, row in all_rows(root) if row.faults()] == [{"value"}] * kept


names = st.from_regex(r"r(\.\d){0,3}\.(kind|measure|op|value|window|form|status|segment)", fullmatch=True)
words = st.sampled_from(["all", "any", "none", "condition", "in_segment", "age", "sex", "between", "in", "1", ""])
steps = st.from_regex(r"(add|nest|name|drop) r(\.\d){0,3}", fullmatch=True)


@given(st.lists(st.tuples(names, words | st.text(max_size=8)), max_size=30), st.lists(steps, max_size=5))
def test_any_form_is_read_and_changed_and_says_what_is_wrong(sent: list[tuple[str, str]], pressed: list[str]) -> None:
    root = read_rows(sent)
    for do in pressed:
        root = changed(root, do)
    faults = [fault for _, row in all_rows(root) for fault in row.faults()]
    try:
        take(root.json())
    except RuleError:
        assert faults or root.kind == "condition"
    else:
        assert not faults


def test_a_button_at_a_place_that_is_not_there_changes_nothing() -> None:
    root = read_rows([(f"{ROOT}.kind", "all"), (f"{ROOT}.0.measure", "age")])
    before = list(all_rows(root))
    for do in ("drop r", "drop r.9", "add r.0", "add x", "", "drop", "nest r.0.1"):
        assert list(all_rows(changed(root, do))) == before


def test_a_rule_of_sixty_conditions_is_a_form_and_one_of_more_a_text_alone() -> None:
    def of(conditions: int) -> Row | None:
        return rows_of(parse_rule({"any": [{"measure": "age", "op": ">", "value": n} for n in range(conditions)]}))

    assert of(60) is not None and of(61) is None
