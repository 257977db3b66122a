# Generated from openapi/spec.yaml by `make sdk`. Do not edit.

"""Objects of answers. Fields that are not here are kept, and what the server did not send is None."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ._runtime import mixins
from ._runtime.objects import Object


class TextPart(Object):
    type: Literal["text"]
    text: str


class ToolCall(Object):
    id: str
    type: Literal["function"]
    function: FunctionCall


class FunctionCall(Object):
    name: str
    arguments: str
    """JSON text."""


class ServerToolCall(Object):
    """A call of a tool that this server runs."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    status: ServerToolStatus
    output: str
    """What the model read: the result, or why there is none."""


class ResponseFormatText(Object):
    type: Literal["text"]


class ResponseFormatJsonObject(Object):
    type: Literal["json_object"]


class ChatCompletion(Object):
    id: str
    object: Literal["chat.completion"]
    created: int
    """Unix seconds."""
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    service_tier: str
    system_fingerprint: str | None
    metadata: Metadata | None | None
    """Only when it was sent."""


class Choice(Object):
    index: int
    message: ChatCompletionMessage
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason


class ChatCompletionMessage(Object):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    annotations: list[dict[str, Any]] | None
    reasoning_content: str | None
    tool_calls: list[ToolCall] | None
    novai_tool_calls: list[ServerToolCall] | None
    """What this server ran, in order."""


class ChoiceLogprobs(Object):
    content: list[TokenLogprob] | None
    refusal: list[TokenLogprob] | None


class TokenLogprob(Object):
    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprob]


class TopLogprob(Object):
    token: str
    logprob: float
    bytes: list[int] | None


class CompletionUsage(Object):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails
    code: Literal["budget_exhausted"] | None
    """The answer ended with `finish_reason: "length"` because credits or a budget did not
cover more of it."""


class PromptTokensDetails(Object):
    cached_tokens: int
    """Of the prompt: found in the prefix cache, not computed again."""
    audio_tokens: int


class CompletionTokensDetails(Object):
    reasoning_tokens: int
    audio_tokens: int
    accepted_prediction_tokens: int
    rejected_prediction_tokens: int


class ChatCompletionChunk(Object):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    """Unix seconds."""
    model: str
    service_tier: str
    system_fingerprint: str | None
    choices: list[ChunkChoice]
    usage: CompletionUsage | None | None
    """Only with `include_usage`: null but in the last chunk, whose `choices` are empty."""


class ChunkChoice(Object):
    index: int
    delta: ChoiceDelta
    logprobs: ChoiceLogprobs | None
    finish_reason: FinishReason | None


class ChoiceDelta(Object):
    """Only what changed."""

    role: Literal["assistant"] | None
    content: str | None | None
    refusal: str | None | None
    reasoning_content: str | None
    tool_calls: list[ToolCallDelta] | None
    novai_tool_calls: list[ServerToolCallDelta] | None
    """Calls of tools that this server runs."""


class ToolCallDelta(Object):
    index: int
    id: str | None
    type: Literal["function"] | None
    function: FunctionCallDelta


class ServerToolCallDelta(Object):
    """When a call begins its id, name and arguments; when it is over its status and output."""

    index: int
    """Of the call"""
    id: str | None
    name: str | None
    arguments: str | None
    """JSON text, as the model wrote it."""
    status: ServerToolStatus | None
    output: str | None


class FunctionCallDelta(Object):
    name: str | None
    arguments: str


class Completion(Object):
    """An answer, or one event of its stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    """Unix seconds."""
    model: str
    system_fingerprint: str | None
    choices: list[CompletionChoice]
    usage: CompletionUsage | None | None
    """Streamed only with `include_usage`: null but in the last event, whose `choices` are
empty."""


class CompletionChoice(Object):
    text: str
    index: int
    logprobs: CompletionLogprobs | None
    finish_reason: CompletionFinishReason | None
    """Null until the choice ends."""


class CompletionLogprobs(Object):
    """Four lists with an item for each token. A token that is no whole text is written as
    `bytes:\\xf0\\x9f`."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]
    """Characters of the choice's text before the token."""


class ResponseInputMessage(Object):
    type: Literal["message"] | None
    id: str | None | None
    role: Literal["user", "assistant", "system", "developer"]
    content: ResponseContent
    status: str | None | None
    """Ignored."""
    phase: Literal["commentary", "final_answer"] | None | None
    """Of an assistant's message; kept."""


