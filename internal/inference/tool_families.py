"""How families of models write tool calls and reasoning: one row each, found by what their chat template says.

Adding a family is adding a row: the parser reads it, the grammar writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

THINK_OPEN = "<think>"
THINK_CLOSE = "</think>"


@dataclass(frozen=True, slots=True)
class Family:
    """The syntax of calls. A call is a JSON object with `name` and the arguments under `arguments_key`."""

    name: str
    sign: re.Pattern[str]  # found in the source of chat templates of this family
    opening: str  # marks calls in running text
    closing: str = ""  # follows a call
    arguments_key: str = "arguments"
    bare: bool = False  # a call may also be the whole output, unmarked
    glue: str = ""  # characters that may stand around and between calls, beside white space
    named: str = ""  # between name and arguments where the name stands before the object
    # How calls are written out, in texts that may each be a special token of the vocabulary.
    before_all: tuple[str, ...] = ()
    before_each: tuple[str, ...] = ()
    after_each: tuple[str, ...] = ()
    between: tuple[str, ...] = ()
    after_all: tuple[str, ...] = ()


HERMES = Family(
    name="hermes",
    sign=re.compile(r"<tool_call>"),
    opening="<tool_call>",
    closing="</tool_call>",
    before_each=("<tool_call>", "\n"),
    after_each=("\n", "</tool_call>"),
    between=("\n",),
)
LLAMA3 = Family(
    name="llama3",
    sign=re.compile(r'<\|python_tag\|>|<\|eom_id\|>|\{\\?"name\\?": function name, \\?"parameters\\?":'),
    opening="<|python_tag|>",
    arguments_key="parameters",
    bare=True,
    glue=";",
    between=("; ",),
)
MISTRAL = Family(
    name="mistral",
    sign=re.compile(r"\[TOOL_CALLS\]"),
    opening="[TOOL_CALLS]",
    glue="[],",
    before_all=("[TOOL_CALLS]", " ["),
    between=(", ",),
    after_all=("]",),
)
MISTRAL_NAMED = Family(
    name="mistral-named",
    sign=re.compile(r"\[TOOL_CALLS\][\s\S]*\[ARGS\]"),
    opening="[TOOL_CALLS]",
    named="[ARGS]",
    before_each=("[TOOL_CALLS]",),
)

# The first whose sign is found. A template that says nothing of tools is told the syntax of the default in its
# system message, see chat_template.
FAMILIES = (HERMES, MISTRAL_NAMED, MISTRAL, LLAMA3)
DEFAULT = HERMES


def family_of(template_source: str) -> Family:
    return next((family for family in FAMILIES if family.sign.search(template_source)), DEFAULT)


def markers_of(family: Family | None, thinking: bool) -> tuple[str, ...]:
    """What marks calls and reasoning in running text: text, even where the vocabulary calls it special."""
    calls = (family.opening, family.closing, family.named) if family else ()
    return tuple(marker for marker in (*calls, *((THINK_OPEN, THINK_CLOSE) if thinking else ())) if marker)


def knows_thinking(template_source: str) -> bool:
    return THINK_OPEN in template_source or THINK_CLOSE in template_source
