"""Conversations as chat templates want them, and how to say the same to a template that wants less.

Messages are plain dictionaries in the shape of Hugging Face templates. Each adaptation gives up one thing that a
template may lack (`Capabilities`) and keeps every word of the conversation.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, groupby
from typing import Any

from gen import inference_pb2 as pb

from internal.errors import InvalidRequestError
from internal.inference.special_tokens import map_strings
from internal.inference.tool_families import Family

Message = dict[str, Any]
Change = Callable[[str], str]

PARAGRAPH = "\n\n"
_SHORT_ID = 9  # alphanumeric characters, the one length that Mistral's templates accept
_ID_ALPHABET = string.digits + string.ascii_letters
_TOOLS_PROMPT = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments in this form:
{example}"""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a template can say. Found by trying, see chat_template."""

    string_content: bool = True  # content may be a string; otherwise it must be a list of parts
    system: bool = True
    late_system: bool = True  # a system message may follow others
    system_alone: bool = True  # a system message may be all there is
    same_role: bool = True  # two messages of one role may follow each other
    assistant_first: bool = True
    tools: bool = True  # definitions of tools reach the prompt
    tool_history: bool = True  # calls and their results reach the prompt
    object_arguments: bool = True  # arguments of calls are a dictionary; otherwise JSON text
    long_ids: bool = True  # ids of calls may be of any form
    parallel_calls: bool = True  # one message may hold several calls


@dataclass(frozen=True, slots=True)
class Conversation:
    messages: list[Message]
    tools: list[dict[str, Any]]


def texts_of(chat: pb.Chat) -> Iterator[str]:
    """Every string that others wrote into a request."""
    yield chat.template_kwargs_json
    for tool in chat.tools:
        yield from (tool.name, tool.description, tool.parameters_json)
    for message in chat.messages:
        yield from (message.role, message.name, message.tool_call_id, message.reasoning)
        yield from (part.text for part in message.parts)
        for call in message.tool_calls:
            yield from (call.id, call.name, call.arguments)


def conversation_of(chat: pb.Chat, safe: Change, safe_assistant: Change, image: str) -> Conversation:
    """Every string goes through `safe`; the content of the assistant's messages through `safe_assistant`. An image is
    its number among all, between two characters `image`: templates say what they are given where they are given it, and
    what a model wants around an image comes with the image."""
    offered = [] if chat.tool_choice.mode == pb.ToolChoice.NONE else chat.tools
    numbers = count()
    names = {call.id: call.name for message in chat.messages for call in message.tool_calls}

    def content(message: pb.Message) -> str:
        texts = (f"{image}{next(numbers)}{image}" if part.HasField("image") else part.text for part in message.parts)
        return (safe_assistant if message.role == "assistant" else safe)("".join(texts))

    return Conversation(
        [_message(message, content(message), safe, names) for message in chat.messages],
        [_tool(tool, safe) for tool in offered],
    )


def _message(message: pb.Message, content: str, safe: Change, call_names: dict[str, str]) -> Message:
    made: Message = {"role": message.role, "content": content}
    name = message.name or call_names.get(message.tool_call_id, "")
    if name:
        made["name"] = safe(name)
    if message.reasoning:
        made["reasoning_content"] = safe(message.reasoning)
    if message.tool_call_id:
        made["tool_call_id"] = safe(message.tool_call_id)
    if message.tool_calls:
        made["tool_calls"] = [_tool_call(call, safe) for call in message.tool_calls]
    return made


def _tool_call(call: pb.ToolCall, safe: Change) -> dict[str, Any]:
    try:
        arguments: Any = map_strings(json.loads(call.arguments or "{}"), safe)
    except (ValueError, RecursionError):
        arguments = safe(call.arguments)  # history that a caller edited: shown to the model as it is
    function = {"name": safe(call.name), "arguments": arguments}
    return {"id": safe(call.id), "type": "function", "function": function}


def _tool(tool: pb.Tool, safe: Change) -> dict[str, Any]:
    try:
        parameters = json.loads(tool.parameters_json or '{"type": "object", "properties": {}}')
        function = {"name": tool.name, "description": tool.description, "parameters": parameters}
        return {"type": "function", "function": map_strings(function, safe)}
    except RecursionError:
        raise InvalidRequestError(f"the parameters of the tool {tool.name!r} are nested too deeply", "tools") from None
    except ValueError:
        raise InvalidRequestError(f"the parameters of the tool {tool.name!r} are not valid JSON", "tools") from None


# ---------------------------------------------------------------- adaptations


def adapted(conversation: Conversation, can: Capabilities, family: Family) -> Conversation:
    """The same conversation within what a template can."""
    messages = [dict(message) for message in conversation.messages]
    tools = conversation.tools
    if tools and not can.tools:
        messages, tools = _told_tools(messages, tools, family), []
    if not can.tool_history:
        messages = [_told_call(message, family) for message in messages]
    for able, adapt in (
        (can.parallel_calls, _one_call_each),
        (can.late_system, _late_system_as_user),
        (False, _merge_system),  # nobody minds, and many templates read only the first message
        (can.system_alone, _system_alone_as_user),
        (can.system, _system_into_user),
        (can.same_role, _merge_same_role),
        (can.assistant_first, _user_first),
        (can.object_arguments, _arguments_as_text),
        (can.long_ids, _short_ids),
        (can.string_content, _content_as_parts),
    ):
        messages = messages if able else adapt(messages)
    return Conversation(messages, tools)


def _told_tools(messages: list[Message], tools: list[dict[str, Any]], family: Family) -> list[Message]:
    example = _call_text("<function-name>", "<args-json-object>", family).replace(
        '"<args-json-object>"', "<args-json-object>"
    )
    text = _TOOLS_PROMPT.format(
        tools="\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools), example=example
    )
    if messages and messages[0]["role"] == "system":
        return [{**messages[0], "content": _joined(messages[0]["content"], text)}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def _told_call(message: Message, family: Family) -> Message:
    if message["role"] == "tool":
        return {"role": "user", "content": _joined("<tool_response>", message["content"], "</tool_response>", by="\n")}
    if "tool_calls" not in message:
        return message
    calls = [_call_text(c["function"]["name"], c["function"]["arguments"], family) for c in message["tool_calls"]]
    rest = {key: value for key, value in message.items() if key not in ("tool_calls", "content")}
    return {**rest, "content": _joined(message["content"], *calls, by="\n")}


def _call_text(name: str, arguments: Any, family: Family) -> str:
    call = json.dumps({"name": name, family.arguments_key: arguments}, ensure_ascii=False)
    if family.named:
        call = f"{name}{family.named}{json.dumps(arguments, ensure_ascii=False)}"
    return "".join((*family.before_all, *family.before_each, call, *family.after_each, *family.after_all))


def _one_call_each(messages: list[Message]) -> list[Message]:
    """A message with several calls becomes one for each, with its result behind it."""
    made: list[Message] = []
    results = {m["tool_call_id"]: m for m in messages if m["role"] == "tool" and m.get("tool_call_id")}
    moved: set[int] = set()
    for message in messages:
        if id(message) in moved:
            continue
        calls = message.get("tool_calls", [])
        if len(calls) < 2:
            made.append(message)
            continue
        for number, call in enumerate(calls):
            made.append({**message, "content": "" if number else message["content"], "tool_calls": [call]})
            if call["id"] in results:
                made.append(results[call["id"]])
                moved.add(id(results[call["id"]]))
    return made


def _late_system_as_user(messages: list[Message]) -> list[Message]:
    leading = next((n for n, message in enumerate(messages) if message["role"] != "system"), len(messages))
    late = [{**m, "role": "user"} if m["role"] == "system" else m for m in messages[leading:]]
    return messages[:leading] + late


def _merge_system(messages: list[Message]) -> list[Message]:
    return _merge(messages, {"system"})


def _merge_same_role(messages: list[Message]) -> list[Message]:
    return _merge(messages, {"system", "user", "assistant"})


def _merge(messages: list[Message], roles: set[str]) -> list[Message]:
    made: list[Message] = []
    for role, group in groupby(messages, key=lambda message: message["role"]):
        run = list(group)
        made.extend([_merged(run)] if role in roles and len(run) > 1 else run)
    return made


def _merged(run: list[Message]) -> Message:
    made = {key: value for message in run for key, value in message.items()}
    made["content"] = _joined(*(message["content"] for message in run))
    calls = [call for message in run for call in message.get("tool_calls", [])]
    return {**made, "tool_calls": calls} if calls else made


def _system_alone_as_user(messages: list[Message]) -> list[Message]:
    return messages if any(m["role"] != "system" for m in messages) else [{**m, "role": "user"} for m in messages]


def _system_into_user(messages: list[Message]) -> list[Message]:
    """A leading system message begins the first user message, when that follows; otherwise it becomes one."""
    messages = [{**m, "role": "user"} if m["role"] == "system" else m for m in messages]
    return [_merged(messages[:2]), *messages[2:]] if [m["role"] for m in messages[:2]] == ["user", "user"] else messages


def _user_first(messages: list[Message]) -> list[Message]:
    leading = 1 if messages and messages[0]["role"] == "system" else 0
    if len(messages) > leading and messages[leading]["role"] == "user":
        return messages
    return [*messages[:leading], {"role": "user", "content": ""}, *messages[leading:]]


def _arguments_as_text(messages: list[Message]) -> list[Message]:
    def as_text(function: dict[str, Any]) -> dict[str, Any]:
        arguments = function["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        return {**function, "arguments": text}

    return _with_calls(messages, lambda call: {**call, "function": as_text(call["function"])})


def _short_ids(messages: list[Message]) -> list[Message]:
    """Every id becomes one of nine letters and digits, the same for the same."""
    made = _with_calls(messages, lambda call: {**call, "id": _short_id(call["id"])})
    return [{**m, "tool_call_id": _short_id(m["tool_call_id"])} if "tool_call_id" in m else m for m in made]


def _short_id(long: str) -> str:
    if len(long) == _SHORT_ID and long.isalnum() and long.isascii():
        return long
    return "".join(
        _ID_ALPHABET[byte % len(_ID_ALPHABET)] for byte in hashlib.sha256(long.encode()).digest()[:_SHORT_ID]
    )


def _with_calls(messages: list[Message], change: Callable[[dict[str, Any]], dict[str, Any]]) -> list[Message]:
    return [
        {**m, "tool_calls": [change(call) for call in m["tool_calls"]]} if "tool_calls" in m else m for m in messages
    ]


def _content_as_parts(messages: list[Message]) -> list[Message]:
    return [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in messages]


def _joined(*contents: str, by: str = PARAGRAPH) -> str:
    return by.join(content for content in contents if content)