class ResponseFunctionCallInput(Object):
    type: Literal["function_call"]
    id: str | None | None
    call_id: str
    name: str
    arguments: str
    """JSON text."""
    status: str | None | None
    """Ignored."""


class ResponseFunctionCallOutput(Object):
    type: Literal["function_call_output"]
    id: str | None | None
    call_id: str
    output: ResponseContent
    status: str | None | None
    """Ignored."""


class ResponseCustomToolCall(Object):
    """Of another provider's answer. The model sees it as a call with the argument `input`."""

    type: Literal["custom_tool_call"]
    id: str | None | None
    call_id: str
    name: str
    input: str


class ResponseCustomToolCallOutput(Object):
    type: Literal["custom_tool_call_output"]
    id: str | None | None
    call_id: str
    output: ResponseContent


class ResponseServerToolCallInput(Object):
    """A call that a server made, this one or another provider's. The model sees it with its
    result."""

    type: Literal["mcp_call"]
    id: str | None | None
    server_label: str | None | None
    name: str
    arguments: str
    """JSON text."""
    output: str | None | None
    error: ResponseCallError | str | None | None
    status: str | None | None
    """Ignored."""
    approval_request_id: str | None | None
    """Ignored."""


class ResponseReasoningInput(Object):
    """What a model thought in an earlier turn: its template decides whether the model sees it
    again. What only another provider could decrypt, it does not see."""

    type: Literal["reasoning"]
    id: str | None | None
    summary: list[ResponseSummaryText] | None | None
    content: list[ResponseReasoningText] | None | None
    encrypted_content: str | None | None
    status: str | None | None
    """Ignored."""


class ResponseItemReference(Object):
    """An item of a stored response, by its id."""

    type: Literal["item_reference"] | None
    id: str


class ResponseInputText(Object):
    type: Literal["input_text"]
    text: str


class ResponseInputImage(Object):
    """Only models that see take it; the others answer 400."""

    type: Literal["input_image"]
    image_url: str | None | None
    """As the `url` of a chat completion's image."""
    file_id: str | None | None
    """Refused with 400. Send `image_url`."""
    detail: str | None | None
    """Ignored: the model sees what it can."""


class ResponseInputFile(Object):
    """Refused with 400. Send the file's text."""

    type: Literal["input_file"]
    file_data: str | None | None
    file_id: str | None | None
    file_url: str | None | None
    filename: str | None | None


class ResponseTextInput(Object):
    """Text of an earlier answer."""

    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]] | None | None


class ResponseRefusal(Object):
    type: Literal["refusal"]
    refusal: str


class ResponseCallError(Object):
    """Why there is no output, in the form of this server or another provider's."""

    type: str | None | None
    message: str | None | None
    content: Any | None
    """What the model read, as parts with `text`."""


class ResponseSummaryText(Object):
    type: Literal["summary_text"]
    text: str


class ResponseReasoningText(Object):
    type: Literal["reasoning_text"]
    text: str


class ResponseFunctionTool(Object):
    """The caller runs it."""

    type: Literal["function"]
    name: str
    description: str | None | None
    parameters: dict[str, Any] | None | None
    """A JSON Schema. Without it the function takes no arguments."""
    strict: bool | None | None
    """Arguments always fit `parameters`."""


class ResponseServerTools(Object):
    """Tools that this server runs, and the model goes on with their results. Its operator
    decides which there are, and what servers of tools it asks; servers that a request names
    are asked nothing. A `tool_choice` names such a tool like a function, and holds for the
    first round. A call that fails is told to the model. Calls of the caller's own functions
    end the rounds, and are the caller's to answer."""

    type: Literal["mcp"]
    server_label: str
    """The operator's name of the server; `novai` has the tools that NovAI brings along."""
    allowed_tools: list[ToolName]
    require_approval: Literal["never"] | None | None
    """Tools run at once. Whoever wants to be asked offers functions."""
    server_description: str | None | None
    """Ignored."""
    server_url: str | None | None
    """Refused with 400."""
    connector_id: str | None | None
    """Refused with 400."""
    authorization: str | None | None
    """Refused with 400."""
    headers: dict[str, Any] | None | None
    """Refused with 400."""


class ResponseNamedTool(Object):
    type: Literal["function"]
    name: str


