"""One tool call as a model writes it: a JSON object of a name and arguments, read character by character."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection

from internal.inference.json_stream import WHITESPACE, JsonValue, Verdict

ARGUMENT_KEYS = ("arguments", "parameters")
IGNORED_KEYS = ("type", "id")
MAX_KEY_CHARACTERS = 400  # of a key or a name as written, with its escapes


class CallReader:
    """Reads `{"name": …, "arguments": {…}}` in any order of keys; with `name` given, the arguments object alone.

    `feed` answers MORE, DONE or BROKEN. `name` is set as soon as it is known to be one of `names`; any other is BROKEN.
    """

    def __init__(self, names: Collection[str], name: str = "") -> None:
        self.name = name
        self.arguments = ArgumentsReader()
        self._names = names
        self._key = ""
        self._text: list[str] = []  # of the key or name being read
        self._value = JsonValue()
        self._seen: set[str] = set()
        self._expect: Callable[[str], Verdict] = self.arguments.feed if name else self._open

    def feed(self, character: str) -> Verdict:
        return self._expect(character)

    def _open(self, character: str) -> Verdict:
        self._expect = self._start_key
        return Verdict.MORE if character == "{" else Verdict.BROKEN

    def _start_key(self, character: str) -> Verdict:
        if character in WHITESPACE:
            return Verdict.MORE
        if character != '"':
            return Verdict.BROKEN
        self._start_string(self._in_key)
        return self._expect(character)

    def _start_string(self, then: Callable[[str], Verdict]) -> None:
        self._value, self._text, self._expect = JsonValue(), [], then

    def _in_string(self, character: str) -> Verdict:
        self._text.append(character)
        if len(self._text) > MAX_KEY_CHARACTERS:
            return Verdict.BROKEN
        return self._value.feed(character)

    def _in_key(self, character: str) -> Verdict:
        verdict = self._in_string(character)
        if verdict is not Verdict.DONE:
            return verdict
        self._key = json.loads("".join(self._text))
        if not self._may_stand_here(self._key):
            return Verdict.BROKEN
        self._seen.add(self._key)
        self._expect = self._colon
        return Verdict.MORE

    def _may_stand_here(self, key: str) -> bool:
        """What follows a known name and arguments is ignored; before, an unknown key means that this is no call."""
        if key in ARGUMENT_KEYS:
            return self._seen.isdisjoint(ARGUMENT_KEYS)
        return key not in self._seen and (key == "name" or key in IGNORED_KEYS or bool(self.name))

    def _colon(self, character: str) -> Verdict:
        if character in WHITESPACE:
            return Verdict.MORE
        self._start_string(self._in_ignored)
        if self._key in ARGUMENT_KEYS:
            self._expect = self._in_arguments
        elif self._key == "name":
            self._expect = self._before_name
        return Verdict.MORE if character == ":" else Verdict.BROKEN

    def _before_name(self, character: str) -> Verdict:
        if character in WHITESPACE:
            return Verdict.MORE
        self._start_string(self._in_name)
        return self._expect(character) if character == '"' else Verdict.BROKEN

    def _in_name(self, character: str) -> Verdict:
        verdict = self._in_string(character)
        if verdict is not Verdict.DONE:
            return verdict
        name = json.loads("".join(self._text))
        if name not in self._names:
            return Verdict.BROKEN
        self.name, self._expect = name, self._comma_or_end
        return Verdict.MORE

    def _in_arguments(self, character: str) -> Verdict:
        return self._after_value(self.arguments.feed(character), character)

    def _in_ignored(self, character: str) -> Verdict:
        return self._after_value(self._value.feed(character), character)

    def _after_value(self, verdict: Verdict, character: str) -> Verdict:
        if verdict in (Verdict.MORE, Verdict.BROKEN):
            return verdict
        self._expect = self._comma_or_end
        return Verdict.MORE if verdict is Verdict.DONE else self._expect(character)

    def _comma_or_end(self, character: str) -> Verdict:
        if character in WHITESPACE:
            return Verdict.MORE
        if character == "}":
            return Verdict.DONE
        self._expect = self._start_key
        return Verdict.MORE if character == "," else Verdict.BROKEN


class ArgumentsReader:
    """The arguments: an object as it is written. An object inside a string is unpacked, `null` is no arguments.

    Control characters that a model left unescaped within strings are escaped.
    """

    def __init__(self) -> None:
        self._value = JsonValue()
        self._kind = ""  # the first character of the value
        self._pending: list[str] = []  # accepted, not taken yet

    def feed(self, character: str) -> Verdict:
        if not self._kind:
            if character in WHITESPACE:
                return Verdict.MORE
            if character not in '{"n':
                return Verdict.BROKEN
            self._kind = character
        verdict = self._feed_escaped(character)
        return self._unpack() if verdict is Verdict.DONE and self._kind != "{" else verdict

    def take(self) -> str:
        """Text that may be sent now: all of it so far can be completed without taking anything back."""
        if not self._pending or self._kind != "{" or self._value.after_comma:
            return ""
        text = "".join(self._pending)
        self._pending.clear()
        return text

    def close(self) -> str:
        """The last text, after the end or instead of what is missing or broken. All taken text is then valid JSON."""
        if self._kind != "{":
            return "{}"
        text = "".join(self._pending)
        if self._value.after_comma:
            text = text.rstrip(WHITESPACE).removesuffix(",")
        return text + self._value.closing()

    def _feed_escaped(self, character: str) -> Verdict:
        text = character
        if character < " " and self._value.in_string:
            text = json.dumps(character)[1:-1]
        verdict = Verdict.MORE
        for one in text:
            verdict = self._value.feed(one)
            if verdict is not Verdict.BROKEN:
                self._pending.append(one)
        return verdict

    def _unpack(self) -> Verdict:
        try:
            inner = json.loads("".join(self._pending))
            if isinstance(inner, str):
                inner = json.loads(inner.strip() or "null")
            if inner and not isinstance(inner, dict):
                return Verdict.BROKEN
            text = json.dumps(inner or {}, ensure_ascii=False, allow_nan=False)
            text.encode()  # half of a surrogate pair, which was written as an escape, is no text
        except (ValueError, RecursionError):
            return Verdict.BROKEN
        self._kind = "{"
        self._pending = [text]
        return Verdict.DONE
