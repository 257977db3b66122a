"""ChatCompletionRequest of the public contract → GenerateRequest of the inner one, field by field.

Nothing is forwarded that is not named here: what a caller sends reaches an engine only through this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
from gen import inference_pb2 as pb
from msgspec import UNSET, UnsetType

from api.domain import WantedTool
from api.generated import schemas as s

T = TypeVar("T")


TEMPLATE_BYTES, MESSAGE_BYTES = 512, 32


def given(value: T | UnsetType | None, default: T) -> T:
    """The value, or the default when it is absent or null: the contract treats both alike."""
    return default if value is None or value is UNSET else value


def from_chat(body: s.ChatCompletionRequest) -> pb.GenerateRequest:
    """The request for a worker. The body has passed `rules.check_chat`."""
    return pb.GenerateRequest(
        model=body.model,
        chat=chat(body),
        sampling=sampling(body),
        max_tokens=given(body.max_completion_tokens, given(body.max_tokens, 0)),
        min_tokens=given(body.min_tokens, 0),
        stop=stops(body.stop),
        stop_token_ids=given(body.stop_token_ids, []),
        ignore_eos=given(body.ignore_eos, False),
        n=given(body.n, 1),
        logprobs=given(body.logprobs, False),
        top_logprobs=given(body.top_logprobs, 0),
        constraint=constraint(body.response_format) or structured(body.structured_outputs),
    )


def most_prompt_tokens(request: pb.GenerateRequest, size: int) -> int:
    """More tokens than the prompt of a request of `size` bytes will probably have: a token has at least one byte, and a
    template adds some of its own to every message. What it has is known when the worker has accepted it."""
    return size + TEMPLATE_BYTES + MESSAGE_BYTES * len(request.chat.messages)


def choices_of(request: pb.GenerateRequest) -> int:
    """Outputs of a request: `n` of each prompt."""
    return max(1, request.n) * (1 if request.HasField("chat") else len(request.prompts.items))


def sampling(body: s.ChatCompletionRequest | s.CompletionRequest) -> pb.Sampling:
    """`top_k: -1` is off like 0."""
    result = nucleus(given(body.temperature, 1.0), given(body.top_p, 1.0))
    for name in ("min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "seed"):
        if value := getattr(body, name):  # absent, null and zero alike leave the field unset
            setattr(result, name, value)
    if body.seed == 0:
        result.seed = 0
    result.top_k = max(given(body.top_k, 0), 0)
    for token, bias in given(body.logit_bias, {}).items():
        result.logit_bias[int(token)] = bias
    return result


def nucleus(temperature: float, top_p: float) -> pb.Sampling:
    """`top_p: 0` is the smallest nucleus, the likeliest token: greedy."""
    return pb.Sampling(temperature=temperature if top_p > 0 else 0.0, top_p=top_p or 1.0)


def chat(body: s.ChatCompletionRequest) -> pb.Chat:
    kwargs = given(body.chat_template_kwargs, s.ChatTemplateKwargs())
    spoken = [made for index, item in enumerate(body.messages) for made in messages(item, f"messages[{index}]")]
    return pb.Chat(
        messages=spoken,
        tools=[
            tool(item.function, item.function.parameters)
            for item in given(body.tools, [])
            if isinstance(item, s.FunctionTool)
        ],
        tool_choice=tool_choice(body.tool_choice),
        parallel_tool_calls=given(body.parallel_tool_calls, True),
        template_kwargs_json=msgspec.json.encode(kwargs).decode() if kwargs.enable_thinking is not UNSET else "",
        # Not where an assistant's message ends with what the server's tools said: the model has yet to read that.
        continue_final_message=spoken[-1].role == "assistant",
        reasoning_effort=given(body.reasoning_effort, ""),
    )


ROLES: dict[type[msgspec.Struct], str] = {
    s.SystemMessage: "system",
    s.DeveloperMessage: "system",
    s.UserMessage: "user",
    s.AssistantMessage: "assistant",
    s.ToolMessage: "tool",
}


def messages(item: s.ChatMessage, at: str) -> Iterator[pb.Message]:
    """A message, after what the server's tools did for it."""
    if isinstance(item, s.AssistantMessage) and item.novai_tool_calls:
        calls = [pb.ToolCall(id=call.id, name=call.name, arguments=call.arguments) for call in item.novai_tool_calls]
        yield pb.Message(role="assistant", tool_calls=calls)
        for call in item.novai_tool_calls:
            yield pb.Message(role="tool", tool_call_id=call.id, parts=[pb.Part(text=call.output)])
        if not (item.content or item.refusal or item.tool_calls):
            return
    yield message(item, at)


