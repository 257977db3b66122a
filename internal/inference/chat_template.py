"""From messages to the text a model was trained to continue.

The template comes with the model. What it can say is found by trying it when the model is loaded; a conversation that
asks for more (two system messages, a user who speaks twice) is retold within that, never refused.

Rendering is synchronous, bounded (processor time, size) and safe on any thread; it takes well under a millisecond for
a usual conversation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import jinja2
from gen import inference_pb2 as pb

from internal.errors import InternalError, InvalidRequestError, UnsupportedError
from internal.inference.chat_messages import Capabilities, Conversation, adapted, conversation_of, texts_of
from internal.inference.efforts import nearest, thinks
from internal.inference.special_tokens import SpecialTokens, private_characters
from internal.inference.template_sandbox import TemplateEnvironment, TemplateLimitError
from internal.inference.tool_families import THINK_CLOSE, THINK_OPEN, family_of, knows_thinking

MAX_CPU_S = 1.0
Piece = str | int
"""Text of a prompt, or the number of the image that stands there."""

_MISTAKES = (
    jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError,
)  # fmt: skip
_RESERVED = frozenset({"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"})
_LEVELS = ("low", "medium", "high")  # of templates that know `reasoning_effort`
_ENVIRONMENT = TemplateEnvironment()


class ChatTemplate:
    """One model's template, compiled once.

    `special_tokens`: the texts of the vocabulary's control tokens, which no message may produce.
    Raises InternalError when the template does not compile or spends more than it may.
    """

    def __init__(self, source: str, bos: str, eos: str, special_tokens: Sequence[str]) -> None:
        try:
            self._template = _ENVIRONMENT.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise InternalError(f"the chat template does not compile: line {error.lineno}: {error.message}") from None
        except (SyntaxError, RecursionError) as error:  # Python's own limits, of what jinja has made of it
            raise InternalError(f"the chat template does not compile: {error}") from None
        self.source = source
        self.family = family_of(source)
        self._tokens = {"bos_token": bos, "eos_token": eos}
        self._special = SpecialTokens(special_tokens)
        # What the assistant said keeps its thinking marks: templates look for them to leave old reasoning out.
        self._special_assistant = SpecialTokens(set(special_tokens) - {THINK_OPEN, THINK_CLOSE})
        try:
            self.capabilities = _Prober(self).capabilities()
        except TemplateLimitError as error:
            raise InternalError(f"the chat template cannot be used: {error}") from None

    def render(self, chat: pb.Chat) -> list[Piece]:
        """The prompt in pieces, each to be tokenised on its own with special tokens recognised, then put together.

        There is one piece, unless there are images, or a message holds text of special tokens: the cuts keep it text.
        The template writes the BOS token where the model wants one. Raises InvalidRequestError, UnsupportedError.
        """
        extra = self._reasoning_variables(chat) | _extra_variables(chat.template_kwargs_json)
        try:
            mark, cut, image = private_characters([self.source, *texts_of(chat)], 3)
        except ValueError as error:
            raise InvalidRequestError(f"{error}: write fewer of them", "messages") from None
        conversation = conversation_of(
            chat,
            lambda text: self._special.broken(text, mark),
            lambda text: self._special_assistant.broken(text, mark),
            image,
        )
        if chat.continue_final_message:
            _mark_end(conversation, cut)
        text = self._render_within(conversation, extra, not chat.continue_final_message)
        if chat.continue_final_message:
            text = _cut_at(text, cut)
        return _pieces(text, mark, image, sum(part.HasField("image") for m in chat.messages for part in m.parts))

    def try_render(
        self, conversation: Conversation, can: Capabilities, *, answer: bool = True, **extra: Any
    ) -> str | None:
        """Renders within `can`; None when the template refuses. Raises TemplateLimitError."""
        try:
            return self._render(adapted(conversation, can, self.family), answer, extra)
        except TemplateLimitError:
            raise
        except _MISTAKES:
            return None

    def _render_within(self, conversation: Conversation, extra: dict[str, Any], answer: bool) -> str:
        cause: Exception | None = None
        for can in _ladder(self.capabilities):
            try:
                return self._render(adapted(conversation, can, self.family), answer, extra)
            except TemplateLimitError as error:
                raise InvalidRequestError(f"{error}: send shorter messages", "messages") from None
            except _MISTAKES as error:
                cause = cause or error
        raise InvalidRequestError(f"the chat template of this model refuses these messages: {cause}", "messages")

    def _render(self, conversation: Conversation, answer: bool, extra: dict[str, Any]) -> str:
        variables = extra | self._tokens | {"messages": conversation.messages, "add_generation_prompt": answer}
        # A template asks `if tools` or `tools is defined` or `is not none`: None means no tools to all of them.
        variables["tools"] = conversation.tools or None
        return _ENVIRONMENT.render(self._template, variables, MAX_CPU_S)

    def _reasoning_variables(self, chat: pb.Chat) -> dict[str, Any]:
        """How this template is told a reasoning effort. Raises UnsupportedError when it cannot be had."""
        effort = chat.reasoning_effort
        if not effort:
            return {}
        if chat.effort_is_wish:
            told: dict[str, Any] = {"enable_thinking": thinks(effort)}
            return told | ({"reasoning_effort": nearest(effort, _LEVELS)} if self._levels else {})
        if self._levels:
            if effort in _LEVELS:
                return {"reasoning_effort": effort}
            raise UnsupportedError(f"the efforts of this model are {', '.join(_LEVELS)}", "reasoning_effort")
        if self._switch:
            return {"enable_thinking": effort != "none"}
        if (effort != "none") == knows_thinking(self.source):
            return {}
        what = "does not reason" if effort != "none" else "cannot answer without reasoning"
        raise UnsupportedError(f"this model {what}: leave reasoning_effort out", "reasoning_effort")

    @cached_property
    def _levels(self) -> bool:
        return self._differs_by("reasoning_effort", _LEVELS[0], _LEVELS[-1])

    @cached_property
    def _switch(self) -> bool:
        return self._differs_by("enable_thinking", True, False)

    def _differs_by(self, variable: str, *values: Any) -> bool:
        """Whether the prompt depends on an extra variable."""
        probe = Conversation([{"role": "user", "content": "x"}], [])
        return len({self.try_render(probe, self.capabilities, **{variable: value}) for value in values}) > 1


class _Prober:
    """Tries a template with small conversations whose words must be found in the prompt."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template

    def capabilities(self) -> Capabilities:
        can = Capabilities()
        if self._says(_PLAIN, replace(can, string_content=False)) and not self._says(_PLAIN, can):
            can = replace(can, string_content=False)
        for name, conversations in _PROBES.items():
            if not all(self._says(conversation, can) for conversation in conversations):
                can = replace(can, **{name: False})
        can = self._with_tool_history(can)
        if can.tool_history and not self._says(_TWO_CALLS, can):
            can = replace(can, parallel_calls=False)
        return can

    def _with_tool_history(self, can: Capabilities) -> Capabilities:
        for ids in (True, False):
            for arguments in (True, False):
                tried = replace(can, long_ids=ids, object_arguments=arguments)
                if self._says(_ONE_CALL, tried):
                    return tried
        return replace(can, tool_history=False)

    def _says(self, conversation: Conversation, can: Capabilities) -> bool:
        text = self._template.try_render(conversation, can)
        return text is not None and all(word in text for word in _words(conversation))