class ResponseAllowedTools(Object):
    """Only these of the tools may be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[ResponseAllowedTool]


class ResponseAllowedTool(Object):
    type: Literal["function"]
    name: str


class ResponseTextConfig(Object):
    format: ResponseTextFormat | None | None
    verbosity: str | None | None
    """Accepted; models here have no such switch."""


class ResponseTextJsonSchema(Object):
    type: Literal["json_schema"]
    name: str
    schema: dict[str, Any]
    description: str | None | None
    strict: bool | None | None


class ResponseReasoningConfig(Object):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None | None
    """`none` and `minimal` switch off the thinking of models that can do without; the others
switch it on. Models with levels of reasoning do the nearest of theirs."""
    summary: Literal["auto", "concise", "detailed"] | None | None
    """Where reasoning is given: with it as `summary`, where the clients that ask for it look,
else as `content`. Either way it is whole; models here do not summarise."""
    generate_summary: Literal["auto", "concise", "detailed"] | None | None
    """The older name of `summary`."""


class Response(mixins.ResponseMixin, Object):
    id: str
    object: Literal["response"]
    created_at: int
    """Unix seconds."""
    completed_at: int | None
    """Unix seconds."""
    status: ResponseStatus
    incomplete_details: ResponseIncompleteDetails | None
    error: ResponseError | None
    model: str
    previous_response_id: str | None
    instructions: str | None
    output: list[ResponseOutputItem]
    usage: ResponseUsage | None
    """Null while it runs."""
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
    """Whether it can be retrieved."""
    background: bool
    service_tier: str
    metadata: Metadata
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None


class ResponseIncompleteDetails(Object):
    reason: Literal["max_output_tokens", "content_filter"]


class ResponseError(Object):
    code: str
    message: str
    type: str


class ResponseOutputMessage(Object):
    type: Literal["message"]
    id: str
    role: Literal["assistant"]
    status: ResponseItemStatus
    content: list[ResponseOutputText]


class ResponseFunctionCall(Object):
    type: Literal["function_call"]
    id: str
    call_id: str
    """Names the call in its `function_call_output`."""
    name: str
    arguments: str
    """JSON text."""
    status: ResponseItemStatus


class ResponseServerToolCall(Object):
    """A call of a tool that this server runs."""

    type: Literal["mcp_call"]
    id: str
    server_label: str
    """The tool server that runs it."""
    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    output: str | None
    """What the model read. Null where the call failed."""
    error: ResponseToolError | None
    status: ResponseServerToolStatus
    approval_request_id: str | None
    """Always null."""


class ResponseReasoning(Object):
    type: Literal["reasoning"]
    id: str
    summary: list[ResponseSummaryText]
    content: list[ResponseReasoningText]
    encrypted_content: str | None
    """Always null."""
    status: ResponseItemStatus


class ResponseOutputText(Object):
    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]]
    logprobs: list[TokenLogprob]


class ResponseToolError(Object):
    type: Literal["mcp_tool_execution_error"]
    content: list[TextPart]
    """What the model read."""


class ResponseUsage(Object):
    input_tokens: int
    input_tokens_details: ResponseInputTokensDetails
    output_tokens: int
    output_tokens_details: ResponseOutputTokensDetails
    total_tokens: int
    code: Literal["budget_exhausted"] | None
    """The answer is incomplete because credits or a budget did not cover more of it."""


class ResponseInputTokensDetails(Object):
    cached_tokens: int
    """Of the input: found in the prefix cache, not computed again."""
    cache_write_tokens: int


class ResponseOutputTokensDetails(Object):
    reasoning_tokens: int


class ResponseDeleted(Object):
    id: str
    object: Literal["response"]
    deleted: bool


class ResponseItemList(Object):
    object: Literal["list"]
    data: list[ResponseInputItem]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ResponseCreatedEvent(Object):
    type: Literal["response.created"]
    sequence_number: int
    response: Response


class ResponseInProgressEvent(Object):
    type: Literal["response.in_progress"]
    sequence_number: int
    response: Response


class ResponseOutputItemAddedEvent(Object):
    type: Literal["response.output_item.added"]
    sequence_number: int
    output_index: int
    item: ResponseOutputItem


class ResponseContentPartAddedEvent(Object):
    type: Literal["response.content_part.added"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: ResponseOutputPart


class ResponseTextDeltaEvent(Object):
    type: Literal["response.output_text.delta"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str
    logprobs: list[TokenLogprob]


class ResponseTextDoneEvent(Object):
    type: Literal["response.output_text.done"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str
    logprobs: list[TokenLogprob]


class ResponseContentPartDoneEvent(Object):
    type: Literal["response.content_part.done"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    part: ResponseOutputPart


class ResponseFunctionCallArgumentsDeltaEvent(Object):
    type: Literal["response.function_call_arguments.delta"]
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ResponseFunctionCallArgumentsDoneEvent(Object):
    type: Literal["response.function_call_arguments.done"]
    sequence_number: int
    item_id: str
    output_index: int
    name: str
    arguments: str


class ResponseServerToolInProgressEvent(Object):
    type: Literal["response.mcp_call.in_progress"]
    sequence_number: int
    item_id: str
    output_index: int


class ResponseServerToolArgumentsDeltaEvent(Object):
    type: Literal["response.mcp_call_arguments.delta"]
    sequence_number: int
    item_id: str
    output_index: int
    delta: str


class ResponseServerToolArgumentsDoneEvent(Object):
    type: Literal["response.mcp_call_arguments.done"]
    sequence_number: int
    item_id: str
    output_index: int
    arguments: str


class ResponseServerToolCompletedEvent(Object):
    type: Literal["response.mcp_call.completed"]
    sequence_number: int
    item_id: str
    output_index: int


class ResponseServerToolFailedEvent(Object):
    type: Literal["response.mcp_call.failed"]
    sequence_number: int
    item_id: str
    output_index: int


class ResponseReasoningTextDeltaEvent(Object):
    type: Literal["response.reasoning_text.delta"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    delta: str


class ResponseReasoningTextDoneEvent(Object):
    type: Literal["response.reasoning_text.done"]
    sequence_number: int
    item_id: str
    output_index: int
    content_index: int
    text: str


class ResponseReasoningSummaryPartAddedEvent(Object):
    type: Literal["response.reasoning_summary_part.added"]
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: ResponseSummaryText


class ResponseReasoningSummaryTextDeltaEvent(Object):
    type: Literal["response.reasoning_summary_text.delta"]
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    delta: str


class ResponseReasoningSummaryTextDoneEvent(Object):
    type: Literal["response.reasoning_summary_text.done"]
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    text: str


class ResponseReasoningSummaryPartDoneEvent(Object):
    type: Literal["response.reasoning_summary_part.done"]
    sequence_number: int
    item_id: str
    output_index: int
    summary_index: int
    part: ResponseSummaryText


class ResponseOutputItemDoneEvent(Object):
    type: Literal["response.output_item.done"]
    sequence_number: int
    output_index: int
    item: ResponseOutputItem


class ResponseCompletedEvent(Object):
    type: Literal["response.completed"]
    sequence_number: int
    response: Response


class ResponseIncompleteEvent(Object):
    type: Literal["response.incomplete"]
    sequence_number: int
    response: Response


class ResponseFailedEvent(Object):
    type: Literal["response.failed"]
    sequence_number: int
    response: Response


class ResponseErrorEvent(Object):
    """The failure twice, since clients look for it in either place."""

    type: Literal["error"]
    sequence_number: int
    code: str | None
    message: str
    param: str | None
    error: Error


class EmbeddingResponse(Object):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Embedding(Object):
    object: Literal["embedding"]
    index: int
    embedding: list[float]


class EmbeddingUsage(Object):
    prompt_tokens: int
    total_tokens: int


class RerankDocument(Object):
    text: str


class RerankResponse(Object):
    object: Literal["list"]
    model: str
    results: list[RerankResult]
    usage: EmbeddingUsage


class RerankResult(Object):
    index: int
    """Of the document in `documents`."""
    relevance_score: float
    """Cosine, -1 to 1."""
    document: RerankDocument | None


class MessageTextBlock(Object):
    type: Literal["text"]
    text: str
    cache_control: dict[str, Any] | None | None
    """Accepted. Prefixes are found in the cache without it."""


class MessageToolUseBlock(Object):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    """The arguments: `{}` when there are none."""
    cache_control: dict[str, Any] | None | None
    """Accepted. Prefixes are found in the cache without it."""


class MessageThinkingBlock(Object):
    type: Literal["thinking"]
    thinking: str
    signature: str
    """Names the message it comes from. Nothing checks it."""


class Message(Object):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[MessageContentBlock]
    stop_reason: MessageStopReason | None
    """Null in `message_start` only."""
    stop_sequence: str | None
    """Which of `stop_sequences` ended it."""
    usage: MessageUsage


class MessageUsage(Object):
    """The prompt is the sum of the three counts of input."""

    input_tokens: int
    """Of the prompt; without those found in the prefix cache."""
    cache_creation_input_tokens: int
    """Always 0: what is computed is kept at no charge."""
    cache_read_input_tokens: int
    """Found in the prefix cache. In `message_start` they still count as `input_tokens`."""
    output_tokens: int
    output_tokens_details: MessageOutputTokensDetails
    service_tier: Literal["standard"] | None
    code: Literal["budget_exhausted"] | None
    """The answer ended with `stop_reason: "max_tokens"` because credits or a budget did not
