# Generated from openapi/spec.yaml by openapi/codegen/server.py. Do not edit.

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

Stop: TypeAlias = Annotated[str, Meta(max_length=256)]


Stop1Item: TypeAlias = Annotated[str, Meta(max_length=256, min_length=1)]


Stop1: TypeAlias = Annotated[list[Stop1Item], Meta(max_length=4)]


StopTokenId: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


class StreamOptions(Struct, kw_only=True):
    include_usage: bool | None | UnsetType = UNSET
    include_obfuscation: bool | None | UnsetType = UNSET
    continuous_usage_stats: bool | None | UnsetType = UNSET


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


ToolName: TypeAlias = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}\\Z")]


class FunctionDefinition(Struct, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}\\Z")]
    description: Annotated[str, Meta(max_length=65536)] | None | UnsetType = UNSET
    parameters: dict[str, Any] | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET


ToolChoiceMode: TypeAlias = Literal["none", "auto", "required"]


class FunctionName(Struct, kw_only=True):
    name: Annotated[str, Meta(max_length=64)]


class FunctionCall(Struct, kw_only=True):
    name: Annotated[str, Meta(max_length=256)]
    arguments: str


ServerToolStatus: TypeAlias = Literal["completed", "failed"]


class ResponseFormatText(Struct, kw_only=True, tag_field="type", tag="text"):
    pass


class ResponseFormatJsonObject(Struct, kw_only=True, tag_field="type", tag="json_object"):
    pass


class JsonSchemaFormat(Struct, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}\\Z")]
    description: str | None | UnsetType = UNSET
    schema: dict[str, Any] | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET


ChoiceItem: TypeAlias = Annotated[str, Meta(max_length=1024, min_length=1)]


class StructuredOutputs(Struct, kw_only=True):
    json: dict[str, Any] | None | UnsetType = UNSET
    regex: Annotated[str, Meta(max_length=65536, min_length=1)] | None | UnsetType = UNSET
    choice: Annotated[list[ChoiceItem], Meta(max_length=1000, min_length=1)] | None | UnsetType = UNSET
    grammar: Annotated[str, Meta(max_length=65536, min_length=1)] | None | UnsetType = UNSET


ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


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


class ServerToolCallDelta(Struct, kw_only=True):
    index: int
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    status: ServerToolStatus | UnsetType = UNSET
    output: str | UnsetType = UNSET


class FunctionCallDelta(Struct, kw_only=True):
    arguments: str
    name: str | UnsetType = UNSET


Prompt1: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


Prompt2Item: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


Prompt2: TypeAlias = Annotated[list[Prompt2Item], Meta(min_length=1)]


Prompt: TypeAlias = Annotated[list[str | Prompt1 | Prompt2], Meta(min_length=1)]


Stop2: TypeAlias = Annotated[str, Meta(max_length=256)]


Stop3Item: TypeAlias = Annotated[str, Meta(max_length=256, min_length=1)]


Stop3: TypeAlias = Annotated[list[Stop3Item], Meta(max_length=4)]


class CompletionRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    prompt: str | Prompt | None
    echo: bool | None | UnsetType = False
    suffix: str | None | UnsetType = UNSET
    max_tokens: Annotated[int, Meta(ge=0, le=2147483647)] | None | UnsetType = 16
    stream: bool | None | UnsetType = False
    stream_options: StreamOptions | None | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None | UnsetType = 1
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None | UnsetType = 1
    top_k: Annotated[int, Meta(ge=-1, le=2147483647)] | None | UnsetType = UNSET
    min_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None | UnsetType = UNSET
    repetition_penalty: Annotated[float, Meta(gt=0.0, le=10.0)] | None | UnsetType = UNSET
    presence_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None | UnsetType = 0
    frequency_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None | UnsetType = 0
    logit_bias: LogitBias | None | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=-9223372036854775808, le=9223372036854775807)] | None | UnsetType = UNSET
    stop: Stop2 | Stop3 | None | UnsetType = UNSET
    stop_token_ids: Annotated[list[StopTokenId], Meta(max_length=64)] | None | UnsetType = UNSET
    ignore_eos: bool | None | UnsetType = UNSET
    min_tokens: Annotated[int, Meta(ge=0, le=2147483647)] | None | UnsetType = UNSET
    n: Annotated[int, Meta(ge=1, le=8)] | None | UnsetType = 1
    best_of: Annotated[int, Meta(ge=0, le=20)] | None | UnsetType = UNSET
    logprobs: Annotated[int, Meta(ge=0, le=5)] | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET


CompletionFinishReason: TypeAlias = Literal["stop", "length", "content_filter"]


class CompletionLogprobs(Struct, kw_only=True):
    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


class CompletionEvent(Struct, kw_only=True):
    data: Literal["[DONE]"] | str


class ResponseStreamOptions(Struct, kw_only=True):
    include_obfuscation: bool | None | UnsetType = UNSET


ResponseIncludable: TypeAlias = Literal[
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "message.input_image.image_url",
    "file_search_call.results",
    "web_search_call.results",
    "web_search_call.action.sources",
    "computer_call_output.output.image_url",
    "code_interpreter_call.outputs",
]


class ResponseInputText(Struct, kw_only=True, tag_field="type", tag="input_text"):
    text: str


class ResponseInputImage(Struct, kw_only=True, tag_field="type", tag="input_image"):
    image_url: str | None | UnsetType = UNSET
    file_id: str | None | UnsetType = UNSET
    detail: str | None | UnsetType = UNSET


class ResponseInputFile(Struct, kw_only=True, tag_field="type", tag="input_file"):
    file_data: str | None | UnsetType = UNSET
    file_id: str | None | UnsetType = UNSET
    file_url: str | None | UnsetType = UNSET
    filename: str | None | UnsetType = UNSET


class ResponseTextInput(Struct, kw_only=True, tag_field="type", tag="output_text"):
    text: str
    annotations: Annotated[list[dict[str, Any]], Meta(max_length=1024)] | None | UnsetType = UNSET


class ResponseRefusal(Struct, kw_only=True, tag_field="type", tag="refusal"):
    refusal: str


class ResponseFunctionCallInput(Struct, kw_only=True, tag_field="type", tag="function_call"):
    call_id: Annotated[str, Meta(max_length=256)]
    name: Annotated[str, Meta(max_length=256)]
    arguments: str
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET


class ResponseCustomToolCall(Struct, kw_only=True, tag_field="type", tag="custom_tool_call"):
    call_id: Annotated[str, Meta(max_length=256)]
    name: Annotated[str, Meta(max_length=256)]
    input: str
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET


class ResponseCallError(Struct, kw_only=True):
    type: str | None | UnsetType = UNSET
    message: str | None | UnsetType = UNSET
    content: Annotated[Any, Meta(description="What the model read, as parts with `text`.")] | UnsetType = UNSET


