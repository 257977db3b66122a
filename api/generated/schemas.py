# Generated from openapi/spec.yaml by openapi/codegen/server.py. Do not edit.

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

Stop: TypeAlias = Annotated[str, Meta(max_length=256)]


Stop1Item: TypeAlias = Annotated[str, Meta(max_length=256, min_length=1)]


Stop1: TypeAlias = Annotated[list[Stop1Item], Meta(max_length=4)]


StopTokenId: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


class StreamOptions(Struct, kw_only=True):
    include_usage: bool | None | UnsetType = UNSET
    include_obfuscation: bool | None | UnsetType = UNSET


LogitBiasAdditionalProperty: TypeAlias = Annotated[float, Meta(ge=-100.0, le=100.0)]


LogitBias: TypeAlias = Annotated[dict[str, LogitBiasAdditionalProperty], Meta(max_length=1024)]


class ChatTemplateKwargs(Struct, kw_only=True):
    enable_thinking: bool | None | UnsetType = UNSET


MetadataAdditionalProperty: TypeAlias = Annotated[str, Meta(max_length=512)]


Metadata: TypeAlias = Annotated[dict[str, MetadataAdditionalProperty], Meta(max_length=16)]


class TextPart(Struct, kw_only=True, tag_field="type", tag="text"):
    text: str


class RefusalPart(Struct, kw_only=True, tag_field="type", tag="refusal"):
    refusal: str


class ImageUrl(Struct, kw_only=True):
    url: str
    detail: str | None | UnsetType = UNSET


class FunctionDefinition(Struct, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    description: Annotated[str, Meta(max_length=65536)] | None | UnsetType = UNSET
    parameters: dict[str, Any] | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET


ToolChoiceMode: TypeAlias = Literal["none", "auto", "required"]


class FunctionName(Struct, kw_only=True):
    name: Annotated[str, Meta(max_length=64)]


class FunctionCall(Struct, kw_only=True):
    name: Annotated[str, Meta(max_length=256)]
    arguments: str


class ResponseFormatText(Struct, kw_only=True, tag_field="type", tag="text"):
    pass


class ResponseFormatJsonObject(Struct, kw_only=True, tag_field="type", tag="json_object"):
    pass


class JsonSchemaFormat(Struct, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None | UnsetType = UNSET
    schema: dict[str, Any] | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET


FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]


class TopLogprob(Struct, kw_only=True):
    token: str
    logprob: float
    bytes: list[int] | None


class PromptTokensDetails(Struct, kw_only=True):
    cached_tokens: int
    audio_tokens: int


class CompletionTokensDetails(Struct, kw_only=True):
    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class ChatCompletionEvent(Struct, kw_only=True):
    data: Literal["[DONE]"] | str


class FunctionCallDelta(Struct, kw_only=True):
    arguments: str
    name: str | UnsetType = UNSET


Input: TypeAlias = Annotated[str, Meta(min_length=1)]


Input11: TypeAlias = Annotated[str, Meta(min_length=1)]


Input12: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


Input13Item: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


Input13: TypeAlias = Annotated[list[Input13Item], Meta(min_length=1)]


Input1: TypeAlias = Annotated[list[Input11 | Input12 | Input13], Meta(max_length=2048, min_length=1)]


EncodingFormat: TypeAlias = Literal["float", "base64"]


class Embedding(Struct, kw_only=True):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Struct, kw_only=True):
    prompt_tokens: int
    total_tokens: int


class Model(Struct, kw_only=True):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kind: Literal["chat", "embedding"] | UnsetType = UNSET
    max_model_len: int | UnsetType = UNSET
    dimensions: int | UnsetType = UNSET
    replicas: int | UnsetType = UNSET


class Health(Struct, kw_only=True):
    status: Literal["ok"]


class Readiness(Struct, kw_only=True):
    status: Literal["ready", "not_ready"]
    checks: dict[str, str]


class Error(Struct, kw_only=True):
    message: str
    type: str
    param: str | None
    code: str | None


TextContent1: TypeAlias = Annotated[list[TextPart], Meta(max_length=1024, min_length=1)]


TextContent: TypeAlias = str | TextContent1


AssistantContentPart: TypeAlias = TextPart | RefusalPart


class ImagePart(Struct, kw_only=True, tag_field="type", tag="image_url"):
    image_url: ImageUrl


class Tool(Struct, kw_only=True):
    type: Literal["function"]
    function: FunctionDefinition


class NamedToolChoice(Struct, kw_only=True):
    type: Literal["function"]
    function: FunctionName


class ToolCall(Struct, kw_only=True):
    id: Annotated[str, Meta(max_length=256)]
    type: Literal["function"]
    function: FunctionCall


class ResponseFormatJsonSchema(Struct, kw_only=True, tag_field="type", tag="json_schema"):
    json_schema: JsonSchemaFormat


class ChatCompletionMessage(Struct, kw_only=True):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[dict[str, Any]] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class TokenLogprob(Struct, kw_only=True):
    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprob]