cover more of it."""


class MessageOutputTokensDetails(Object):
    thinking_tokens: int


class MessageTokens(Object):
    input_tokens: int


class MessageStartEvent(Object):
    """The message, still empty."""

    type: Literal["message_start"]
    message: Message


class MessageBlockStartEvent(Object):
    """A block begins, empty."""

    type: Literal["content_block_start"]
    index: int
    """Of the block in `content`."""
    content_block: MessageContentBlock


class MessageBlockDeltaEvent(Object):
    type: Literal["content_block_delta"]
    index: int
    delta: MessageBlockDelta


class MessageBlockStopEvent(Object):
    type: Literal["content_block_stop"]
    index: int


class MessageDeltaEvent(Object):
    """How it ended, and what the whole of it used."""

    type: Literal["message_delta"]
    delta: MessageEnd
    usage: MessageUsage


class MessageStopEvent(Object):
    type: Literal["message_stop"]


class MessageErrorResponse(Object):
    type: Literal["error"]
    error: MessageError
    request_id: str
    """The header `request-id`."""


class MessageTextDelta(Object):
    type: Literal["text_delta"]
    text: str


class MessageInputJsonDelta(Object):
    type: Literal["input_json_delta"]
    partial_json: str
    """More of the JSON text of `input`."""


class MessageThinkingDelta(Object):
    type: Literal["thinking_delta"]
    thinking: str


class MessageSignatureDelta(Object):
    type: Literal["signature_delta"]
    signature: str


class MessageEnd(Object):
    stop_reason: MessageStopReason
    stop_sequence: str | None


class MessageError(Object):
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
    """What was wrong and what to do next."""
    details: MessageErrorDetails | None


class MessageErrorDetails(Object):
    error_code: str | None
    """As `code` of the other errors of this server."""
    param: str | None
    """The field at fault, as a path: `messages[0].content`."""


class InputTokens(Object):
    object: Literal["response.input_tokens"]
    input_tokens: int


class TokenizeResponse(Object):
    count: int
    max_model_len: int
    """Context in tokens, prompt and output together."""
    tokens: list[int]
    token_strs: list[str] | None
    """Only when asked for. Bytes that are no whole character are `�`."""


class DetokenizeResponse(Object):
    prompt: str


class BatchError(Object):
    code: str
    message: str
    param: str | None
    line: int | None
    """Of the file, from 1 on."""


class BatchErrors(Object):
    object: Literal["list"]
    data: list[BatchError]
    """The first 100."""


class BatchCounts(Object):
    """Of lines. Until they were looked at, `total` are those of the file; a batch that ends
    before that has none. When a batch is over, `failed` are also those that did not run,
    and `total` is `completed` and `failed`."""

    total: int
    completed: int
    failed: int


class BatchInputTokensDetails(Object):
    cached_tokens: int


class BatchUsage(Object):
    input_tokens: int
    input_tokens_details: BatchInputTokensDetails
    output_tokens: int
    output_tokens_details: ResponseOutputTokensDetails
    total_tokens: int


class Batch(Object):
    id: str
    object: Literal["batch"]
    endpoint: BatchEndpoint
    model: str | None
    """Of the first line; known when the lines were looked at."""
    errors: BatchErrors | None
    """Why it `failed`."""
    input_file_id: str
    completion_window: str
    status: BatchStatus
    output_file_id: str | None
    """Of the lines that were answered. Null when none were."""
    error_file_id: str | None
    """Of the lines that failed or did not run. Null when all did."""
    created_at: int
    """Unix seconds."""
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
    """Of all its lines, when it is over."""
    metadata: Metadata | None
    total: int
    """As in `request_counts`."""
    completed: int
    """As in `request_counts`."""
    failed: int
    """As in `request_counts`."""


class BatchList(Object):
    object: Literal["list"]
    data: list[Batch]
    first_id: str | None
    last_id: str | None
    has_more: bool


class UsagePage(Object):
    object: Literal["list"]
    data: list[UsageRow]
    has_more: bool
    next_after: str | None
    """Where the next page begins."""


class UsageRow(Object):
    """Sums over one group; of `date`, `hour`, `model`, `key_id` and `project_id` it has what
    was grouped by."""

    date: str | None
    """A day, UTC: `2026-01-31`."""
    hour: str | None
    """Its beginning, UTC: `2026-01-31T13:00:00Z`."""
    model: str | None
    key_id: str | None
    project_id: str | None
    requests: int
    errors: int
    """Of the requests: broken by us, and free."""
    input_tokens: int
    """Of prompts, cached ones included."""
    cached_tokens: int
    """Of the input: found in the prefix cache."""
    output_tokens: int
    reasoning_tokens: int
    """Of the output."""
    total_tokens: int
    """Input and output."""
    cost_usd: float
    cost_nusd: int
    """The same, exact, in nano-USD."""


class RequestUsage(Object):
    object: Literal["usage.request"]
    request_id: str
    state: Literal["running", "settled", "released"]
    """`released`: it cost its caller nothing, because it never ran or because we broke it."""
    project_id: str
    key_id: str
    operation: str
    """The `operationId` here."""
    model: str
    started_at: float
    """Unix seconds."""
    explanation: str
    """How the amount comes about, in a sentence."""
    hold: RequestHold | None
    """Null for a model that is free."""
    price: RequestPrice | None
    """Null for a model that is free."""
    used: RequestUsed | None
    """Null while it runs, and when it never ran."""
    paid: RequestPaid | None
    """Null while it runs."""
    events: list[RequestEvent]
    """What should not have happened, and did the caller no harm."""


class RequestHold(Object):
    state: Literal["open", "settled", "released"]
    amount_nusd: int
    """All that was set aside: for the prompt and a step of output, and each extension after