class ResponseSummaryText(Struct, kw_only=True):
    type: Literal["summary_text"]
    text: str


class ResponseReasoningText(Struct, kw_only=True, tag_field="type", tag="reasoning_text"):
    text: str


class ResponseItemReference(Struct, kw_only=True, tag_field="type", tag="item_reference"):
    id: Annotated[str, Meta(max_length=128, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")]


class ResponseFunctionTool(Struct, kw_only=True, tag_field="type", tag="function"):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}\\Z")]
    description: Annotated[str, Meta(max_length=65536)] | None | UnsetType = UNSET
    parameters: dict[str, Any] | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET


class ResponseServerTools(Struct, kw_only=True, tag_field="type", tag="mcp"):
    server_label: Annotated[str, Meta(max_length=64)]
    allowed_tools: Annotated[list[ToolName], Meta(max_length=128, min_length=1)]
    require_approval: Any | UnsetType = UNSET
    server_description: str | None | UnsetType = UNSET
    server_url: str | None | UnsetType = UNSET
    connector_id: str | None | UnsetType = UNSET
    authorization: str | None | UnsetType = UNSET
    headers: dict[str, Any] | None | UnsetType = UNSET


class ResponseNamedTool(Struct, kw_only=True, tag_field="type", tag="function"):
    name: Annotated[str, Meta(max_length=64)]


class ResponseAllowedTool(Struct, kw_only=True):
    type: Literal["function"]
    name: Annotated[str, Meta(max_length=64)]


class ResponseTextJsonSchema(Struct, kw_only=True, tag_field="type", tag="json_schema"):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}\\Z")]
    schema: dict[str, Any]
    description: str | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET


class ResponseReasoningConfig(Struct, kw_only=True):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None | UnsetType = UNSET
    summary: Literal["auto", "concise", "detailed"] | None | UnsetType = UNSET
    generate_summary: Literal["auto", "concise", "detailed"] | None | UnsetType = UNSET


ResponseStatus: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]


class ResponseIncompleteDetails(Struct, kw_only=True):
    reason: Literal["max_output_tokens", "content_filter"]


class ResponseError(Struct, kw_only=True):
    code: str
    message: str
    type: str


ResponseItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class ResponseFunctionCall(Struct, kw_only=True, tag_field="type", tag="function_call"):
    id: Annotated[str, Meta(pattern="^fc_")]
    call_id: str
    name: str
    arguments: str
    status: ResponseItemStatus


ResponseServerToolStatus: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed"]


class ResponseToolError(Struct, kw_only=True):
    type: Literal["mcp_tool_execution_error"]
    content: Annotated[list[TextPart], Meta(max_length=1024)]


class ResponseReasoning(Struct, kw_only=True, tag_field="type", tag="reasoning"):
    id: Annotated[str, Meta(pattern="^rs_")]
    summary: list[ResponseSummaryText]
    content: list[ResponseReasoningText]
    encrypted_content: str | None
    status: ResponseItemStatus


class ResponseInputTokensDetails(Struct, kw_only=True):
    cached_tokens: int
    cache_write_tokens: int


class ResponseOutputTokensDetails(Struct, kw_only=True):
    reasoning_tokens: int


class ResponseDeleted(Struct, kw_only=True):
    id: str
    object: Literal["response"]
    deleted: bool


class ResponseEvent(Struct, kw_only=True):
    data: Literal["[DONE]"] | str
    event: str | UnsetType = UNSET


