"""Whatever rule a request can break, the pages have words for it; what no page says is named here, with the reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

LAYERS = ("api", "infra", "policies")
PAGES = Path("api/pages")
UNASKED = "no page asks for it, or sends what could break it"
SHOWN_ANEW = "the page shows what is there now instead"
IN_TEMPLATE = "the template has the words"
OF_THE_PAGE = "the page has one text for whatever is wrong there"
IN_DETAIL = "the error brings its own text, which the builder shows"
ERROR_PAGE = "only what the page does not offer any more breaks it: the error page says that it cannot be done now"
UNSAID = {
    "not_alone": UNASKED, "same": UNASKED, "exists": UNASKED, "only_of_pages": UNASKED, "not_shown": UNASKED,
    "no_such_template": UNASKED, "exactly_one": UNASKED, "span": UNASKED, "past_retention": UNASKED,
    "unknown_parameter": UNASKED, "unknown_code": UNASKED, "unknown_system": UNASKED, "no_date": UNASKED,
    "no_id": UNASKED, "repeated": UNASKED, "log_changed": UNASKED, "receipt_not_verified": UNASKED,
    "another_text": SHOWN_ANEW,
    "deleted": IN_TEMPLATE, "conflicting_records": IN_TEMPLATE, "too_short": IN_TEMPLATE, "not_good": IN_TEMPLATE,
    "another_log": OF_THE_PAGE, "no_checkpoint": OF_THE_PAGE, "only_with_its_files": OF_THE_PAGE,
    "no_name": OF_THE_PAGE, "no_form": OF_THE_PAGE,
    "not_evaluated": IN_DETAIL, "takes_too_long": IN_DETAIL, "no_rule": IN_DETAIL,
    "ended": ERROR_PAGE, "test_waits": ERROR_PAGE, "try_again": ERROR_PAGE,
}  # fmt: skip


def calls(tree: ast.AST) -> Iterator[dict[str, str]]:
    """The texts that the calls of a module give by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield {
                each.arg: each.value.value
                for each in node.keywords
                if each.arg and isinstance(each.value, ast.Constant) and isinstance(each.value.value, str)
            }


def raised() -> set[tuple[str, str]]:
    """Place and rule of each fault that the application can find, outside of its pages."""
    modules = [path for layer in LAYERS for path in Path(layer).rglob("*.py") if PAGES not in path.parents]
    found = [call for path in modules for call in calls(ast.parse(path.read_text(encoding="utf-8")))]
    return {(call.get("place", ""), call["rule"]) for call in found if "rule" in call}


def worded() -> set[str]:
    """The rules and places that a page has a text for, or looks at by name."""
    found: set[str] = set()
    for path in PAGES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts = (
                node.keys if isinstance(node, ast.Dict) else node.comparators if isinstance(node, ast.Compare) else ()
            )
            texts = [each.value for each in parts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            # Some are by the place and the rule that is broken there.
            found.update(text.split(" ")[-1] for text in texts)
    return found - {""}


def test_every_rule_has_words_or_a_reason_for_none() -> None:
    words, rules = worded(), raised()
    assert len(rules) > 80 and {"double_booked", "patient_double_booked", "past"} <= {rule for _, rule in rules}
    assert {rule for place, rule in rules if not {place, rule} & words} == set(UNSAID)
