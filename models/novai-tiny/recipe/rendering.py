"""A conversation as text, and which parts of it the model has to learn to write.

The template is ``chat_template.jinja``; training uses this faster twin, and the export checks that both render alike.
"""

from pathlib import Path

from corpus import Message, ToolSchema, as_json

END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (END_OF_TEXT, START, END)
CHAT_TEMPLATE = (Path(__file__).parent / "chat_template.jinja").read_text().rstrip("\n")

_TOOLS_BEFORE = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
_TOOLS_AFTER = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)

Segment = tuple[str, bool]


def assistant_text(message: Message) -> str:
    parts = [message["content"]] if message["content"] else []
    for call in message.get("tool_calls", ()):
        function = call["function"]
        arguments = as_json(function["arguments"])
        parts.append(f'<tool_call>\n{{"name": "{function["name"]}", "arguments": {arguments}}}\n</tool_call>')
    return "\n".join(parts)


def segments(messages: list[Message], tools: list[ToolSchema]) -> list[Segment]:
    """Text in order, each piece with True where the assistant speaks (its end mark included)."""
    found: list[Segment] = []
    rest = messages
    system = messages[0]["content"] if messages and messages[0]["role"] == "system" else None
    if system is not None:
        rest = messages[1:]
    if tools:
        listed = "".join(f"\n{as_json(tool)}" for tool in tools)
        system = (f"{system}\n\n" if system is not None else "") + _TOOLS_BEFORE + listed + _TOOLS_AFTER
    if system is not None:
        found.append((f"{START}system\n{system}{END}\n", False))
    for message in rest:
        if message["role"] == "assistant":
            found += [(f"{START}assistant\n", False), (f"{assistant_text(message)}{END}", True), ("\n", False)]
        elif message["role"] == "tool":
            found.append((f"{START}user\n<tool_response>\n{message['content']}\n</tool_response>{END}\n", False))
        else:
            found.append((f"{START}{message['role']}\n{message['content']}{END}\n", False))
    return found


def rendered(messages: list[Message], tools: list[ToolSchema]) -> str:
    return "".join(text for text, _ in segments(messages, tools))