that."""
    account: Literal["credits", "receivable"]
    """`credits`: prepaid; `receivable`: on account."""
    held_at: float
    """Unix seconds."""
    closed_at: float | None
    """Unix seconds."""
    extensions: list[HoldExtension]
    """What was added while the answer grew, part of `amount_nusd`."""


class HoldExtension(Object):
    amount_nusd: int
    extended_at: float
    """Unix seconds."""


class RequestPrice(Object):
    """That was in force when the request began. Nano-USD for a million tokens."""

    version: int
    input_nusd_per_mtok: int
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    percent: int
    """Of it that is charged: less than 100 for lines of batches."""


class RequestUsed(Object):
    provenance: Literal["engine", "provider", "estimated"]
    """Who counted the tokens."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    total_tokens: int
    outcome: Literal["finished", "client_left", "upstream_broke", "refused"]
    finish_reason: str
    status: int
    """The HTTP status that the client was told; 499: it had left."""
    streamed: bool
    replica: str
    """The worker's address; `upstream@address` where an upstream answered."""
    ttft_ms: float | None
    duration_ms: float


class RequestPaid(Object):
    by: Literal["credits", "account", "operator", "nobody"]
    """`credits` and `account` are the caller's: prepaid or billed. `operator`: we broke the
request, its cost is our expense. `nobody`: it was free."""
    cost_usd: float
    cost_nusd: int
    """What the caller paid."""
    outage_nusd: int
    """What it cost the operator."""


