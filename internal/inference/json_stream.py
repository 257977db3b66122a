"""Reads one JSON value character by character, strictly, and can complete what was cut off.

A model writes tool arguments a few characters at a time and may break off anywhere. Every prefix that is accepted
here can be completed to valid JSON, so arguments may be sent on while they are written.
"""

from __future__ import annotations

import re
from enum import Enum

WHITESPACE = " \t\r\n"
MAX_DEPTH = 64
MAX_NUMBER_CHARACTERS = 400  # longer ones are refused by readers anyway (Python's json stops at 4300 digits)

_NUMBER_PREFIX = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:(?<=[0-9])[eE][+-]?[0-9]*)?)?")
_NUMBER_END = "0123456789"
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_ESCAPES = '"\\/bfnrt'
_HEX = "0123456789abcdefABCDEF"


class Verdict(Enum):
    MORE = "the character belongs to the value, which goes on"
    DONE = "the character belongs to the value and ends it"
    DONE_BEFORE = "the value was complete before this character"
    BROKEN = "no JSON value goes on like this"


class _Expect(Enum):
    VALUE = "a value"
    VALUE_OR_END = "a value or ]"
    KEY = "a key"
    KEY_OR_END = "a key or }"
    COLON = "a colon"
    COMMA_OR_END = "a comma or the closing bracket"
    IN_STRING = "characters of a string"
    IN_NUMBER = "digits"
    IN_LITERAL = "the rest of true, false or null"
    NOTHING = "nothing: the value is complete"


class JsonValue:
    """The state inside one value. After DONE, DONE_BEFORE or BROKEN it takes nothing more."""

    def __init__(self) -> None:
        self._expect = _Expect.VALUE
        self._open: list[str] = []  # the closing brackets that are still to come
        self._scalar = ""  # what was read of a number, or what is to come of a literal
        self._key = False  # the string being read is a key
        self._escape = ""  # a backslash and what followed it so far
        self.after_comma = False  # the last thing read was one: cut before it, and nothing has to be invented to close

    @property
    def in_string(self) -> bool:
        """True within a string, where any character but a control character may follow."""
        return self._expect is _Expect.IN_STRING and not self._escape

    def feed(self, character: str) -> Verdict:
        if self._expect is _Expect.IN_STRING:
            return self._in_string(character)
        if self._expect is _Expect.IN_NUMBER:
            return self._in_number(character)
        if self._expect is _Expect.IN_LITERAL:
            return self._in_literal(character)
        if character in WHITESPACE:
            return Verdict.MORE
        verdict = self._between(character)
        if verdict is not Verdict.BROKEN:
            self.after_comma = character == ","
        return verdict

    def closing(self) -> str:
        """The shortest text that completes the value. Begin cutting at the comma when `after_comma`."""
        return self._close_scalar() + "".join(reversed(self._open))

    def _close_scalar(self) -> str:
        expect = self._expect
        if expect is _Expect.IN_STRING:
            return self._close_escape() + ('":null' if self._key else '"')
        if expect is _Expect.IN_NUMBER:
            return "" if self._scalar[-1] in _NUMBER_END else "0"
        if expect is _Expect.IN_LITERAL:
            return self._scalar
        if expect is _Expect.COLON:
            return ":null"
        return "null" if expect is _Expect.VALUE and not self.after_comma else ""

    def _close_escape(self) -> str:
        if self._escape.startswith("\\u"):
            return "0" * (6 - len(self._escape))
        return "\\" if self._escape else ""

    def _in_string(self, character: str) -> Verdict:
        if self._escape:
            return self._in_escape(character)
        if character == "\\":
            self._escape = character
        elif character == '"':
            if self._key:
                self._expect = _Expect.COLON
            else:
                return self._value_ended()
        elif character < " ":
            return Verdict.BROKEN
        return Verdict.MORE

    def _in_escape(self, character: str) -> Verdict:
        if self._escape == "\\":
            if character not in _ESCAPES + "u":
                return Verdict.BROKEN
            self._escape = "\\u" if character == "u" else ""
            return Verdict.MORE
        if character not in _HEX:
            return Verdict.BROKEN
        self._escape += character
        if len(self._escape) == 6:
            self._escape = ""
        return Verdict.MORE

    def _in_number(self, character: str) -> Verdict:
        longer = self._scalar + character
        if len(longer) <= MAX_NUMBER_CHARACTERS and _NUMBER_PREFIX.fullmatch(longer):
            self._scalar = longer
            return Verdict.MORE
        if self._scalar[-1] not in _NUMBER_END or len(longer) > MAX_NUMBER_CHARACTERS:
            return Verdict.BROKEN
        if not self._open:
            self._expect = _Expect.NOTHING
            return Verdict.DONE_BEFORE
        self._expect = _Expect.COMMA_OR_END
        return self.feed(character)

    def _in_literal(self, character: str) -> Verdict:
        if character != self._scalar[0]:
            return Verdict.BROKEN
        self._scalar = self._scalar[1:]
        return Verdict.MORE if self._scalar else self._value_ended()

    def _between(self, character: str) -> Verdict:
        expect = self._expect
        if expect in (_Expect.VALUE, _Expect.VALUE_OR_END):
            return self._end() if self._ends(character, _Expect.VALUE_OR_END) else self._begin(character)
        if expect in (_Expect.KEY, _Expect.KEY_OR_END):
            return self._end() if self._ends(character, _Expect.KEY_OR_END) else self._begin_key(character)
        if expect is _Expect.COLON:
            return self._colon(character)
        if expect is _Expect.COMMA_OR_END:
            if character == ",":
                self._expect = _Expect.KEY if self._open[-1] == "}" else _Expect.VALUE
                return Verdict.MORE
            return self._end() if self._ends(character, _Expect.COMMA_OR_END) else Verdict.BROKEN
        return Verdict.DONE_BEFORE

    def _colon(self, character: str) -> Verdict:
        if character != ":":
            return Verdict.BROKEN
        self._expect = _Expect.VALUE
        return Verdict.MORE

    def _ends(self, character: str, allowed: _Expect) -> bool:
        return self._expect is allowed and bool(self._open) and character == self._open[-1]

    def _end(self) -> Verdict:
        self._open.pop()
        return self._value_ended()

    def _begin_key(self, character: str) -> Verdict:
        if character != '"':
            return Verdict.BROKEN
        self._expect, self._key = _Expect.IN_STRING, True
        return Verdict.MORE

    def _begin(self, character: str) -> Verdict:
        if character == '"':
            self._expect, self._key = _Expect.IN_STRING, False
        elif character in "{[":
            if len(self._open) == MAX_DEPTH:
                return Verdict.BROKEN
            self._open.append("}" if character == "{" else "]")
            self._expect = _Expect.KEY_OR_END if character == "{" else _Expect.VALUE_OR_END
        elif character in "-0123456789":
            self._expect, self._scalar = _Expect.IN_NUMBER, character
        elif character in _LITERALS:
            self._expect, self._scalar = _Expect.IN_LITERAL, _LITERALS[character][1:]
        else:
            return Verdict.BROKEN
        return Verdict.MORE

    def _value_ended(self) -> Verdict:
        self._expect = _Expect.COMMA_OR_END if self._open else _Expect.NOTHING
        return Verdict.MORE if self._open else Verdict.DONE
