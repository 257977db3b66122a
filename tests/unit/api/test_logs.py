from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterator

import pytest

from api.logs import JsonLines, json_lines, render

logger = logging.getLogger("novai.test")


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(end)


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("novai.test", logging.INFO, "", 0, message, None, None)
    made.fields = fields
    return made


def test_what_is_logged_is_a_line_of_json(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    with json_lines(writer):
        logger.info("hello %s", "you")
        logger.handle(record("request", status=200, path="/x"))
        try:
            raise ValueError("inner")
        except ValueError:
            logger.exception("broken")
    first, second, third = map(json.loads, os.read(reader, 65536).splitlines())
    assert (first["message"], first["level"], first["logger"]) == ("hello you", "INFO", "novai.test")
    assert (second["status"], second["path"]) == (200, "/x")
    assert "ValueError: inner" in third["trace"] and third["level"] == "ERROR"


@pytest.mark.parametrize(
    "text", ["\x1b[31mred", "a\r\nfake line", "\u2028", "\u202eright to left", "\0", "\ud800", '"}']
)
def test_a_line_stays_one_line_in_every_viewer(text: str) -> None:
    """Reliability S31."""
    line = render(record("x", path=text))
    assert line.endswith("\n") and line[:-1].isascii() and line[:-1].isprintable()
    if text != "\ud800":
        assert json.loads(line)["path"] == text


def test_what_cannot_be_shown_breaks_nothing() -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert json.loads(render(record("x", thing=Rude())))["level"] == "INFO"
    wrong = logging.LogRecord("n", logging.INFO, "", 0, "%d", ("x",), None)
    assert "cannot be shown" in render(wrong)


def test_a_blocked_pipe_blocks_nobody(pipe: tuple[int, int]) -> None:
    """Reliability F44: requests go on, lines are dropped and counted, and later it says how many."""
    reader, writer = pipe
    drops: list[int] = []
    handler = JsonLines(writer, drops.append, max_lines=100)
    for _ in range(5000):
        handler.handle(record("x" * 200))
    assert handler.dropped == sum(drops) >= 4000
    os.set_blocking(reader, False)
    text, deadline = b"", time.monotonic() + 30
    while b"were dropped" not in text and time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            text += os.read(reader, 1 << 20)
        time.sleep(0.005)
    handler.close()
    assert b"log lines were dropped" in text


def test_a_closed_pipe_ends_nothing(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)
    handler = JsonLines(writer)
    handler.handle(record("x"))
    handler.close()
    assert not handler._thread.is_alive()
