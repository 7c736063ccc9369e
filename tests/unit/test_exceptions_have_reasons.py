"""What a linter is told to let pass says why."""

import re

import pytest

from tests.conftest import ROOT

FOLDERS = ("api", "infra", "orchestration", "policies")
LET_PASS = re.compile(r"#\s*nosec\b(?! [A-Z][0-9]+(, [A-Z][0-9]+)* # \w)")


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_exception_from_the_security_linter_has_its_reason(folder: str) -> None:
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LET_PASS.search(line)
    ]
    assert lines == []


def test_an_exception_without_a_reason_would_be_found() -> None:
    assert LET_PASS.search("x = 1  # nosec") and LET_PASS.search("x = 1  # nosec B608")
    assert not LET_PASS.search("x = 1  # nosec B608 # constants")
