"""Chat completions in OpenAI's form: OpenAI, vLLM, llama-server, Ollama, Gemini's compatible endpoint, NovAI itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from gen import inference_pb2 as pb

from internal.inference.backends.upstream.forms import (
    Calls,
    StreamError,
    counted,
    decimal,
    effort_for,
    image_type,
    offered,
    parameters,
)
from internal.inference.efforts import thinks
from internal.upstream.options import UpstreamOptions, bearer

FINISHES: Mapping[str, pb.FinishReason.ValueType] = {
    "stop": pb.STOP,
    "length": pb.LENGTH,
    "tool_calls": pb.TOOL_CALLS,
    "function_call": pb.TOOL_CALLS,
    "content_filter": pb.CONTENT_FILTER,
}
CHOICES: Mapping[pb.ToolChoice.Mode.ValueType, str] = {
    pb.ToolChoice.AUTO: "auto",
    pb.ToolChoice.NONE: "none",
    pb.ToolChoice.REQUIRED: "required",
}


class OpenAICompatible:
    """Implements `forms.Form`."""

    path = "/chat/completions"
    count_path = ""
    authorization = staticmethod(bearer)

    @staticmethod
    def body(request: pb.GenerateRequest, options: UpstreamOptions) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": options.model,
            "messages": [message(item, options.extensions) for item in request.chat.messages],
            "stream_options": {"include_usage": True},
        }
        body |= sampling(request.sampling) | tools(request.chat)
        if most := request.max_tokens or options.max_tokens:
            body[options.max_tokens_field] = most
        if request.stop:
            body["stop"] = list(request.stop)
        if request.n > 1:
            body["n"] = request.n
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if effort := effort_for(request.chat, options):
            body["reasoning_effort"] = effort
        if request.HasField("constraint"):
            body |= form_of(request.constraint)
        return body | extensions(request) if options.extensions else body

    @staticmethod
    def reader(request: pb.GenerateRequest) -> ChunkReader:
        return ChunkReader(max(1, request.n))


# ---------------------------------------------------------------- request


def message(item: pb.Message, extended: bool) -> dict[str, Any]:
    """`extended`: with what it thought, which templates show between calls, and servers that do not know it refuse."""
    said: dict[str, Any] = {"role": item.role, "content": content(item.parts)}
    if extended and item.reasoning:
        said["reasoning_content"] = item.reasoning
    if item.name:
        said["name"] = item.name
    if item.tool_call_id:
        said["tool_call_id"] = item.tool_call_id
    if item.tool_calls:
        said["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in item.tool_calls
        ]
        said["content"] = said["content"] or None
    return said


def content(parts: Iterable[pb.Part]) -> str | list[dict[str, Any]]:
    """One text is said as such, which every server understands."""
    shown = [part_of(part) for part in parts]
    if any(part["type"] != "text" for part in shown) or len(shown) > 1:
        return shown
    return str(shown[0]["text"]) if shown else ""


def part_of(part: pb.Part) -> dict[str, Any]:
    if part.WhichOneof("kind") == "image":
        data = base64.b64encode(part.image.data).decode()
        return {"type": "image_url", "image_url": {"url": f"data:{image_type(part.image.data)};base64,{data}"}}
    return {"type": "text", "text": part.text}


def sampling(given: pb.Sampling) -> dict[str, Any]:
    """What is not as the API has it anyway: some models refuse to be told even that."""
    said: dict[str, Any] = {}
    for name, default in (("temperature", 1.0), ("top_p", 1.0), ("presence_penalty", 0.0), ("frequency_penalty", 0.0)):
        if (value := getattr(given, name)) != default:
            said[name] = decimal(value)
    if given.HasField("seed"):
        said["seed"] = given.seed
    if given.logit_bias:
        said["logit_bias"] = {str(token): decimal(bias) for token, bias in given.logit_bias.items()}
    return said


def tools(chat: pb.Chat) -> dict[str, Any]:
    if not (given := offered(chat)):
        return {}
    said: dict[str, Any] = {"tools": [tool(item) for item in given]}
    if chat.tool_choice.mode != pb.ToolChoice.AUTO:
        said["tool_choice"] = CHOICES[chat.tool_choice.mode]
    if not chat.parallel_tool_calls:
        said["parallel_tool_calls"] = False
    return said


def tool(item: pb.Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": item.name, "parameters": parameters(item)}
    if item.description:
        function["description"] = item.description
    if item.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def form_of(constraint: pb.Constraint) -> dict[str, Any]:
    match constraint.WhichOneof("kind"):
        case "json_schema":
            schema = msgspec.Raw(constraint.json_schema.encode())
            named = {"name": "answer", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case "json_object":
            return {"response_format": {"type": "json_object"}}
        case "regex":
            return {"structured_outputs": {"regex": constraint.regex}}
        case _:
            return {"structured_outputs": {"grammar": constraint.lark}}


def extensions(request: pb.GenerateRequest) -> dict[str, Any]:
    """What vLLM and NovAI take beside OpenAI's fields."""
    given = request.sampling
    values: dict[str, Any] = {name: decimal(getattr(given, name)) for name in ("min_p", "repetition_penalty")}
    values |= {"top_k": given.top_k, "min_tokens": request.min_tokens, "ignore_eos": request.ignore_eos}
    said = {name: value for name, value in values.items() if value}
    if request.stop_token_ids:
        said["stop_token_ids"] = list(request.stop_token_ids)
    if request.chat.template_kwargs_json:
        said["chat_template_kwargs"] = msgspec.Raw(request.chat.template_kwargs_json.encode())
    elif request.chat.effort_is_wish and request.chat.reasoning_effort:
        said["chat_template_kwargs"] = {"enable_thinking": thinks(request.chat.reasoning_effort)}
    return said