def message(item: s.ChatMessage, at: str) -> pb.Message:
    """`at`: where the caller has it."""
    result = pb.Message(role=ROLES[type(item)], parts=parts(item.content, f"{at}.content"), name=given(item.name, ""))
    if isinstance(item, s.AssistantMessage):
        if item.refusal and not item.content:  # what other servers say in the place of content
            result.parts.add(text=item.refusal)
        result.reasoning = given(item.reasoning_content, "")
        for call in given(item.tool_calls, []):
            result.tool_calls.add(id=call.id, name=call.function.name, arguments=call.function.arguments)
    elif isinstance(item, s.ToolMessage):
        result.tool_call_id = item.tool_call_id
    return result


Part = s.TextPart | s.ImagePart | s.RefusalPart


def parts(content: str | Iterable[Part] | UnsetType | None, at: str) -> list[pb.Part]:
    if content is None or isinstance(content, UnsetType):
        return []
    if isinstance(content, str):
        return [pb.Part(text=content)]
    return [part(item, f"{at}[{index}]") for index, item in enumerate(content)]


def part(item: Part, at: str) -> pb.Part:
    if isinstance(item, s.ImagePart):
        return image(item.image_url.url, at)
    return pb.Part(text=item.text if isinstance(item, s.TextPart) else item.refusal)


def image(url: str, at: str) -> pb.Part:
    """An image that is still where its caller says: `clients.images` puts the file in its place."""
    return pb.Part(image=pb.Image(url=url, param=at))


Function = s.FunctionDefinition | s.ResponseFunctionTool | s.MessageTool


def tool(item: Function, parameters: dict[str, Any] | UnsetType | None) -> pb.Tool:
    """A function, in whatever form it was said, with the schema of its parameters."""
    return pb.Tool(
        name=item.name,
        description=given(item.description, ""),
        parameters_json=msgspec.json.encode(parameters).decode() if given(parameters, {}) else "",
        strict=given(item.strict, False),
    )


def server_tools(tools: Sequence[s.Tool] | UnsetType | None) -> list[WantedTool]:
    """Those of a request that the server runs."""
    return [
        WantedTool(item.name, f"tools[{index}].name")
        for index, item in enumerate(given(tools, []))
        if isinstance(item, s.ServerTool)
    ]


MODES = {"auto": pb.ToolChoice.AUTO, "none": pb.ToolChoice.NONE, "required": pb.ToolChoice.REQUIRED}


def tool_choice(choice: str | s.ToolChoice | UnsetType | None) -> pb.ToolChoice:
    if isinstance(choice, s.NamedToolChoice):
        return forced(choice.function.name)
    if isinstance(choice, s.AllowedToolsChoice):
        allowed = choice.allowed_tools
        return pb.ToolChoice(mode=MODES[allowed.mode], allowed=[tool.function.name for tool in allowed.tools])
    return pb.ToolChoice(mode=MODES[choice] if isinstance(choice, str) else pb.ToolChoice.AUTO)


def forced(name: str) -> pb.ToolChoice:
    return pb.ToolChoice(mode=pb.ToolChoice.REQUIRED, allowed=[name], forced=True)


def stops(stop: str | list[str] | UnsetType | None) -> list[str]:
    if isinstance(stop, str):
        return [stop] if stop else []
    return given(stop, [])


def constraint(response_format: s.ResponseFormat | UnsetType | None) -> pb.Constraint | None:
    if isinstance(response_format, s.ResponseFormatJsonObject):
        return pb.Constraint(json_object=True)
    if isinstance(response_format, s.ResponseFormatJsonSchema):
        return schema_constraint(given(response_format.json_schema.schema, {}))
    return None


def schema_constraint(schema: dict[str, Any], param: str = "") -> pb.Constraint:
    return pb.Constraint(json_schema=msgspec.json.encode(schema).decode(), param=param)


def structured(form: s.StructuredOutputs | UnsetType | None) -> pb.Constraint | None:
    """The first of its fields; `rules.check_output_form` has seen that there is one only."""
    if form is None or isinstance(form, UnsetType):
        return None
    param = "structured_outputs"
    if (schema := given(form.json, None)) is not None:
        return schema_constraint(schema, param)
    if choice := given(form.choice, None):
        return pb.Constraint(regex="|".join(map(escaped, choice)), param=param)
    if regex := given(form.regex, None):
        return pb.Constraint(regex=regex, param=param)
    return pb.Constraint(lark=given(form.grammar, ""), param=param)


def escaped(text: str) -> str:
    """A regular expression that matches the text only."""
    return re.sub(r"[\\.+*?()|\[\]{}^$#&~-]", r"\\\g<0>", text)