class RequestEvent(Object):
    kind: Literal["late_settlement", "overrun"]
    amount_nusd: int


class LimitStates(Object):
    object: Literal["limits"]
    organisation_id: str
    project_id: str
    key_id: str
    model: str | None
    limits: list[LimitState]
    budgets: list[Budget]
    """All of them must cover a request."""


class LimitState(Object):
    """In any time t at most `burst + limit × t / window` is admitted, where the window is the
    name's minute or day."""

    scope: LimitScope
    name: LimitName
    limit: int
    burst: int
    used: int
    """Of the burst."""
    remaining: int
    """What could be used at once."""
    reset_ms: int
    """Until the burst is whole again."""


class BudgetList(Object):
    object: Literal["list"]
    data: list[Budget]


class Budget(Object):
    object: Literal["budget"]
    project_id: str
    key_id: str | None
    """Of this key alone; null: of the whole project."""
    kind: Literal["credits", "month", "total"]
    """`month` begins anew on the first, UTC."""
    limit_nusd: int
    """Of credits: all that was paid in."""
    spent_nusd: int
    held_nusd: int
    """By requests that run now."""
    left_nusd: int
    """Below zero: a lower limit was set than was spent."""
    left_usd: float
    alert_percents: list[int]


class AdminProjectList(Object):
    object: Literal["list"]
    data: list[AdminProject]


