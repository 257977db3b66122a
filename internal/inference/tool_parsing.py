"""From the text of a model to content, reasoning and tool calls, as it is written.

The rules, the same however the text is cut:

- Reasoning is what stands between `<think>` and `</think>` at the very start, where the template knows thinking.
- Text is content until the first call. After a call nothing is content any more: the contract puts all text before the
  calls, and what models add there (invented tool results) is of no use to a caller.
- A call is announced once its name is known to be one of the tools. Until then its text is held, and is given back as
  content when it turns out to be no call: an unknown name, or broken JSON.
- Arguments that break or are cut off after the announcement are ended at the last valid character and closed with the
  fewest characters that make them JSON (`{"a": "b` → `{"a": "b"}`). Missing, `null` and empty arguments are `{}`.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable, Collection, Sequence

from gen import inference_pb2 as pb

from internal.inference.json_stream import WHITESPACE, Verdict
from internal.inference.tool_call import CallReader
from internal.inference.tool_families import THINK_CLOSE, THINK_OPEN, Family, family_of, knows_thinking, markers_of

MAX_CALLS = 128  # clients take indices up to 127
_ID_ALPHABET = string.ascii_letters + string.digits
_NAMED_HEAD = re.compile(r"([a-zA-Z0-9_-]{1,64})\s*(?:\[CALL_ID\]\w*)?(?:\[ARGS\])?\s*")
_NAMED_HEAD_CHARACTERS = re.compile(r"[\w\s\[\]-]{1,200}")


def parser_for(
    template_source: str, tools: Sequence[pb.Tool], *, reasoning_open: bool = False, max_calls: int = MAX_CALLS
) -> OutputParser:
    """The parser of one choice. `reasoning_open`: the prompt ends within `<think>`, see `opens_reasoning`."""
    return OutputParser(
        family_of(template_source) if tools else None,
        frozenset(tool.name for tool in tools),
        thinking=reasoning_open or knows_thinking(template_source),
        reasoning_open=reasoning_open,
        max_calls=max_calls,
    )


def opens_reasoning(rendered: Sequence[str | int]) -> bool:
    """Whether a rendered prompt ends by opening the reasoning for the model."""
    return bool(rendered) and str(rendered[-1]).rstrip().endswith(THINK_OPEN)


class OutputParser:
    """Text in, deltas out. Read `called` and `cut` after `flush()` to choose the finish reason."""

    def __init__(
        self, family: Family | None, names: Collection[str], *, thinking: bool, reasoning_open: bool, max_calls: int
    ) -> None:
        self.called = False
        self.cut = False  # the output ended within a call
        # Tokens with these texts must reach `feed` as text, even where the vocabulary calls them special.
        self.markers: tuple[str, ...] = markers_of(family, thinking)
        self._family = family
        self._names = names
        self._max_calls = max_calls
        self._thinking = thinking
        self._buffer = ""
        self._raw = ""  # of a call that is not announced yet
        self._calls = 0
        self._announced = False
        self._call: CallReader | None = None
        self._after_reasoning = False
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._deltas: list[pb.ToolCallDelta] = []
        self._state: Callable[[], bool] = self._in_reasoning_start if reasoning_open else self._at_start
        if family is None and not thinking:
            self._state = self._in_plain

    def feed(self, text: str) -> list[pb.Delta]:
        """What can be said now: no delta or one."""
        self._buffer += text
        while self._buffer and self._state():
            pass
        return self._said()

    def flush(self, *, unfinished: bool = False) -> list[pb.Delta]:
        """The rest, at the end of the output. `unfinished`: the model was not through; of a call that it had begun, and
        whose name nobody knows yet, nothing is said."""
        if unfinished and self._has_begun_call:
            self._raw = self._buffer = ""
        elif self._call is not None:
            self.cut = True
            self._end_call(self._call, well=False)
        elif self._state in (self._in_reasoning, self._in_reasoning_start):
            self._reasoning.append(self._buffer.rstrip())
        elif self._state == self._at_start and self._after_reasoning:
            self._say(self._buffer.lstrip())
        else:
            self._say(self._raw + self._buffer)
        self._raw = self._buffer = ""
        return self._said()

    @property
    def _has_begun_call(self) -> bool:
        """Whether a call is marked as one, and not announced. All that was said may be the first half of the mark."""
        if self._family is None:
            return False
        if self._state == self._at_start:
            said = self._buffer.lstrip()
            return bool(said) and self._family.opening.startswith(said)
        return self._state in (self._in_calls, self._in_call) and self._family.opening in self._raw

    # Each state takes what it can from the buffer, and answers whether to go on at once (False: more text is needed).

    def _in_plain(self) -> bool:
        self._say(self._take(len(self._buffer)))
        return False

    def _at_start(self) -> bool:
        """Before the first character that is not white space: what the output is going to be is still open."""
        text = self._buffer.lstrip()
        if not text:
            return False
        if (
            self._thinking
            and not self._after_reasoning
            and (text.startswith(THINK_OPEN) or THINK_OPEN.startswith(text))
        ):
            return self._enter(self._in_reasoning_start, text, THINK_OPEN)
        if self._family is None:
            return self._leave_start(self._in_plain, text)
        if self._family.bare and text[0] == "{":
            return self._leave_start(self._in_calls, text)
        if text.startswith(self._family.opening):
            return self._leave_start(self._in_calls, text)
        return not self._family.opening.startswith(text) and self._leave_start(self._in_text, text)

    def _enter(self, state: Callable[[], bool], text: str, marker: str) -> bool:
        if len(text) < len(marker):
            return False
        self._buffer, self._state = text[len(marker) :], state
        return True

    def _leave_start(self, state: Callable[[], bool], text: str) -> bool:
        space = "" if self._after_reasoning else self._buffer[: len(self._buffer) - len(text)]
        if state == self._in_calls:
            self._raw = space
        else:
            self._say(space)
        self._buffer, self._state = text, state
        return True

    def _in_reasoning_start(self) -> bool:
        self._buffer = self._buffer.lstrip()
        self._state = self._in_reasoning if self._buffer else self._in_reasoning_start
        return bool(self._buffer)

    def _in_reasoning(self) -> bool:
        head, found, rest = self._buffer.partition(THINK_CLOSE)
        if found:
            self._reasoning.append(head.rstrip())
            self._buffer, self._after_reasoning, self._state = rest, True, self._at_start
            return True
        head = head[: len(head) - _begun(head, THINK_CLOSE)].rstrip()
        self._reasoning.append(self._take(len(head)))
        return False

    def _in_text(self) -> bool:
        assert self._family is not None
        head, found, rest = self._buffer.partition(self._family.opening)
        if found:
            self._say(head)
            self._buffer, self._raw, self._state = rest, found, self._in_calls
            return True
        self._say(self._take(len(head) - _begun(head, self._family.opening)))
        return False

    def _in_calls(self) -> bool:
        """Where a call may begin: after the opening marker, and after a call."""
        assert self._family is not None
        text = self._buffer.lstrip(WHITESPACE)
        self._raw += self._take(len(self._buffer) - len(text))
        if not text:
            return False
        for marker in (self._family.opening, self._family.closing):
            if marker and text.startswith(marker):
                self._raw += self._take(len(marker))
                return True
            if marker.startswith(text):
                return False
        if text[0] in self._family.glue:
            self._raw += self._take(1)
            return True
        if text[0] == "{" and not self._family.named:
            return self._begin_call(CallReader(self._names))
        return self._at_name(text) if self._family.named else self._give_up_call()

    def _at_name(self, text: str) -> bool:
        head, found, _ = text.partition("{")
        if not found and _NAMED_HEAD_CHARACTERS.fullmatch(text):
            return False
        match = _NAMED_HEAD.fullmatch(head) if found else None
        if match is None or match[1] not in self._names:
            return self._give_up_call()
        self._raw += self._take(len(head))
        return self._begin_call(CallReader(self._names, match[1]))

    def _begin_call(self, call: CallReader) -> bool:
        self._call, self._announced, self._state = call, False, self._in_call
        return True

    def _in_call(self) -> bool:
        call = self._call
        assert call is not None
        for position, character in enumerate(self._buffer):
            verdict = call.feed(character)
            if verdict is Verdict.BROKEN:
                self._raw += self._take(position)
                return self._end_call(call, well=False)
            if verdict is Verdict.DONE:
                self._raw += self._take(position + 1)
                return self._end_call(call, well=True)
        self._raw += self._take(len(self._buffer))
        self._say_call(call)
        return False

    def _say_call(self, call: CallReader) -> bool:
        """Announces the call when its name is known, and sends what is known of the arguments."""
        if not self._announced and call.name and self._calls < self._max_calls:
            self._announced = self.called = True
            self._deltas.append(pb.ToolCallDelta(index=self._calls, id=_call_id(), name=call.name))
            self._calls += 1
        if self._announced:
            self._raw = ""
            self._say_arguments(call.arguments.take())
        return self._announced

    def _say_arguments(self, text: str) -> None:
        if text:
            self._deltas.append(pb.ToolCallDelta(index=self._calls - 1, arguments=text))

    def _end_call(self, call: CallReader, *, well: bool) -> bool:
        self._call = None
        if not self._say_call(call):
            return self._give_up_call()
        self._say_arguments(call.arguments.close())
        self._state = self._in_calls if well else self._in_text
        return True

    def _give_up_call(self) -> bool:
        """It was no call: its text is content, and what follows is read as text."""
        self._say(self._raw)
        self._raw, self._state = "", self._in_text
        return True

    def _take(self, length: int) -> str:
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        return text

    def _say(self, text: str) -> None:
        if not self.called:
            self._content.append(text)

    def _said(self) -> list[pb.Delta]:
        text, reasoning = "".join(self._content), "".join(self._reasoning)
        if not (text or reasoning or self._deltas):
            return []
        delta = pb.Delta(text=text, reasoning=reasoning, tool_calls=self._deltas)
        self._content, self._reasoning, self._deltas = [], [], []
        return [delta]


def _begun(text: str, marker: str) -> int:
    """Length of the longest end of `text` with which `marker` begins."""
    if marker[0] not in text:
        return 0
    return next((n for n in range(min(len(marker) - 1, len(text)), 0, -1) if text.endswith(marker[:n])), 0)


def _call_id() -> str:
    return "call_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(24))
