"""ResponseRequest of the public contract → GenerateRequest of the inner one.

A model's template knows turns, not items: what an assistant thought, said and called between two words of others is one
message of its chat.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from gen import inference_pb2 as pb
from msgspec import UnsetType

from api.clients.generate_request import MODES, forced, given, image, nucleus, schema_constraint, tool
from api.domain import WantedTool
from api.generated import schemas as s

ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
FORMAT = "text.format"


Items = Sequence[s.ResponseInputItem]
Call = s.ResponseFunctionCallInput | s.ResponseCustomToolCall | s.ResponseServerToolCallInput


def from_response(body: s.ResponseRequest, items: Items, earlier: Items = ()) -> pb.GenerateRequest:
    """The request for a worker. The body has passed `rules.check_response`; `items` are its own, after `earlier`
    ones."""
    request = from_prompt(body, items, earlier)
    request.sampling.CopyFrom(sampling(body))
    request.max_tokens = given(body.max_output_tokens, 0)
    request.top_logprobs = given(body.top_logprobs, 0)
    request.logprobs = wants_logprobs(body)
    return request


def from_prompt(body: s.ResponsePrompt, items: Items, earlier: Items = ()) -> pb.GenerateRequest:
    """What the model sees of it, without how it should answer."""
    return pb.GenerateRequest(
        model=body.model,
        chat=pb.Chat(
            messages=messages(given(body.instructions, ""), items, earlier),
            tools=[
                tool(item, item.parameters)
                for item in given(body.tools, [])
                if isinstance(item, s.ResponseFunctionTool)
            ],
            tool_choice=tool_choice(body.tool_choice),
            parallel_tool_calls=given(body.parallel_tool_calls, True),
            reasoning_effort=given(given(body.reasoning, s.ResponseReasoningConfig()).effort, ""),
            effort_is_wish=True,
            param="input",
            continue_final_message=isinstance(items[-1], s.ResponseInputMessage) and items[-1].role == "assistant",
        ),
        n=1,
        constraint=constraint(body.text),
    )


def wants_logprobs(body: s.ResponseRequest) -> bool:
    return "message.output_text.logprobs" in given(body.include, []) or given(body.top_logprobs, 0) > 0


def sampling(body: s.ResponseRequest) -> pb.Sampling:
    result = nucleus(given(body.temperature, 1.0), given(body.top_p, 1.0))
    result.presence_penalty = given(body.presence_penalty, 0.0)
    result.frequency_penalty = given(body.frequency_penalty, 0.0)
    return result


def messages(instructions: str, items: Items, earlier: Items) -> list[pb.Message]:
    chat = [pb.Message(role="system", parts=[pb.Part(text=instructions)])] if instructions else []
    places = [*("previous_response_id" for _ in earlier), *(f"input[{index}]" for index in range(len(items)))]
    for item, at in zip([*earlier, *items], places, strict=True):
        if isinstance(item, s.ResponseInputMessage) and item.role != "assistant":
            chat.append(pb.Message(role=ROLES[item.role], parts=parts(item.content, f"{at}.content")))
        elif isinstance(item, s.ResponseFunctionCallOutput | s.ResponseCustomToolCallOutput):
            chat.append(pb.Message(role="tool", parts=parts(item.output, f"{at}.output"), tool_call_id=item.call_id))
        else:
            add(assistant(chat, item), item, at)
        if isinstance(item, s.ResponseServerToolCallInput):
            output = given(item.output, "") or failure(item.error)
            chat.append(pb.Message(role="tool", parts=[pb.Part(text=output)], tool_call_id=item.id or ""))
    return chat


def assistant(chat: list[pb.Message], item: s.ResponseInputItem) -> pb.Message:
    """The assistant's turn that the item belongs to: the last message, or a new one. Thinking begins a turn, and
    nothing is said after a call."""
    last = chat[-1] if chat and chat[-1].role == "assistant" else None
    if last is not None:
        if isinstance(item, Call):
            return last
        if isinstance(item, s.ResponseInputMessage) and not last.parts and not last.tool_calls:
            return last
    chat.append(pb.Message(role="assistant"))
    return chat[-1]


def add(message: pb.Message, item: s.ResponseInputItem, at: str) -> None:
    """One item of what an assistant did."""
    if isinstance(item, s.ResponseInputMessage):
        message.parts.extend(parts(item.content, f"{at}.content"))
    elif isinstance(item, s.ResponseServerToolCallInput):
        message.tool_calls.add(id=item.id or "", name=item.name, arguments=item.arguments)
    elif isinstance(item, s.ResponseFunctionCallInput):
        message.tool_calls.add(id=item.call_id, name=item.name, arguments=item.arguments)
    elif isinstance(item, s.ResponseCustomToolCall):
        arguments = msgspec.json.encode({"input": item.input}).decode()
        message.tool_calls.add(id=item.call_id, name=item.name, arguments=arguments)
    else:
        assert isinstance(item, s.ResponseReasoningInput)
        message.reasoning = "\n".join(part.text for part in item.content or item.summary or [])


def failure(error: str | s.ResponseCallError | UnsetType | None) -> str:
    """What the model read of a call that failed, here or elsewhere."""
    if not isinstance(error, s.ResponseCallError):
        return given(error, "")
    content = error.content if isinstance(error.content, list) else []
    texts = [str(part["text"]) for part in content if isinstance(part, dict) and "text" in part]
    return "\n".join(texts) or given(error.message, "")


def parts(content: s.ResponseContent, at: str) -> list[pb.Part]:
    if isinstance(content, str):
        return [pb.Part(text=content)]
    return [part(item, f"{at}[{index}]") for index, item in enumerate(content)]


def part(item: s.ResponseContentPart, at: str) -> pb.Part:
    if isinstance(item, s.ResponseInputImage):
        return image(given(item.image_url, ""), at)
    assert not isinstance(item, s.ResponseInputFile)  # `rules` refuses them
    return pb.Part(text=item.refusal if isinstance(item, s.ResponseRefusal) else item.text)


def tool_choice(choice: str | s.ResponseToolChoice | UnsetType | None) -> pb.ToolChoice:
    if isinstance(choice, s.ResponseNamedTool):
        return forced(choice.name)
    if isinstance(choice, s.ResponseAllowedTools):
        return pb.ToolChoice(mode=MODES[choice.mode], allowed=[tool.name for tool in choice.tools])
    return pb.ToolChoice(mode=MODES[choice] if isinstance(choice, str) else pb.ToolChoice.AUTO)


def server_tools(tools: Sequence[s.ResponseTool] | UnsetType | None) -> list[WantedTool]:
    """Those of a request that the server runs."""
    return [
        WantedTool(name, f"tools[{index}].allowed_tools[{number}]", item.server_label)
        for index, item in enumerate(given(tools, []))
        if isinstance(item, s.ResponseServerTools)
        for number, name in enumerate(item.allowed_tools)
    ]


def constraint(text: s.ResponseTextConfig | UnsetType | None) -> pb.Constraint | None:
    form = given(text, s.ResponseTextConfig()).format
    if isinstance(form, s.ResponseFormatJsonObject):
        return pb.Constraint(json_object=True, param=FORMAT)
    if isinstance(form, s.ResponseTextJsonSchema):
        return schema_constraint(form.schema, FORMAT)
    return None