class ResponseFunctionCallArgumentsDeltaEvent(
    Struct, kw_only=True, tag_field="type", tag="response.function_call_arguments.delta"
):
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ResponseFunctionCallArgumentsDoneEvent(
    Struct, kw_only=True, tag_field="type", tag="response.function_call_arguments.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    name: str
    arguments: str


class ResponseServerToolInProgressEvent(Struct, kw_only=True, tag_field="type", tag="response.mcp_call.in_progress"):
    sequence_number: int
    item_id: str
    output_index: int


class ResponseServerToolArgumentsDeltaEvent(
    Struct, kw_only=True, tag_field="type", tag="response.mcp_call_arguments.delta"
):
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ResponseServerToolArgumentsDoneEvent(
    Struct, kw_only=True, tag_field="type", tag="response.mcp_call_arguments.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    arguments: str


class ResponseServerToolCompletedEvent(Struct, kw_only=True, tag_field="type", tag="response.mcp_call.completed"):
    sequence_number: int
    item_id: str
    output_index: int


class ResponseServerToolFailedEvent(Struct, kw_only=True, tag_field="type", tag="response.mcp_call.failed"):
    sequence_number: int
    item_id: str
    output_index: int


class ResponseReasoningTextDeltaEvent(Struct, kw_only=True, tag_field="type", tag="response.reasoning_text.delta"):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseReasoningTextDoneEvent(Struct, kw_only=True, tag_field="type", tag="response.reasoning_text.done"):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str


class ResponseReasoningSummaryPartAddedEvent(
    Struct, kw_only=True, tag_field="type", tag="response.reasoning_summary_part.added"
):
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: ResponseSummaryText


class ResponseReasoningSummaryTextDeltaEvent(
    Struct, kw_only=True, tag_field="type", tag="response.reasoning_summary_text.delta"
):
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    delta: str


class ResponseReasoningSummaryTextDoneEvent(
    Struct, kw_only=True, tag_field="type", tag="response.reasoning_summary_text.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    text: str


class ResponseReasoningSummaryPartDoneEvent(
    Struct, kw_only=True, tag_field="type", tag="response.reasoning_summary_part.done"
):
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: ResponseSummaryText


Input1: TypeAlias = Annotated[str, Meta(min_length=1)]


Input21: TypeAlias = Annotated[str, Meta(min_length=1)]


Input22: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


Input23Item: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


Input23: TypeAlias = Annotated[list[Input23Item], Meta(min_length=1)]


Input2: TypeAlias = Annotated[list[Input21 | Input22 | Input23], Meta(max_length=2048, min_length=1)]


EncodingFormat: TypeAlias = Literal["float", "base64"]


class Embedding(Struct, kw_only=True):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingUsage(Struct, kw_only=True):
    prompt_tokens: int
    total_tokens: int


Documents: TypeAlias = Annotated[str, Meta(min_length=1)]


class RerankDocument(Struct, kw_only=True):
    text: Annotated[str, Meta(min_length=1)]


class RerankResult(Struct, kw_only=True):
    index: int
    relevance_score: float
    document: RerankDocument | UnsetType = UNSET


class MessageTextBlock(Struct, kw_only=True, tag_field="type", tag="text"):
    text: str
    cache_control: dict[str, Any] | None | UnsetType = UNSET


System: TypeAlias = Annotated[list[MessageTextBlock], Meta(max_length=1024)]


StopSequence: TypeAlias = Annotated[str, Meta(max_length=256, min_length=1)]


Content4: TypeAlias = Annotated[list[MessageTextBlock], Meta(max_length=4096)]


class MessageSystem(Struct, kw_only=True, tag_field="role", tag="system"):
    content: str | Content4


class MessageBase64Source(Struct, kw_only=True, tag_field="type", tag="base64"):
    media_type: Annotated[str, Meta(max_length=128)]
    data: str


class MessageUrlSource(Struct, kw_only=True, tag_field="type", tag="url"):
    url: str


class MessageDocumentBlock(Struct, kw_only=True, tag_field="type", tag="document"):
    source: dict[str, Any]
    cache_control: dict[str, Any] | None | UnsetType = UNSET


class MessageToolUseBlock(Struct, kw_only=True, tag_field="type", tag="tool_use"):
    id: Annotated[str, Meta(max_length=256)]
    name: Annotated[str, Meta(max_length=256)]
    input: dict[str, Any]
    cache_control: dict[str, Any] | None | UnsetType = UNSET


class MessageThinkingBlock(Struct, kw_only=True, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class MessageRedactedThinkingBlock(Struct, kw_only=True, tag_field="type", tag="redacted_thinking"):
    data: str


class MessageTool(Struct, kw_only=True):
    name: Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,128}\\Z")]
    type: str | None | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=65536)] | None | UnsetType = UNSET
    input_schema: dict[str, Any] | None | UnsetType = UNSET
    strict: bool | None | UnsetType = UNSET
    cache_control: dict[str, Any] | None | UnsetType = UNSET


class MessageToolChoiceAuto(Struct, kw_only=True, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool | None | UnsetType = UNSET


class MessageToolChoiceAny(Struct, kw_only=True, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool | None | UnsetType = UNSET


class MessageToolChoiceTool(Struct, kw_only=True, tag_field="type", tag="tool"):
    name: Annotated[str, Meta(max_length=128)]
    disable_parallel_tool_use: bool | None | UnsetType = UNSET


class MessageToolChoiceNone(Struct, kw_only=True, tag_field="type", tag="none"):
    pass


class MessageThinkingEnabled(Struct, kw_only=True, tag_field="type", tag="enabled"):
    budget_tokens: Annotated[int, Meta(ge=1, le=2147483647)] | None | UnsetType = UNSET
    display: str | None | UnsetType = UNSET


class MessageThinkingAdaptive(Struct, kw_only=True, tag_field="type", tag="adaptive"):
    display: str | None | UnsetType = UNSET


class MessageThinkingBetweenTools(Struct, kw_only=True, tag_field="type", tag="between_tools"):
    pass


class MessageThinkingDisabled(Struct, kw_only=True, tag_field="type", tag="disabled"):
    pass


class MessageOutputFormat(Struct, kw_only=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


MessageContentBlock: TypeAlias = MessageTextBlock | MessageToolUseBlock | MessageThinkingBlock


MessageStopReason: TypeAlias = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "model_context_window_exceeded"
]


class MessageOutputTokensDetails(Struct, kw_only=True):
    thinking_tokens: int


class MessageTokens(Struct, kw_only=True):
    input_tokens: int


class MessageEvent(Struct, kw_only=True):
    event: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    ]
    data: str


class MessageBlockStartEvent(Struct, kw_only=True, tag_field="type", tag="content_block_start"):
    index: int
    content_block: MessageContentBlock


class MessageTextDelta(Struct, kw_only=True, tag_field="type", tag="text_delta"):
    text: str


class MessageInputJsonDelta(Struct, kw_only=True, tag_field="type", tag="input_json_delta"):
    partial_json: str


class MessageThinkingDelta(Struct, kw_only=True, tag_field="type", tag="thinking_delta"):
    thinking: str


class MessageSignatureDelta(Struct, kw_only=True, tag_field="type", tag="signature_delta"):
    signature: str


class MessageBlockStopEvent(Struct, kw_only=True, tag_field="type", tag="content_block_stop"):
    index: int


class MessageEnd(Struct, kw_only=True):
    stop_reason: MessageStopReason
    stop_sequence: str | None


class MessageStopEvent(Struct, kw_only=True, tag_field="type", tag="message_stop"):
    pass


class MessageErrorDetails(Struct, kw_only=True):
    error_code: str | None
    param: str | None


class InputTokens(Struct, kw_only=True):
    object: Literal["response.input_tokens"]
    input_tokens: int


class TokenizeResponse(Struct, kw_only=True):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


Token: TypeAlias = Annotated[int, Meta(ge=0, le=4294967295)]


class DetokenizeRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    tokens: Annotated[list[Token], Meta(max_length=1048576)]


class DetokenizeResponse(Struct, kw_only=True):
    prompt: str


BatchEndpoint: TypeAlias = Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]


BatchStatus: TypeAlias = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]


class BatchInput(Struct, kw_only=True):
    custom_id: Annotated[str, Meta(max_length=512, min_length=1)] | UnsetType = UNSET
    body: dict[str, Any] | UnsetType = UNSET


class BatchOutputExpiry(Struct, kw_only=True):
    anchor: Literal["created_at"]
    seconds: Annotated[int, Meta(ge=3600, le=2592000)]