class CompletionUsage(Struct, kw_only=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
    code: Literal["budget_exhausted"] | UnsetType = UNSET


class ToolCallDelta(Struct, kw_only=True):
    index: int
    function: FunctionCallDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class EmbeddingRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    input: Input | Input1
    encoding_format: EncodingFormat | None | UnsetType = UNSET
    dimensions: Annotated[int, Meta(ge=1, le=1048576)] | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET


class EmbeddingResponse(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class ModelList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Model]


class ErrorResponse(Struct, kw_only=True):
    error: Error


class SystemMessage(Struct, kw_only=True, tag_field="role", tag="system"):
    content: TextContent
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET


class DeveloperMessage(Struct, kw_only=True, tag_field="role", tag="developer"):
    content: TextContent
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET


Content1: TypeAlias = Annotated[list[AssistantContentPart], Meta(max_length=1024)]


class AssistantMessage(Struct, kw_only=True, tag_field="role", tag="assistant"):
    content: str | Content1 | None | UnsetType = UNSET
    refusal: str | None | UnsetType = UNSET
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET
    tool_calls: Annotated[list[ToolCall], Meta(max_length=128)] | None | UnsetType = UNSET
    reasoning_content: str | None | UnsetType = UNSET


class ToolMessage(Struct, kw_only=True, tag_field="role", tag="tool"):
    content: TextContent
    tool_call_id: Annotated[str, Meta(max_length=256)]
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET


UserContentPart: TypeAlias = TextPart | ImagePart


ResponseFormat: TypeAlias = ResponseFormatText | ResponseFormatJsonObject | ResponseFormatJsonSchema


class ChoiceLogprobs(Struct, kw_only=True):
    content: list[TokenLogprob] | None
    refusal: list[TokenLogprob] | None


class ChoiceDelta(Struct, kw_only=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | None | UnsetType = UNSET
    refusal: str | None | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


Content: TypeAlias = Annotated[list[UserContentPart], Meta(max_length=1024, min_length=1)]


class UserMessage(Struct, kw_only=True, tag_field="role", tag="user"):
    content: str | Content
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET


class Choice(Struct, kw_only=True):
    index: int
    message: ChatCompletionMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason


class ChunkChoice(Struct, kw_only=True):
    index: int
    delta: ChoiceDelta
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason | None


ChatMessage: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


class ChatCompletion(Struct, kw_only=True):
    id: Annotated[str, Meta(pattern="^chatcmpl-")]
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    service_tier: str
    system_fingerprint: str | None
    metadata: Metadata | None | UnsetType = UNSET


class ChatCompletionChunk(Struct, kw_only=True):
    id: Annotated[str, Meta(pattern="^chatcmpl-")]
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    service_tier: str
    system_fingerprint: str | None
    choices: list[ChunkChoice]
    usage: CompletionUsage | None | UnsetType = UNSET


class ChatCompletionRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    messages: Annotated[list[ChatMessage], Meta(max_length=2048, min_length=1)]
    stream: bool | None | UnsetType = False
    stream_options: StreamOptions | None | UnsetType = UNSET
    max_completion_tokens: Annotated[int, Meta(ge=1, le=2147483647)] | None | UnsetType = UNSET
    max_tokens: Annotated[int, Meta(ge=1, le=2147483647)] | None | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None | UnsetType = 1
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None | UnsetType = 1
    top_k: Annotated[int, Meta(ge=-1, le=2147483647)] | None | UnsetType = UNSET
    min_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None | UnsetType = UNSET
    repetition_penalty: Annotated[float, Meta(gt=0.0, le=10.0)] | None | UnsetType = UNSET
    presence_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None | UnsetType = 0
    frequency_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None | UnsetType = 0
    logit_bias: LogitBias | None | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=-9223372036854775808, le=9223372036854775807)] | None | UnsetType = UNSET
    stop: Stop | Stop1 | None | UnsetType = UNSET
    stop_token_ids: Annotated[list[StopTokenId], Meta(max_length=64)] | None | UnsetType = UNSET
    ignore_eos: bool | None | UnsetType = UNSET
    min_tokens: Annotated[int, Meta(ge=0, le=2147483647)] | None | UnsetType = UNSET
    n: Annotated[int, Meta(ge=1, le=8)] | None | UnsetType = 1
    logprobs: bool | None | UnsetType = False
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None | UnsetType = UNSET
    tools: Annotated[list[Tool], Meta(max_length=128)] | None | UnsetType = UNSET
    tool_choice: ToolChoiceMode | NamedToolChoice | None | UnsetType = UNSET
    parallel_tool_calls: bool | None | UnsetType = True
    response_format: ResponseFormat | None | UnsetType = UNSET
    reasoning_effort: str | None | UnsetType = UNSET
    chat_template_kwargs: ChatTemplateKwargs | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    modalities: list[Literal["text"]] | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET
    store: bool | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET
    safety_identifier: Annotated[str, Meta(max_length=128)] | None | UnsetType = UNSET
    prompt_cache_key: str | None | UnsetType = UNSET
    verbosity: str | None | UnsetType = UNSET
    prediction: dict[str, Any] | None | UnsetType = UNSET
