"""Whether the lines of a file can be run: looked at one by one as they are read, and cut into shards on the way.

What is wrong with a line makes the whole batch fail, before anything ran. What is wrong with a *request* does not: its
line answers what the endpoint would.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from api.batches.lines import Line
from api.errors import ApiError, OverloadedError
from api.limits.dimensions import estimate_tokens
from api.services.lines import EMPTY, Fields, NotAnObjectError, fields_of
from api.storage.batches import NewShard

# A shard is what one job runs: what it holds in memory, and what waits when its worker dies.
SHARD_LINES = 100
SHARD_BYTES = 1 << 20
MOST_ERRORS = 100
MOST_ID_CHARS = 512

Wrong = tuple[str, str, str | None]  # code, message, param

_object = msgspec.json.Decoder(Fields).decode
_text = msgspec.json.Decoder(str).decode


class Validation:
    """Takes the lines of one file. `find_model` raises the ApiError of a model that the batch may not use, and
    OverloadedError while nobody knows: then the file is to be read again."""

    def __init__(self, endpoint: str, find_model: Callable[[str], object], most_lines: int) -> None:
        self._endpoint = endpoint
        self._find_model = find_model
        self._most_lines = most_lines
        self._models: dict[str, Wrong | None] = {}
        self._ids: set[str] = set()
        self._open: list[Line] = []  # first and last of the shard that grows
        self._open_lines = 0
        self.shards: list[NewShard] = []
        self.errors: list[dict[str, Any]] = []
        self.lines = 0
        self.tokens = 0  # estimated, of all prompts
        self.model = ""  # of the first line

    def take(self, line: Line) -> bool:
        """False when it is not worth looking further. Raises OverloadedError."""
        self.lines += 1
        if self.lines > self._most_lines:
            self._wrong("too_many_lines", f"A batch has at most {self._most_lines} lines. Use several.", None, line)
            return False
        if (wrong := self._look(line.text)) is not None:
            self._wrong(*wrong, line)
            return len(self.errors) < MOST_ERRORS
        self._add(line)
        return True

    def end(self) -> None:
        """There are no more lines."""
        if self.lines == 0:
            self._wrong("empty_file", EMPTY, None, None)
        self._cut()

    def _look(self, text: bytes) -> Wrong | None:
        try:
            fields = fields_of(text)
        except NotAnObjectError as error:
            return "invalid_json_line", f"This line is {error}", None
        return self._name(fields) or self._address(fields) or self._body(fields)

    def _name(self, fields: Fields) -> Wrong | None:
        custom_id = text_of(fields, "custom_id")
        if not custom_id or len(custom_id) > MOST_ID_CHARS:
            return "missing_custom_id", f"A line needs a 'custom_id' of 1 to {MOST_ID_CHARS} characters.", "custom_id"
        if custom_id in self._ids:
            return "duplicate_custom_id", "Another line has this 'custom_id'. They must differ.", "custom_id"
        self._ids.add(custom_id)
        return None

    def _address(self, fields: Fields) -> Wrong | None:
        if text_of(fields, "method") != "POST":
            return "invalid_method", "The 'method' of a line is 'POST'.", "method"
        if text_of(fields, "url") != self._endpoint:
            return "invalid_url", f"The 'url' of every line is the batch's endpoint, '{self._endpoint}'.", "url"
        return None

    def _body(self, fields: Fields) -> Wrong | None:
        try:
            model = text_of(_object(fields.get("body", b"null")), "model")
        except msgspec.MsgspecError:
            return "invalid_body", "The 'body' of a line is an object: what the endpoint takes.", "body"
        if not model:
            return "missing_required_parameter", "Missing required parameter: 'body.model'.", "body.model"
        self.model = self.model or model
        self.tokens += estimate_tokens(len(bytes(fields["body"])), 0)
        if model not in self._models:
            self._models[model] = self._ask_for(model)
        return self._models[model]

    def _ask_for(self, model: str) -> Wrong | None:
        try:
            self._find_model(model)
        except OverloadedError:
            raise
        except ApiError as error:
            return error.code or error.type, error.message, "body.model"
        return None

    def _add(self, line: Line) -> None:
        if self._open_lines == SHARD_LINES or (self._open and line.end - self._open[0].start > SHARD_BYTES):
            self._cut()
        self._open = [*self._open[:1], line]
        self._open_lines += 1

    def _cut(self) -> None:
        if self._open:
            first, last = self._open[0], self._open[-1]
            shard = NewShard(len(self.shards), first.number, self._open_lines, first.start, last.end)
            self.shards.append(shard)
            self._open, self._open_lines = [], 0

    def _wrong(self, code: str, message: str, param: str | None, line: Line | None) -> None:
        self.errors.append(
            {"code": code, "message": message, "param": param, "line": None if line is None else line.number}
        )


def text_of(fields: Fields, name: str) -> str:
    """Empty when it is missing or no text."""
    try:
        return _text(fields[name])
    except (KeyError, msgspec.MsgspecError):
        return ""