class BatchRequest(Struct, kw_only=True):
    input_file_id: (
        Annotated[str, Meta(max_length=128, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType
    ) = UNSET
    inputs: Annotated[list[dict[str, Any]], Meta(max_length=50000, min_length=1)] | None | UnsetType = UNSET
    endpoint: BatchEndpoint | None | UnsetType = UNSET
    completion_window: Literal["24h"] | UnsetType = "24h"
    metadata: Metadata | None | UnsetType = UNSET
    output_expires_after: BatchOutputExpiry | None | UnsetType = UNSET


class BatchError(Struct, kw_only=True):
    code: str
    message: str
    param: str | None
    line: int | None


class BatchErrors(Struct, kw_only=True):
    object: Literal["list"]
    data: list[BatchError]


class BatchCounts(Struct, kw_only=True):
    total: int
    completed: int
    failed: int


class BatchInputTokensDetails(Struct, kw_only=True):
    cached_tokens: int


class BatchUsage(Struct, kw_only=True):
    input_tokens: int
    input_tokens_details: BatchInputTokensDetails
    output_tokens: int
    output_tokens_details: ResponseOutputTokensDetails
    total_tokens: int


class Batch(Struct, kw_only=True):
    id: str
    object: Literal["batch"]
    endpoint: BatchEndpoint
    model: str | None
    errors: BatchErrors | None
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: BatchCounts
    usage: BatchUsage | None
    metadata: Metadata | None
    total: int
    completed: int
    failed: int


class BatchList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Batch]
    first_id: str | None
    last_id: str | None
    has_more: bool


class UsageRow(Struct, kw_only=True):
    requests: int
    errors: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    cost_usd: float
    cost_nusd: int
    date: str | UnsetType = UNSET
    hour: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    key_id: str | UnsetType = UNSET
    project_id: str | UnsetType = UNSET


class HoldExtension(Struct, kw_only=True):
    amount_nusd: int
    extended_at: float


class RequestPrice(Struct, kw_only=True):
    version: int
    input_nusd_per_mtok: int
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    percent: int


class RequestUsed(Struct, kw_only=True):
    provenance: Literal["engine", "provider", "estimated"]
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    outcome: Literal["finished", "client_left", "upstream_broke", "refused"]
    finish_reason: str
    status: int
    streamed: bool
    replica: str
    ttft_ms: float | None
    duration_ms: float


class RequestPaid(Struct, kw_only=True):
    by: Literal["credits", "account", "operator", "nobody"]
    cost_usd: float
    cost_nusd: int
    outage_nusd: int


class RequestEvent(Struct, kw_only=True):
    kind: Literal["late_settlement", "overrun"]
    amount_nusd: int


LimitScope: TypeAlias = Literal["key", "project", "model"]


LimitName: TypeAlias = Literal[
    "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "concurrent_requests"
]


class Budget(Struct, kw_only=True):
    object: Literal["budget"]
    project_id: str
    key_id: str | None
    kind: Literal["credits", "month", "total"]
    limit_nusd: int
    spent_nusd: int
    held_nusd: int
    left_nusd: int
    left_usd: float
    alert_percents: list[int]


class AdminProject(Struct, kw_only=True):
    object: Literal["project"]
    id: str
    organisation_id: str
    name: str
    tier: str
    created_at: int


class AdminCreateProject(Struct, kw_only=True):
    name: Annotated[
        str,
        Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x20\\x7f]([^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?\\Z"),
    ]


class AdminAssignTier(Struct, kw_only=True):
    tier: Annotated[
        str,
        Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x20\\x7f]([^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?\\Z"),
    ]


class AdminKey(Struct, kw_only=True):
    object: Literal["key"]
    id: str
    project_id: str
    name: str
    ends_in: str
    scopes: list[str]
    models: list[str] | None
    state: Literal["active", "rotated", "expired", "revoked", "archived"]
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    rotated_to: str | None


class AdminNewKey(Struct, kw_only=True):
    key: str
    info: AdminKey


ModelName: TypeAlias = Annotated[str, Meta(max_length=256, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")]


KeyScope: TypeAlias = Literal["inference", "usage", "admin", "models"]


class AdminRotateKey(Struct, kw_only=True):
    overlap_s: Annotated[int, Meta(ge=0, le=3155760000)]


class AdminPrice(Struct, kw_only=True):
    object: Literal["price"]
    model: str
    version: int
    valid_from: float
    input_nusd_per_mtok: int
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    batch_percent: int


class AdminSetPrice(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")]
    input_usd_per_mtok: Annotated[float, Meta(ge=0.0, le=1000000000.0)]
    cached_usd_per_mtok: Annotated[float, Meta(ge=0.0, le=1000000000.0)]
    output_usd_per_mtok: Annotated[float, Meta(ge=0.0, le=1000000000.0)]
    batch_percent: Annotated[int, Meta(ge=0, le=100)] | UnsetType = 50
    valid_from: Annotated[int, Meta(ge=0, le=253402300799)] | None | UnsetType = UNSET


AlertPercent: TypeAlias = Annotated[int, Meta(ge=1, le=100)]


BudgetKind: TypeAlias = Literal["month", "total"]


class AdminCleared(Struct, kw_only=True):
    cleared: bool


class AdminAddCredits(Struct, kw_only=True):
    project: Annotated[str, Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")]
    amount_usd: Annotated[float, Meta(gt=0.0, le=1000000000.0)]
    id: Annotated[str, Meta(max_length=100, pattern="^[A-Za-z0-9_.:-]+\\Z")] | UnsetType = UNSET
    alert_percents: Annotated[list[AlertPercent], Meta(max_length=10)] | UnsetType = UNSET


class AdminLimit(Struct, kw_only=True):
    scope: LimitScope
    model: str | None
    name: LimitName
    limit: int | None
    burst: int | None
    set_by: str | UnsetType = UNSET


class AdminLimitRule(Struct, kw_only=True):
    name: LimitName
    limit: Annotated[int, Meta(ge=0, le=1000000000000)] | None
    burst: Annotated[int, Meta(ge=1, le=10000000000000)] | None | UnsetType = UNSET


class AdminSetLimits(Struct, kw_only=True):
    limits: Annotated[list[AdminLimitRule], Meta(max_length=5, min_length=1)]
    project: Annotated[str, Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")] | UnsetType = UNSET
    key_id: Annotated[str, Meta(max_length=64, min_length=1, pattern="^[A-Za-z0-9_-]+\\Z")] | UnsetType = UNSET
    scope: LimitScope | UnsetType = UNSET
    model: Annotated[str, Meta(max_length=256, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")] | UnsetType = UNSET


class AdminTier(Struct, kw_only=True):
    object: Literal["tier"]
    name: str
    limits: list[AdminLimit]


class AdminSetTier(Struct, kw_only=True):
    limits: Annotated[list[AdminLimitRule], Meta(max_length=5, min_length=1)]
    scope: LimitScope | UnsetType = UNSET
    model: Annotated[str, Meta(max_length=256, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")] | UnsetType = UNSET


class AuditEntry(Struct, kw_only=True):
    id: str
    created_at: float
    actor: str
    organisation_id: str | None
    action: str
    target: str
    details: dict[str, Any]


class FileUpload(Struct, kw_only=True):
    file: bytes
    purpose: Literal["batch", "user_data"]
    expires_after_anchor_: Literal["created_at"] | UnsetType = field(name="expires_after[anchor]", default=UNSET)
    expires_after_seconds_: Annotated[int, Meta(ge=3600, le=2592000)] | UnsetType = field(
        name="expires_after[seconds]", default=UNSET
    )


class File(Struct, kw_only=True):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: Literal["batch", "batch_output", "user_data"]
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None | UnsetType = UNSET


class FileList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[File]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Struct, kw_only=True):
    id: str
    object: Literal["file"]
    deleted: bool


class Model(Struct, kw_only=True):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kind: Literal["chat", "embedding"] | UnsetType = UNSET
    max_model_len: int | UnsetType = UNSET
    dimensions: int | UnsetType = UNSET
    input_modalities: list[Literal["text", "image"]] | UnsetType = UNSET
    replicas: int | UnsetType = UNSET
    alias_of: str | UnsetType = UNSET
    type: Literal["model"] | UnsetType = UNSET
    display_name: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    max_input_tokens: int | UnsetType = UNSET


ModelLifeState: TypeAlias = Literal[
    "unloaded", "asleep", "downloading", "loading", "ready", "restarting", "draining", "failed"
]


class AdminModelWorker(Struct, kw_only=True):
    state: ModelLifeState
    device: str
    n_ctx: int
    n_gpu_layers: int
    slots: int
    endpoint: str | None
    port: int | None
    memory_bytes: int
    restarts: int
    error: str | None


class AdminModelEndpoint(Struct, kw_only=True):
    object: Literal["model.endpoint"]
    id: str
    path: str
    endpoints: list[str]


class AdminLoadModel(Struct, kw_only=True):
    context_length: Annotated[int, Meta(ge=1, le=16777216)] | None | UnsetType = UNSET
    gpu_layers: Annotated[int, Meta(ge=-1, le=10000)] | None | UnsetType = UNSET
    slots: Annotated[int, Meta(ge=1, le=255)] | None | UnsetType = UNSET
    device: Annotated[str, Meta(pattern="^(cpu|cuda(:[0-9]{1,2})?)\\Z")] | None | UnsetType = UNSET
    dtype: Literal["auto", "float32", "float16", "bfloat16"] | None | UnsetType = UNSET
    pinned: bool | None | UnsetType = UNSET
    idle_ttl_s: Annotated[float, Meta(ge=0.0, le=31536000.0)] | None | UnsetType = UNSET
    host: Annotated[str, Meta(max_length=255, min_length=1)] | None | UnsetType = UNSET


class AdminDownloadModel(Struct, kw_only=True):
    source: Annotated[str, Meta(max_length=2000, min_length=1)]
    name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\\Z")] | None | UnsetType = UNSET
    file: Annotated[str, Meta(max_length=300, min_length=1)] | None | UnsetType = UNSET
    revision: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}\\Z")] | None | UnsetType = UNSET
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}\\Z")] | None | UnsetType = UNSET
    host: Annotated[str, Meta(max_length=255, min_length=1)] | None | UnsetType = UNSET


class ModelHealth(Struct, kw_only=True):
    healthy: bool
    accessible: bool


class Readiness(Struct, kw_only=True):
    status: Literal["ready", "degraded", "not_ready"]
    checks: dict[str, str]
    models: dict[str, ModelHealth]


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


class FunctionTool(Struct, kw_only=True, tag_field="type", tag="function"):
    function: FunctionDefinition


class ServerTool(Struct, kw_only=True, tag_field="type", tag="novai_tool"):
    name: ToolName


class NamedToolChoice(Struct, kw_only=True, tag_field="type", tag="function"):
    function: FunctionName


class AllowedTool(Struct, kw_only=True):
    type: Literal["function"]
    function: FunctionName


class ToolCall(Struct, kw_only=True):
    id: Annotated[str, Meta(max_length=256)]
    type: Literal["function"]
    function: FunctionCall


class ServerToolCall(Struct, kw_only=True):
    id: Annotated[str, Meta(max_length=256)]
    name: Annotated[str, Meta(max_length=256)]
    arguments: str
    status: ServerToolStatus
    output: str


class ResponseFormatJsonSchema(Struct, kw_only=True, tag_field="type", tag="json_schema"):
    json_schema: JsonSchemaFormat


class ChatCompletionMessage(Struct, kw_only=True):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[dict[str, Any]] | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    novai_tool_calls: list[ServerToolCall] | UnsetType = UNSET


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


class CompletionChoice(Struct, kw_only=True):
    text: str
    index: int
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionFinishReason | None


ResponseContentPart: TypeAlias = (
    ResponseInputText | ResponseInputImage | ResponseInputFile | ResponseTextInput | ResponseRefusal
)


class ResponseServerToolCallInput(Struct, kw_only=True, tag_field="type", tag="mcp_call"):
    name: Annotated[str, Meta(max_length=256)]
    arguments: str
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET
    server_label: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET
    output: str | None | UnsetType = UNSET
    error: ResponseCallError | str | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET
    approval_request_id: str | None | UnsetType = UNSET


class ResponseReasoningInput(Struct, kw_only=True, tag_field="type", tag="reasoning"):
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET
    summary: Annotated[list[ResponseSummaryText], Meta(max_length=1024)] | None | UnsetType = UNSET
    content: Annotated[list[ResponseReasoningText], Meta(max_length=1024)] | None | UnsetType = UNSET
    encrypted_content: str | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET


ResponseTool: TypeAlias = ResponseFunctionTool | ResponseServerTools


class ResponseAllowedTools(Struct, kw_only=True, tag_field="type", tag="allowed_tools"):
    mode: Literal["auto", "required"]
    tools: Annotated[list[ResponseAllowedTool], Meta(max_length=128, min_length=1)]


ResponseTextFormat: TypeAlias = ResponseFormatText | ResponseFormatJsonObject | ResponseTextJsonSchema


class ResponseOutputText(Struct, kw_only=True, tag_field="type", tag="output_text"):
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[TokenLogprob]


class ResponseServerToolCall(Struct, kw_only=True, tag_field="type", tag="mcp_call"):
    id: Annotated[str, Meta(pattern="^mcp_")]
    server_label: str
    name: str
    arguments: str
    output: str | None
    error: ResponseToolError | None
    status: ResponseServerToolStatus
    approval_request_id: str | None


class ResponseUsage(Struct, kw_only=True):
    input_tokens: int
    input_tokens_details: ResponseInputTokensDetails
    output_tokens: int
    output_tokens_details: ResponseOutputTokensDetails
    total_tokens: int
    code: Literal["budget_exhausted"] | UnsetType = UNSET


class ResponseTextDeltaEvent(Struct, kw_only=True, tag_field="type", tag="response.output_text.delta"):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: list[TokenLogprob]


class ResponseTextDoneEvent(Struct, kw_only=True, tag_field="type", tag="response.output_text.done"):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: list[TokenLogprob]


class ResponseErrorEvent(Struct, kw_only=True, tag_field="type", tag="error"):
    sequence_number: int
    code: str | None
    message: str
    param: str | None
    error: Error


class EmbeddingRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    input: Input1 | Input2
    encoding_format: EncodingFormat | None | UnsetType = UNSET
    dimensions: Annotated[int, Meta(ge=1, le=1048576)] | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET


class EmbeddingResponse(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class RerankRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    query: Annotated[str, Meta(min_length=1)]
    documents: Annotated[list[Documents | RerankDocument], Meta(max_length=1024, min_length=1)]
    top_n: Annotated[int, Meta(ge=1, le=2147483647)] | None | UnsetType = UNSET
    return_documents: bool | None | UnsetType = False


class RerankResponse(Struct, kw_only=True):
    object: Literal["list"]
    model: str
    results: list[RerankResult]
    usage: EmbeddingUsage


MessageAssistantBlock: TypeAlias = (
    MessageTextBlock | MessageToolUseBlock | MessageThinkingBlock | MessageRedactedThinkingBlock
)


MessageImageSource: TypeAlias = MessageBase64Source | MessageUrlSource


MessageToolChoice: TypeAlias = (
    MessageToolChoiceAuto | MessageToolChoiceAny | MessageToolChoiceTool | MessageToolChoiceNone
)


MessageThinking: TypeAlias = (
    MessageThinkingEnabled | MessageThinkingAdaptive | MessageThinkingBetweenTools | MessageThinkingDisabled
)


class MessageOutputConfig(Struct, kw_only=True):
    effort: str | None | UnsetType = UNSET
    format: MessageOutputFormat | None | UnsetType = UNSET


class MessageUsage(Struct, kw_only=True):
    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: MessageOutputTokensDetails
    service_tier: Literal["standard"] | UnsetType = UNSET
    code: Literal["budget_exhausted"] | UnsetType = UNSET


MessageBlockDelta: TypeAlias = MessageTextDelta | MessageInputJsonDelta | MessageThinkingDelta | MessageSignatureDelta


class MessageDeltaEvent(Struct, kw_only=True, tag_field="type", tag="message_delta"):
    delta: MessageEnd
    usage: MessageUsage


class MessageError(Struct, kw_only=True):
    type: Literal[
        "invalid_request_error",
        "authentication_error",
        "billing_error",
        "permission_error",
        "not_found_error",
        "conflict_error",
        "request_too_large",
        "rate_limit_error",
        "timeout_error",
        "api_error",
        "overloaded_error",
    ]
    message: str
    details: MessageErrorDetails | UnsetType = UNSET


class UsagePage(Struct, kw_only=True):
    object: Literal["list"]
    data: list[UsageRow]
    has_more: bool
    next_after: str | None


class RequestHold(Struct, kw_only=True):
    state: Literal["open", "settled", "released"]
    amount_nusd: int
    account: Literal["credits", "receivable"]
    held_at: float
    closed_at: float | None
    extensions: list[HoldExtension]


class LimitState(Struct, kw_only=True):
    scope: LimitScope
    name: LimitName
    limit: int
    burst: int
    used: int
    remaining: int
    reset_ms: int


class BudgetList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Budget]


class AdminProjectList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AdminProject]


class AdminKeyList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AdminKey]
    first_id: str | None
    last_id: str | None
    has_more: bool


class AdminCreateKey(Struct, kw_only=True):
    project: Annotated[str, Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")]
    name: Annotated[
        str,
        Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x20\\x7f]([^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?\\Z"),
    ]
    scopes: Annotated[list[KeyScope], Meta(max_length=3, min_length=1)] | UnsetType = UNSET
    models: Annotated[list[ModelName], Meta(max_length=256, min_length=1)] | None | UnsetType = UNSET
    expires_in_s: Annotated[int, Meta(ge=1, le=3155760000)] | None | UnsetType = UNSET


class AdminPriceList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AdminPrice]


class AdminSetBudget(Struct, kw_only=True):
    kind: BudgetKind
    limit_usd: Annotated[float, Meta(ge=0.0, le=1000000000.0)]
    project: Annotated[str, Meta(max_length=100, min_length=1, pattern="^[^\\x00-\\x1f\\x7f]+\\Z")] | UnsetType = UNSET
    key_id: Annotated[str, Meta(max_length=64, min_length=1, pattern="^[A-Za-z0-9_-]+\\Z")] | UnsetType = UNSET
    alert_percents: Annotated[list[AlertPercent], Meta(max_length=10)] | UnsetType = UNSET


class AdminLimitList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AdminLimit]


class AdminTierList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AdminTier]


class AuditPage(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AuditEntry]
    has_more: bool
    next_after: str | None


class ModelList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[Model]
    has_more: bool | UnsetType = UNSET
    first_id: str | UnsetType = UNSET
    last_id: str | UnsetType = UNSET


class AdminHostedModel(Struct, kw_only=True):
    host: str
    state: ModelLifeState
    error: str | None
    progress: float | None
    downloaded_bytes: int | None
    total_bytes: int | None
    size_bytes: int
    needs_bytes: int
    path: str
    pinned: bool
    idle_ttl_s: float
    workers: list[AdminModelWorker]


class Health(Struct, kw_only=True):
    status: Literal["ok", "degraded"]
    models: dict[str, ModelHealth]


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
    novai_tool_calls: Annotated[list[ServerToolCall], Meta(max_length=128)] | None | UnsetType = UNSET


class ToolMessage(Struct, kw_only=True, tag_field="role", tag="tool"):
    content: TextContent
    tool_call_id: Annotated[str, Meta(max_length=256)]
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET


UserContentPart: TypeAlias = TextPart | ImagePart


Tool: TypeAlias = FunctionTool | ServerTool


class AllowedTools(Struct, kw_only=True):
    mode: Literal["auto", "required"]
    tools: Annotated[list[AllowedTool], Meta(max_length=128, min_length=1)]


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
    novai_tool_calls: list[ServerToolCallDelta] | UnsetType = UNSET


class Completion(Struct, kw_only=True):
    id: Annotated[str, Meta(pattern="^cmpl-")]
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str | None
    choices: list[CompletionChoice]
    usage: CompletionUsage | None | UnsetType = UNSET


ResponseContent1: TypeAlias = Annotated[list[ResponseContentPart], Meta(max_length=1024)]


ResponseContent: TypeAlias = str | ResponseContent1


class ResponseFunctionCallOutput(Struct, kw_only=True, tag_field="type", tag="function_call_output"):
    call_id: Annotated[str, Meta(max_length=256)]
    output: ResponseContent
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET


class ResponseCustomToolCallOutput(Struct, kw_only=True, tag_field="type", tag="custom_tool_call_output"):
    call_id: Annotated[str, Meta(max_length=256)]
    output: ResponseContent
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET


ResponseToolChoice: TypeAlias = ResponseNamedTool | ResponseAllowedTools


class ResponseTextConfig(Struct, kw_only=True):
    format: ResponseTextFormat | None | UnsetType = UNSET
    verbosity: Annotated[str, Meta(max_length=64)] | None | UnsetType = UNSET


class ResponseOutputMessage(Struct, kw_only=True, tag_field="type", tag="message"):
    id: Annotated[str, Meta(pattern="^msg_")]
    role: Literal["assistant"]
    status: ResponseItemStatus
    content: list[ResponseOutputText]


ResponseOutputPart: TypeAlias = ResponseOutputText | ResponseReasoningText


class ResponseContentPartAddedEvent(Struct, kw_only=True, tag_field="type", tag="response.content_part.added"):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: ResponseOutputPart


class ResponseContentPartDoneEvent(Struct, kw_only=True, tag_field="type", tag="response.content_part.done"):
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: ResponseOutputPart


Content3: TypeAlias = Annotated[list[MessageAssistantBlock], Meta(max_length=4096)]


class MessageAssistant(Struct, kw_only=True, tag_field="role", tag="assistant"):
    content: str | Content3


class MessageImageBlock(Struct, kw_only=True, tag_field="type", tag="image"):
    source: MessageImageSource
    cache_control: dict[str, Any] | None | UnsetType = UNSET


MessageToolResultContent: TypeAlias = MessageTextBlock | MessageImageBlock | MessageDocumentBlock


class Message(Struct, kw_only=True):
    id: Annotated[str, Meta(pattern="^msg_")]
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[MessageContentBlock]
    stop_reason: MessageStopReason | None
    stop_sequence: str | None
    usage: MessageUsage


class MessageStartEvent(Struct, kw_only=True, tag_field="type", tag="message_start"):
    message: Message


class MessageBlockDeltaEvent(Struct, kw_only=True, tag_field="type", tag="content_block_delta"):
    index: int
    delta: MessageBlockDelta


class MessageErrorResponse(Struct, kw_only=True, tag_field="type", tag="error"):
    error: MessageError
    request_id: str


class RequestUsage(Struct, kw_only=True):
    object: Literal["usage.request"]
    request_id: str
    state: Literal["running", "settled", "released"]
    project_id: str
    key_id: str
    operation: str
    model: str
    started_at: float
    explanation: str
    hold: RequestHold | None
    price: RequestPrice | None
    used: RequestUsed | None
    paid: RequestPaid | None
    events: list[RequestEvent]


class LimitStates(Struct, kw_only=True):
    object: Literal["limits"]
    organisation_id: str
    project_id: str
    key_id: str
    model: str | None
    limits: list[LimitState]
    budgets: list[Budget]


class AdminModel(Struct, kw_only=True):
    object: Literal["model"]
    id: str
    kind: Literal["chat", "embedding"]
    backend: str
    state: ModelLifeState
    hosts: list[AdminHostedModel]


Content: TypeAlias = Annotated[list[UserContentPart], Meta(max_length=1024, min_length=1)]


class UserMessage(Struct, kw_only=True, tag_field="role", tag="user"):
    content: str | Content
    name: Annotated[str, Meta(max_length=256)] | None | UnsetType = UNSET


class AllowedToolsChoice(Struct, kw_only=True, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


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


class ResponseInputMessage(Struct, kw_only=True, tag_field="type", tag="message"):
    role: Literal["user", "assistant", "system", "developer"]
    content: ResponseContent
    id: Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType = UNSET
    status: str | None | UnsetType = UNSET
    phase: Literal["commentary", "final_answer"] | None | UnsetType = UNSET


ResponseOutputItem: TypeAlias = (
    ResponseOutputMessage | ResponseFunctionCall | ResponseServerToolCall | ResponseReasoning
)


class ResponseOutputItemAddedEvent(Struct, kw_only=True, tag_field="type", tag="response.output_item.added"):
    sequence_number: int
    output_index: int
    item: ResponseOutputItem


class ResponseOutputItemDoneEvent(Struct, kw_only=True, tag_field="type", tag="response.output_item.done"):
    sequence_number: int
    output_index: int
    item: ResponseOutputItem


Content5: TypeAlias = Annotated[list[MessageToolResultContent], Meta(max_length=1024)]


class MessageToolResultBlock(Struct, kw_only=True, tag_field="type", tag="tool_result"):
    tool_use_id: Annotated[str, Meta(max_length=256)]
    content: str | Content5 | None | UnsetType = UNSET
    is_error: bool | None | UnsetType = UNSET
    cache_control: dict[str, Any] | None | UnsetType = UNSET


MessageStreamEvent: TypeAlias = (
    MessageStartEvent
    | MessageBlockStartEvent
    | MessageBlockDeltaEvent
    | MessageBlockStopEvent
    | MessageDeltaEvent
    | MessageStopEvent
    | MessageErrorResponse
)


class AdminModelList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[AdminModel]


ChatMessage: TypeAlias = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


ToolChoice: TypeAlias = NamedToolChoice | AllowedToolsChoice


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


ResponseInputItem: TypeAlias = (
    ResponseInputMessage
    | ResponseFunctionCallInput
    | ResponseFunctionCallOutput
    | ResponseCustomToolCall
    | ResponseCustomToolCallOutput
    | ResponseServerToolCallInput
    | ResponseReasoningInput
    | ResponseItemReference
)


class Response(Struct, kw_only=True):
    id: Annotated[str, Meta(pattern="^resp_")]
    object: Literal["response"]
    created_at: int
    completed_at: int | None
    status: ResponseStatus
    incomplete_details: ResponseIncompleteDetails | None
    error: ResponseError | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[ResponseOutputItem]
    usage: ResponseUsage | None
    tools: list[ResponseTool]
    tool_choice: ToolChoiceMode | ResponseToolChoice
    parallel_tool_calls: bool
    max_tool_calls: int | None
    truncation: Literal["disabled"]
    text: ResponseTextConfig
    reasoning: ResponseReasoningConfig
    temperature: float
    top_p: float
    presence_penalty: float
    frequency_penalty: float
    top_logprobs: int
    max_output_tokens: int | None
    store: bool
    background: bool
    service_tier: str
    metadata: Metadata
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None


class ResponseItemList(Struct, kw_only=True):
    object: Literal["list"]
    data: list[ResponseInputItem]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponseCreatedEvent(Struct, kw_only=True, tag_field="type", tag="response.created"):
    sequence_number: int
    response: Response


class ResponseInProgressEvent(Struct, kw_only=True, tag_field="type", tag="response.in_progress"):
    sequence_number: int
    response: Response


class ResponseCompletedEvent(Struct, kw_only=True, tag_field="type", tag="response.completed"):
    sequence_number: int
    response: Response


class ResponseIncompleteEvent(Struct, kw_only=True, tag_field="type", tag="response.incomplete"):
    sequence_number: int
    response: Response


class ResponseFailedEvent(Struct, kw_only=True, tag_field="type", tag="response.failed"):
    sequence_number: int
    response: Response


MessageUserBlock: TypeAlias = MessageTextBlock | MessageToolResultBlock | MessageImageBlock | MessageDocumentBlock


class TokenizeRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    prompt: str | None | UnsetType = UNSET
    add_special_tokens: bool | None | UnsetType = True
    messages: Annotated[list[ChatMessage], Meta(max_length=2048, min_length=1)] | None | UnsetType = UNSET
    tools: Annotated[list[Tool], Meta(max_length=128)] | None | UnsetType = UNSET
    chat_template_kwargs: ChatTemplateKwargs | None | UnsetType = UNSET
    return_token_strs: bool | None | UnsetType = False


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
    tool_choice: ToolChoiceMode | ToolChoice | None | UnsetType = UNSET
    parallel_tool_calls: bool | None | UnsetType = True
    response_format: ResponseFormat | None | UnsetType = UNSET
    structured_outputs: StructuredOutputs | None | UnsetType = UNSET
    reasoning_effort: ReasoningEffort | None | UnsetType = UNSET
    chat_template_kwargs: ChatTemplateKwargs | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    modalities: list[Literal["text"]] | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET
    store: bool | None | UnsetType = UNSET
    user: str | None | UnsetType = UNSET
    safety_identifier: Annotated[str, Meta(max_length=128)] | None | UnsetType = UNSET
    prompt_cache_key: str | None | UnsetType = UNSET
    prompt_cache_retention: str | None | UnsetType = UNSET
    prompt_cache_options: dict[str, Any] | None | UnsetType = UNSET
    verbosity: str | None | UnsetType = UNSET
    prediction: dict[str, Any] | None | UnsetType = UNSET


Input: TypeAlias = Annotated[list[ResponseInputItem], Meta(max_length=2048, min_length=1)]


class ResponsePrompt(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    input: str | Input
    instructions: str | None | UnsetType = UNSET
    previous_response_id: (
        Annotated[str, Meta(max_length=128, pattern="^[^\\x00-\\x1f\\x7f]*\\Z")] | None | UnsetType
    ) = UNSET
    tools: Annotated[list[ResponseTool], Meta(max_length=128)] | None | UnsetType = UNSET
    tool_choice: ToolChoiceMode | ResponseToolChoice | None | UnsetType = UNSET
    parallel_tool_calls: bool | None | UnsetType = True
    text: ResponseTextConfig | None | UnsetType = UNSET
    reasoning: ResponseReasoningConfig | None | UnsetType = UNSET
    truncation: str | None | UnsetType = UNSET
    conversation: Any | UnsetType = UNSET
    prompt: Any | UnsetType = UNSET


class ResponseRequest(ResponsePrompt, kw_only=True):
    stream: bool | None | UnsetType = False
    stream_options: ResponseStreamOptions | None | UnsetType = UNSET
    store: bool | None | UnsetType = True
    max_output_tokens: Annotated[int, Meta(ge=1, le=2147483647)] | None | UnsetType = UNSET
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None | UnsetType = 1
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None | UnsetType = 1
    presence_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None | UnsetType = 0
    frequency_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] | None | UnsetType = 0
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None | UnsetType = UNSET
    include: Annotated[list[ResponseIncludable], Meta(max_length=16)] | None | UnsetType = UNSET
    metadata: Metadata | None | UnsetType = UNSET
    background: bool | None | UnsetType = UNSET
    max_tool_calls: Annotated[int, Meta(ge=1, le=2147483647)] | None | UnsetType = UNSET
    service_tier: Annotated[str, Meta(max_length=64)] | None | UnsetType = UNSET
    user: Annotated[str, Meta(max_length=512)] | None | UnsetType = UNSET
    safety_identifier: Annotated[str, Meta(max_length=128)] | None | UnsetType = UNSET
    prompt_cache_key: Annotated[str, Meta(max_length=512)] | None | UnsetType = UNSET
    prompt_cache_retention: str | None | UnsetType = UNSET
    prompt_cache_options: dict[str, Any] | None | UnsetType = UNSET
    moderation: dict[str, Any] | None | UnsetType = UNSET


ResponseStreamEvent: TypeAlias = (
    ResponseCreatedEvent
    | ResponseInProgressEvent
    | ResponseOutputItemAddedEvent
    | ResponseContentPartAddedEvent
    | ResponseTextDeltaEvent
    | ResponseTextDoneEvent
    | ResponseContentPartDoneEvent
    | ResponseFunctionCallArgumentsDeltaEvent
    | ResponseFunctionCallArgumentsDoneEvent
    | ResponseServerToolInProgressEvent
    | ResponseServerToolArgumentsDeltaEvent
    | ResponseServerToolArgumentsDoneEvent
    | ResponseServerToolCompletedEvent
    | ResponseServerToolFailedEvent
    | ResponseReasoningTextDeltaEvent
    | ResponseReasoningTextDoneEvent
    | ResponseReasoningSummaryPartAddedEvent
    | ResponseReasoningSummaryTextDeltaEvent
    | ResponseReasoningSummaryTextDoneEvent
    | ResponseReasoningSummaryPartDoneEvent
    | ResponseOutputItemDoneEvent
    | ResponseCompletedEvent
    | ResponseIncompleteEvent
    | ResponseFailedEvent
    | ResponseErrorEvent
)


Content2: TypeAlias = Annotated[list[MessageUserBlock], Meta(max_length=4096)]


class MessageUser(Struct, kw_only=True, tag_field="role", tag="user"):
    content: str | Content2


MessageParam: TypeAlias = MessageUser | MessageAssistant | MessageSystem


class MessageRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1, le=2147483647)]
    messages: Annotated[list[MessageParam], Meta(max_length=100000, min_length=1)]
    system: str | System | None | UnsetType = UNSET
    tools: Annotated[list[MessageTool], Meta(max_length=512)] | None | UnsetType = UNSET
    tool_choice: MessageToolChoice | None | UnsetType = UNSET
    thinking: MessageThinking | None | UnsetType = UNSET
    output_config: MessageOutputConfig | None | UnsetType = UNSET
    cache_control: dict[str, Any] | None | UnsetType = UNSET
    stream: bool | None | UnsetType = False
    temperature: Annotated[float, Meta(ge=0.0, le=2.0)] | None | UnsetType = 1
    top_p: Annotated[float, Meta(ge=0.0, le=1.0)] | None | UnsetType = UNSET
    top_k: Annotated[int, Meta(ge=0, le=2147483647)] | None | UnsetType = UNSET
    stop_sequences: Annotated[list[StopSequence], Meta(max_length=64)] | None | UnsetType = UNSET
    metadata: dict[str, Any] | None | UnsetType = UNSET
    service_tier: str | None | UnsetType = UNSET


class MessageCountRequest(Struct, kw_only=True):
    model: Annotated[str, Meta(max_length=256, min_length=1)]
    messages: Annotated[list[MessageParam], Meta(max_length=100000, min_length=1)]
    system: str | System | None | UnsetType = UNSET
    tools: Annotated[list[MessageTool], Meta(max_length=512)] | None | UnsetType = UNSET
    tool_choice: MessageToolChoice | None | UnsetType = UNSET
    thinking: MessageThinking | None | UnsetType = UNSET
    output_config: MessageOutputConfig | None | UnsetType = UNSET
    cache_control: dict[str, Any] | None | UnsetType = UNSET