class AdminProject(Object):
    object: Literal["project"]
    id: str
    organisation_id: str
    name: str
    tier: str
    created_at: int
    """Unix seconds."""


class AdminKeyList(Object):
    object: Literal["list"]
    data: list[AdminKey]
    first_id: str | None
    last_id: str | None
    has_more: bool


class AdminKey(Object):
    object: Literal["key"]
    id: str
    project_id: str
    name: str
    ends_in: str
    """The last characters of the key."""
    scopes: list[str]
    models: list[str] | None
    """Null: every model."""
    state: Literal["active", "rotated", "expired", "revoked", "archived"]
    """`rotated`: it has a successor and works until `expires_at`."""
    created_at: int
    """Unix seconds."""
    expires_at: int | None
    """Unix seconds."""
    revoked_at: int | None
    """Unix seconds."""
    rotated_to: str | None
    """Its successor's id."""


class AdminNewKey(Object):
    key: str
    """The key. It is shown only this once and kept nowhere."""
    info: AdminKey


class AdminPriceList(Object):
    object: Literal["list"]
    data: list[AdminPrice]


class AdminPrice(Object):
    object: Literal["price"]
    model: str
    version: int
    valid_from: float
    """Unix seconds."""
    input_nusd_per_mtok: int
    """Nano-USD for a million tokens."""
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    batch_percent: int
    """What lines of batches cost of it."""


class AdminCleared(Object):
    cleared: bool


class AdminLimitList(Object):
    object: Literal["list"]
    data: list[AdminLimit]


class AdminLimit(Object):
    scope: LimitScope
    model: str | None
    """With the scope `model`; `*` is every model."""
    name: LimitName
    limit: int | None
    """Null: no limit."""
    burst: int | None
    set_by: str | None
    """Who says so: `tier T`, `project` or `key`."""


class AdminTierList(Object):
    object: Literal["list"]
    data: list[AdminTier]


class AdminTier(Object):
    object: Literal["tier"]
    name: str
    limits: list[AdminLimit]


class AuditPage(Object):
    object: Literal["list"]
    data: list[AuditEntry]
    has_more: bool
    next_after: str | None


class AuditEntry(Object):
    id: str
    created_at: float
    """Unix seconds."""
    actor: str
    """The id of the key that did it, or `cli`."""
    organisation_id: str | None
    """Null: of the whole installation."""
    action: str
    """What was done: `key.create`, `budget.set`."""
    target: str
    """To what: its id or name."""
    details: dict[str, Any]


class File(Object):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    """Unix seconds."""
    expires_at: int | None
    """Unix seconds; null: it stays until it is deleted."""
    filename: str
    purpose: Literal["batch", "batch_output", "user_data"]
    status: Literal["uploaded", "processed", "error"]
    """`error`: lines of a batch's input are wrong, so that a batch of it would fail."""
    status_details: str | None | None
    """Of an `error`: the first line that is wrong, and why."""


class FileList(Object):
    object: Literal["list"]
    data: list[File]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(Object):
    id: str
    object: Literal["file"]
    deleted: bool


class ModelList(Object):
    object: Literal["list"]
    data: list[Model]
    has_more: bool | None
    """False. With `anthropic-version`."""
    first_id: str | None
    """Of a list that is not empty. With `anthropic-version`."""
    last_id: str | None
    """Of a list that is not empty. With `anthropic-version`."""


class Model(Object):
    id: str
    object: Literal["model"]
    created: int
    """Unix seconds."""
    owned_by: str
    kind: Literal["chat", "embedding"] | None
    max_model_len: int | None
    """Context in tokens, prompt and output together."""
    dimensions: int | None
    """Of an embedding model's vectors."""
    input_modalities: list[Literal["text", "image"]] | None
    """What a chat model reads."""
    replicas: int | None
    alias_of: str | None
    """The model's own id. Only of an alias."""
    type: Literal["model"] | None
    """With `anthropic-version`."""
    display_name: str | None
    """The id again. With `anthropic-version`."""
    created_at: str | None
    """As `created`, by RFC 3339. With `anthropic-version`."""
    max_input_tokens: int | None
    """As `max_model_len`. With `anthropic-version`."""


class AdminModelList(Object):
    object: Literal["list"]
    data: list[AdminModel]


class AdminModel(Object):
    object: Literal["model"]
    id: str
    kind: Literal["chat", "embedding"]
    backend: str
    state: ModelLifeState
    hosts: list[AdminHostedModel]


