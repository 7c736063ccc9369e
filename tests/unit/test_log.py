"""A log line holds a static text and fields of the allow-list, whatever was passed."""

import json
import logging
from collections.abc import Iterator

import access_world
import pytest
import structlog

from infra import log


@pytest.fixture(autouse=True)
def configured(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    # After the capture: the handler keeps the stream that it finds.
    with access_world.logging():
        yield


def last(captured: pytest.CaptureFixture[str]) -> dict[str, object]:
    line: dict[str, object] = json.loads(captured.readouterr().err.splitlines()[-1])
    return line


def test_fields_off_the_list_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    structlog.get_logger().info("request", status=200, name="Canary Finch", phone="+49 30 901820")
    assert set(last(capsys)) == {"event", "level", "timestamp", "status"}


def test_an_exception_is_its_type_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("Canary Finch")
    except ValueError as error:
        structlog.get_logger().error("request failed", **log.where(error))
    line = last(capsys)
    assert line["error"] == "ValueError"
    assert str(line["raised_at"]).startswith("tests/unit/test_log.py:")


@pytest.mark.parametrize("text", ["patient %s", "Canary Finch"], ids=["argument", "whole text"])
def test_a_librarys_line_loses_its_values(capsys: pytest.CaptureFixture[str], text: str) -> None:
    arguments = ("Canary Finch",) if "%s" in text else ()
    try:
        raise RuntimeError("Canary Finch")
    except RuntimeError:
        logging.getLogger("library").exception(text, *arguments)
    written = capsys.readouterr().err
    assert "Canary" not in written
    assert json.loads(written)["error"] == "RuntimeError"