# ---------------------------------------------------------------- answer


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


Byte = Annotated[int, msgspec.Meta(ge=0, le=255)]


class Top(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[Byte] | None = None


class Token(Top):
    top_logprobs: list[Top] | None = None


class Logprobs(msgspec.Struct):
    content: list[Token] | None = None


class Block(msgspec.Struct):
    """Mistral's: `content` of models that think."""

    text: str | None = None
    thinking: str | list[Block] | None = None


class Said(msgspec.Struct):
    content: str | list[Block] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # vLLM's later name of it
    refusal: str | None = None
    tool_calls: list[Call] | None = None


def spoken(content: str | list[Block] | None) -> tuple[str, str]:
    """Text and thoughts."""
    if content is None or isinstance(content, str):
        return content or "", ""
    thoughts = [spoken(block.thinking)[0] for block in content]
    return "".join(block.text or "" for block in content), "".join(thoughts)


class Choice(msgspec.Struct):
    index: int = 0
    delta: Said | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None  # vLLM: the stop string
    logprobs: Logprobs | None = None


class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class Chunk(msgspec.Struct):
    choices: list[Choice] | None = None  # some say null where there are none
    usage: Usage | None = None
    error: msgspec.Raw | None = None


decode = msgspec.json.Decoder(Chunk).decode


class ChunkReader:
    """Implements `forms.Reader`."""

    def __init__(self, choices: int) -> None:
        self.done = False
        self.usage: pb.Usage | None = None
        self.finishes: dict[int, pb.Delta] = {}
        self._calls = [Calls() for _ in range(choices)]

    def read(self, data: bytes) -> list[pb.Delta]:
        if data == b"[DONE]":
            self.done = True
            return []
        try:
            chunk = decode(data)
        except (ValueError, RecursionError):
            raise StreamError("a chunk that is not in OpenAI's form") from None
        if chunk.error is not None:
            raise StreamError("an error in the middle of the answer")
        if chunk.usage is not None:
            self.usage = usage_of(chunk.usage)
        deltas = []
        for choice in chunk.choices or ():
            if not 0 <= choice.index < len(self._calls):
                raise StreamError("a choice that was not asked for")
            deltas += self._deltas(choice)
        return deltas

    def _deltas(self, choice: Choice) -> list[pb.Delta]:
        said = choice.delta or Said()
        deltas = []
        text, thought = spoken(said.content)
        text = text or said.refusal or ""
        reasoning = said.reasoning_content or said.reasoning or thought
        calls = self._calls_of(choice.index, said.tool_calls) if said.tool_calls else None
        if text or reasoning or calls or choice.logprobs is not None:
            delta = pb.Delta(choice=choice.index, text=text, reasoning=reasoning, tool_calls=calls)
            if choice.logprobs is not None:
                delta.logprobs.extend(map(logprob, choice.logprobs.content or ()))
            deltas.append(delta)
        if choice.finish_reason:
            deltas += self._finished(choice)
        return deltas

    def _calls_of(self, choice: int, said: Iterable[Call]) -> list[pb.ToolCallDelta]:
        calls = self._calls[choice]
        deltas = []
        for call in said:
            function = call.function or Function()
            deltas += calls.take(call.index, call.id or "", function.name or "", function.arguments or "")
        return deltas

    def _finished(self, choice: Choice) -> list[pb.Delta]:
        calls = self._calls[choice.index]
        reason = FINISHES.get(choice.finish_reason or "", pb.STOP)
        if reason == pb.STOP and len(calls):  # some say `stop` all the same; calls that were cut are nobody's to act on
            reason = pb.TOOL_CALLS
        stop = choice.stop_reason if isinstance(choice.stop_reason, str) else ""
        self.finishes[choice.index] = pb.Delta(choice=choice.index, finish=reason, stop_sequence=stop)
        rest = calls.end()
        return [pb.Delta(choice=choice.index, tool_calls=rest)] if rest else []


def logprob(token: Token) -> pb.TokenLogprob:
    return pb.TokenLogprob(
        token=token_bytes(token),
        logprob=token.logprob,
        top=[pb.TopLogprob(token=token_bytes(top), logprob=top.logprob) for top in token.top_logprobs or ()],
    )


def token_bytes(token: Top) -> bytes:
    return bytes(token.bytes) if token.bytes is not None else token.token.encode()


def usage_of(told: Usage) -> pb.Usage | None:
    if told.prompt_tokens is None or told.completion_tokens is None:
        return None
    cached = told.prompt_tokens_details.cached_tokens if told.prompt_tokens_details else 0
    reasoning = told.completion_tokens_details.reasoning_tokens if told.completion_tokens_details else 0
    # xAI and Gemini bill reasoning and count it in the total, not in the completion.
    completion = max(told.completion_tokens, (told.total_tokens or 0) - told.prompt_tokens)
    return counted(told.prompt_tokens, cached or 0, completion, reasoning or 0)
