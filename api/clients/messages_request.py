"""MessageRequest of the public contract (Anthropic's form) → GenerateRequest of the inner one, field by field.

Nothing is forwarded that is not named here: what a caller sends reaches an engine only through this file.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from gen import inference_pb2 as pb
from msgspec import UnsetType

from api.clients.generate_request import forced, given, image, nucleus, schema_constraint, tool
from api.generated import schemas as s

PARAGRAPH = "\n\n"  # between two blocks of text
ERROR = "Error: "  # before the result of a tool that failed
# Claude Code's first block of system text. It changes with every request and says nothing to a model: left in, no
# request would find the prefix of the one before it in the cache.
BILLING = "x-anthropic-billing-header:"
THINKS = (s.MessageThinkingEnabled, s.MessageThinkingAdaptive, s.MessageThinkingBetweenTools)
EFFORTS = ("low", "medium", "high", "xhigh", "max")
DEFAULT_EFFORT = "high"

Request = s.MessageRequest | s.MessageCountRequest
Block = s.MessageUserBlock | s.MessageAssistantBlock | s.MessageToolResultContent
Content = str | Sequence[Block] | UnsetType | None


def from_message(body: s.MessageRequest) -> pb.GenerateRequest:
    """The request for a worker. The body has passed `rules.check_message_request`."""
    return pb.GenerateRequest(
        model=body.model,
        chat=chat(body),
        sampling=sampling(body),
        max_tokens=body.max_tokens,
        stop=given(body.stop_sequences, []),
        constraint=constraint(body.output_config),
    )


def from_count(body: s.MessageCountRequest) -> pb.GenerateRequest:
    """The same prompt, to be counted."""
    return pb.GenerateRequest(model=body.model, chat=chat(body))


def sampling(body: s.MessageRequest) -> pb.Sampling:
    result = nucleus(given(body.temperature, 1.0), given(body.top_p, 1.0))
    result.top_k = given(body.top_k, 0)
    return result


def chat(body: Request) -> pb.Chat:
    spoken = [told for index, message in enumerate(body.messages) for told in messages(message, f"messages[{index}]")]
    choice = body.tool_choice or s.MessageToolChoiceAuto()
    return pb.Chat(
        messages=[*system(body.system), *spoken],
        tools=[tool(item, item.input_schema) for item in given(body.tools, [])],
        tool_choice=tool_choice(choice),
        parallel_tool_calls=not getattr(choice, "disable_parallel_tool_use", False),
        reasoning_effort=effort(body),
        effort_is_wish=True,
        continue_final_message=isinstance(body.messages[-1], s.MessageAssistant),
    )


def effort(body: Request) -> str:
    """Without `thinking` models do not think; with it, as much as its API has them."""
    if not isinstance(body.thinking, THINKS):
        return "none"
    wanted = given(given(body.output_config, s.MessageOutputConfig()).effort, "")
    return wanted if wanted in EFFORTS else DEFAULT_EFFORT


def system(content: Content) -> list[pb.Message]:
    text = PARAGRAPH.join(text for text in map(without_billing, texts(content)) if text)
    return [said("system", text)] if text else []


def without_billing(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(BILLING) else text


def messages(message: s.MessageParam, at: str) -> list[pb.Message]:
    """A message of ours for each result of a tool, in their order, then one for the rest: a model has to read the
    results right behind the calls."""
    if isinstance(message, s.MessageAssistant):
        return [assistant(message.content)]
    if isinstance(message, s.MessageSystem):
        return [said("system", joined(message.content))]
    at = f"{at}.content"
    blocks = [] if isinstance(message.content, str) else message.content
    results = [
        tool_result(block, f"{at}[{index}].content")
        for index, block in enumerate(blocks)
        if isinstance(block, s.MessageToolResultBlock)
    ]
    rest = pb.Message(role="user", parts=parts(message.content, at))
    return results + ([rest] if rest.parts or not results else [])


def assistant(content: Content) -> pb.Message:
    result = said("assistant", joined(content))
    for block in [] if isinstance(content, str) else given(content, []):
        if isinstance(block, s.MessageThinkingBlock):
            result.reasoning += block.thinking
        elif isinstance(block, s.MessageToolUseBlock):
            result.tool_calls.add(id=block.id, name=block.name, arguments=msgspec.json.encode(block.input).decode())
    return result


def tool_result(block: s.MessageToolResultBlock, at: str) -> pb.Message:
    failed = [pb.Part(text=ERROR)] if block.is_error is True else []
    return pb.Message(role="tool", parts=[*failed, *parts(block.content, at)], tool_call_id=block.tool_use_id)


def parts(content: Content, at: str) -> list[pb.Part]:
    """The texts, with a paragraph between two of them, and the images."""
    if isinstance(content, str):
        return [pb.Part(text=content)] if content else []
    made: list[pb.Part] = []
    for index, block in enumerate(given(content, [])):
        if isinstance(block, s.MessageImageBlock):
            made.append(image(url_of(block.source), f"{at}[{index}]"))
        elif isinstance(block, s.MessageTextBlock):
            after_text = bool(made) and made[-1].HasField("text")
            made.append(pb.Part(text=PARAGRAPH + block.text if after_text else block.text))
    return made


def url_of(source: s.MessageImageSource) -> str:
    if isinstance(source, s.MessageUrlSource):
        return source.url
    return f"data:{source.media_type};base64,{source.data}"


def said(role: str, text: str) -> pb.Message:
    return pb.Message(role=role, parts=[pb.Part(text=text)] if text else [])


def joined(content: Content) -> str:
    return PARAGRAPH.join(texts(content))


def texts(content: Content) -> list[str]:
    """The texts among the blocks."""
    if isinstance(content, str):
        return [content]
    return [block.text for block in given(content, []) if isinstance(block, s.MessageTextBlock)]


MODES: dict[type[msgspec.Struct], pb.ToolChoice.Mode.ValueType] = {
    s.MessageToolChoiceAuto: pb.ToolChoice.AUTO,
    s.MessageToolChoiceAny: pb.ToolChoice.REQUIRED,
    s.MessageToolChoiceNone: pb.ToolChoice.NONE,
}


def tool_choice(choice: s.MessageToolChoice) -> pb.ToolChoice:
    if isinstance(choice, s.MessageToolChoiceTool):
        return forced(choice.name)
    return pb.ToolChoice(mode=MODES[type(choice)])


def constraint(config: s.MessageOutputConfig | UnsetType | None) -> pb.Constraint | None:
    output = given(given(config, s.MessageOutputConfig()).format, None)
    return None if output is None else schema_constraint(output.schema, "output_config.format")