class AdminHostedModel(Object):
    """A model on one model host."""

    host: str
    """The model host's address."""
    state: ModelLifeState
    error: str | None
    """Why it failed or is not ready."""
    progress: float | None
    """Of loading or downloading, 0 to 1; null: unknown, or neither."""
    downloaded_bytes: int | None
    """While it is downloaded."""
    total_bytes: int | None
    """Of the download; null: none, or the source does not say."""
    size_bytes: int
    """Of its files."""
    needs_bytes: int
    """Of memory, estimated before it is loaded; 0: computed elsewhere."""
    path: str
    """Of its files on the host; empty when it has none."""
    pinned: bool
    """Neither idleness nor another model's need unloads it."""
    idle_ttl_s: float
    """It is put to sleep after so long without a request; 0: never."""
    workers: list[AdminModelWorker]


class AdminModelWorker(Object):
    """One process that runs a model."""

    state: ModelLifeState
    device: str
    """`cpu`, `gpu:0`, `upstream`; empty before it is ready."""
    n_ctx: int
    """Tokens of one request."""
    n_gpu_layers: int
    """-1: all."""
    slots: int
    """Requests that run at the same time."""
    endpoint: str | None
    """`host:port`; null before it is ready."""
    port: int | None
    memory_bytes: int
    """Its resident set."""
    restarts: int
    error: str | None


class AdminModelEndpoint(Object):
    object: Literal["model.endpoint"]
    id: str
    path: str
    """Of this API."""
    endpoints: list[str]


class Error(Object):
    message: str
    """What was wrong and what to do next."""
    type: str
    param: str | None
    """The field at fault, as a path: `messages[0].content`."""
    code: str | None


Metadata: TypeAlias = dict[str, str]

ToolName: TypeAlias = str

ToolChoiceMode: TypeAlias = Literal["none", "auto", "required"]

ServerToolStatus: TypeAlias = Literal["completed", "failed"]

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]

CompletionFinishReason: TypeAlias = Literal["stop", "length", "content_filter"]

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
"""Items of an answer may be sent back as they came."""

ResponseContentPart: TypeAlias = (
    ResponseInputText | ResponseInputImage | ResponseInputFile | ResponseTextInput | ResponseRefusal
)

ResponseContent: TypeAlias = str | list[ResponseContentPart]

ResponseTool: TypeAlias = ResponseFunctionTool | ResponseServerTools

ResponseToolChoice: TypeAlias = ResponseNamedTool | ResponseAllowedTools

ResponseTextFormat: TypeAlias = ResponseFormatText | ResponseFormatJsonObject | ResponseTextJsonSchema

ResponseStatus: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed", "cancelled"]
"""`cancelled`: its client left."""

ResponseOutputItem: TypeAlias = (
    ResponseOutputMessage | ResponseFunctionCall | ResponseServerToolCall | ResponseReasoning
)

ResponseItemStatus: TypeAlias = Literal["in_progress", "completed", "incomplete"]

ResponseOutputPart: TypeAlias = ResponseOutputText | ResponseReasoningText

ResponseServerToolStatus: TypeAlias = Literal["in_progress", "completed", "incomplete", "failed"]

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

MessageContentBlock: TypeAlias = MessageTextBlock | MessageToolUseBlock | MessageThinkingBlock

MessageStopReason: TypeAlias = Literal[
    "end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "model_context_window_exceeded"
]

MessageStreamEvent: TypeAlias = (
    MessageStartEvent
    | MessageBlockStartEvent
    | MessageBlockDeltaEvent
    | MessageBlockStopEvent
    | MessageDeltaEvent
    | MessageStopEvent
    | MessageErrorResponse
)

MessageBlockDelta: TypeAlias = MessageTextDelta | MessageInputJsonDelta | MessageThinkingDelta | MessageSignatureDelta

BatchEndpoint: TypeAlias = Literal["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"]

BatchStatus: TypeAlias = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]

LimitScope: TypeAlias = Literal["key", "project", "model"]

LimitName: TypeAlias = Literal[
    "requests_per_minute", "tokens_per_minute", "requests_per_day", "tokens_per_day", "concurrent_requests"
]

ModelLifeState: TypeAlias = Literal[
    "unloaded", "asleep", "downloading", "loading", "ready", "restarting", "draining", "failed"
]
"""`asleep`: the next request loads it. `restarting`: a worker crashed and is started
again. `failed`: it could not be loaded or downloaded, and nobody tries again. Of
several hosts the one that is furthest counts."""