def _said(role: str, word: str, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": word, **more}


def _call(word: str, number: int) -> dict[str, Any]:
    # No quotes or colons inside: how templates write the arguments is their own affair.
    return {
        "id": f"call_{number:024}",
        "type": "function",
        "function": {"name": f"{word}1", "arguments": {"k": f"{word}2"}},
    }


_SYSTEM = _said("system", "qSystem")
_USER = _said("user", "qUser")
_FUNCTION = {"name": "qTool", "description": "qAbout", "parameters": {"type": "object", "properties": {}}}
_TOOLS = [{"type": "function", "function": _FUNCTION}]
_RESULTS = [_said("tool", f"qResult{n}", tool_call_id=f"call_{n:024}", name="q") for n in (1, 2)]
_PLAIN = Conversation([_USER], [])
_ONE_CALL = Conversation([_USER, _said("assistant", "", tool_calls=[_call("qa", 1)]), _RESULTS[0]], [])
_TWO_CALLS = Conversation([_USER, _said("assistant", "", tool_calls=[_call("qa", 1), _call("qb", 2)]), *_RESULTS], [])

# In this order: a later probe is told within what the earlier ones found.
_PROBES: dict[str, list[Conversation]] = {
    "system": [Conversation([_SYSTEM, _USER], [])],
    "same_role": [
        Conversation([_USER, _said("user", "qMore")], []),
        Conversation([_USER, _said("assistant", "qOne"), _said("assistant", "qTwo"), _said("user", "qEnd")], []),
    ],
    "late_system": [
        Conversation([_SYSTEM, _USER, _said("assistant", "qOne"), _said("system", "qLate"), _said("user", "qEnd")], [])
    ],
    "system_alone": [Conversation([_SYSTEM], [])],
    "assistant_first": [Conversation([_said("assistant", "qFirst"), _USER], [])],
    "tools": [Conversation([_USER], _TOOLS)],
}


def _words(conversation: Conversation) -> Iterator[str]:
    for message in conversation.messages:
        yield message["content"]
        for call in message.get("tool_calls", []):
            yield call["function"]["name"]
            yield call["function"]["arguments"]["k"]
    yield from (tool["function"]["name"] for tool in conversation.tools)


def _ladder(can: Capabilities) -> Iterator[Capabilities]:
    """First as the template can; then with less and less, for templates that refuse what no probe foresaw."""
    yield can
    plain = replace(can, late_system=False, same_role=False, assistant_first=False, parallel_calls=False)
    yield plain
    yield replace(plain, tool_history=False)
    yield replace(plain, tool_history=False, system=False)


def _extra_variables(text: str) -> dict[str, Any]:
    try:
        extra = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        raise InvalidRequestError("chat_template_kwargs is not valid JSON", "chat_template_kwargs") from None
    if not isinstance(extra, dict) or not _RESERVED.isdisjoint(extra):
        names = ", ".join(sorted(_RESERVED))
        raise InvalidRequestError(f"chat_template_kwargs must be an object without {names}", "chat_template_kwargs")
    return extra


def _mark_end(conversation: Conversation, cut: str) -> None:
    """Puts `cut` behind the last text of the message that is to be continued."""
    last = conversation.messages[-1] if conversation.messages else {"role": ""}
    if last["role"] != "assistant":
        raise InvalidRequestError("continue_final_message needs a last message of the assistant with text", "messages")
    if "tool_calls" in last:
        raise InvalidRequestError("the last message calls tools: send their results behind it", "messages")
    last["content"] += cut


def _pieces(text: str, mark: str, image: str, images: int) -> list[Piece]:
    """What stands between the marks, and the numbers of images. Raises InvalidRequestError."""
    pieces: list[Piece] = []
    for position, part in enumerate(re.split(f"{image}([0-9]+){image}", text)):
        pieces += [int(part)] if position % 2 else [piece for piece in part.split(mark) if piece]
    if sorted(piece for piece in pieces if isinstance(piece, int)) != list(range(images)):
        raise InvalidRequestError("the chat template of this model leaves images of these messages out", "messages")
    return pieces


def _cut_at(text: str, cut: str) -> str:
    head, found, _ = text.rpartition(cut)
    if not found:
        raise InvalidRequestError(
            "the chat template of this model cannot continue a message of the assistant", "messages"
        )
    return head
