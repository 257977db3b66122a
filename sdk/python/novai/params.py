# Generated from openapi/spec.yaml by `make sdk`. Do not edit.

"""Objects of requests: plain dicts, whose types a type checker knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from typing_extensions import NotRequired, Required, TypedDict

from ._runtime.call import RequestOptions
from ._runtime.encoding import FileInput

if TYPE_CHECKING:
    from . import types


class ChatCompletionRequest(TypedDict):
    model: str
    """The model's id or an alias, as `GET /v1/models` lists them. The answer says the id."""
    messages: Sequence[ChatMessage]
    """The conversation so far."""
    stream: NotRequired[bool | None]
    """Send the answer as server-sent events while it is generated."""
    stream_options: NotRequired[StreamOptions | None]
    """Only with `stream`."""
    max_completion_tokens: NotRequired[int | None]
    """Tokens generated at most. Without it, as many as the context leaves."""
    max_tokens: NotRequired[int | None]
    """The older name; `max_completion_tokens` wins when both are given."""
    temperature: NotRequired[float | None]
    """0 always takes the likeliest token."""
    top_p: NotRequired[float | None]
    """Nucleus sampling. 0 means the smallest nucleus, the likeliest token."""
    top_k: NotRequired[int | None]
    """Sample among the k likeliest tokens. 0 or -1 is off, the default."""
    min_p: NotRequired[float | None]
    """Drop tokens less likely than this share of the likeliest one's probability."""
    repetition_penalty: NotRequired[float | None]
    """Above 1 makes tokens that occurred less likely. 1 is off, the default."""
    presence_penalty: NotRequired[float | None]
    frequency_penalty: NotRequired[float | None]
    logit_bias: NotRequired[LogitBias | None]
    """Added to the logits of single tokens, by token id."""
    seed: NotRequired[int | None]
    """The same seed and request give the same answer, as far as the hardware allows."""
    stop: NotRequired[str | Sequence[str] | None]
    """The answer ends before the first of these texts."""
    stop_token_ids: NotRequired[Sequence[int] | None]
    ignore_eos: NotRequired[bool | None]
    """Go on past the model's own end, up to the token limit."""
    min_tokens: NotRequired[int | None]
    n: NotRequired[int | None]
    """How many answers. The prompt is computed and counted once."""
    logprobs: NotRequired[bool | None]
    """Log-probabilities of the tokens under the model's own distribution: before penalties,
biases, temperature and whatever constrains the output."""
    top_logprobs: NotRequired[int | None]
    """Needs `logprobs`."""
    tools: NotRequired[Sequence[Tool] | None]
    """What the model may call. Calls of a tool with `strict` match its parameters; those of
others are as good as the model, unless `tool_choice` asks for calls."""
    tool_choice: NotRequired[ToolChoiceMode | ToolChoice | None]
    """Binding: with `required`, or one tool named, nothing but calls is generated; with
`allowed_tools` no other tool can be called. `auto` where tools are given."""
    parallel_tool_calls: NotRequired[bool | None]
    """Whether an answer may hold several calls, 16 at most where calls are enforced; else one
at most."""
    response_format: NotRequired[ResponseFormat | None]
    """What the answer must be. JSON is enforced while it is generated: with no white space but
one blank behind a comma or colon where the model writes it, and valid whenever
`finish_reason` is `stop`. With `tools` the model may still call one of them instead.
Reasoning comes before it and is free."""
    structured_outputs: NotRequired[StructuredOutputs | None]
    """More forms of an answer, enforced as `response_format` is. Not together with that."""
    reasoning_effort: NotRequired[ReasoningEffort | None]
    """Models with levels of reasoning take `low`, `medium` and `high`; models that can be told
whether to reason do not with `none`, and do with all others. What a model cannot do is
refused."""
    chat_template_kwargs: NotRequired[ChatTemplateKwargs | None]
    metadata: NotRequired[Metadata | None]
    """Accepted. It comes back in the answer, unless that is streamed, and is stored nowhere."""
    modalities: NotRequired[Sequence[Literal["text"]] | None]
    service_tier: NotRequired[str | None]
    """Accepted. All requests run in the tier `default`."""
    store: NotRequired[bool | None]
    """Accepted. Completions are not stored."""
    user: NotRequired[str | None]
    """Accepted; recorded nowhere."""
    safety_identifier: NotRequired[str | None]
    """Accepted; recorded nowhere."""
    prompt_cache_key: NotRequired[str | None]
    """Accepted. Prompts that begin alike share what was computed in any case."""
    prompt_cache_retention: NotRequired[str | None]
    """Accepted; what was computed is kept while there is room."""
    prompt_cache_options: NotRequired[dict[str, Any] | None]
    """Accepted, as `prompt_cache_key` is."""
    verbosity: NotRequired[str | None]
    """Accepted; ask for a length in the prompt."""
    prediction: NotRequired[dict[str, Any] | None]
    """Accepted; it speeds nothing up here."""


class StreamOptions(TypedDict):
    include_usage: NotRequired[bool | None]
    """One more chunk at the end with the usage of the whole request."""
    include_obfuscation: NotRequired[bool | None]
    """Accepted; this server adds no obfuscation."""
    continuous_usage_stats: NotRequired[bool | None]
    """Refused when true. Usage comes once, at the end."""


class ChatTemplateKwargs(TypedDict):
    enable_thinking: NotRequired[bool | None]


class SystemMessage(TypedDict):
    role: Literal["system"]
    content: TextContent
    name: NotRequired[str | None]


class DeveloperMessage(TypedDict):
    role: Literal["developer"]
    content: TextContent
    name: NotRequired[str | None]


class UserMessage(TypedDict):
    role: Literal["user"]
    content: str | Sequence[UserContentPart]
    name: NotRequired[str | None]


class AssistantMessage(TypedDict):
    """Every key that an answer carries may be sent back."""

    role: Literal["assistant"]
    content: NotRequired[str | Sequence[AssistantContentPart] | None]
    refusal: NotRequired[str | None]
    name: NotRequired[str | None]
    tool_calls: NotRequired[Sequence[ToolCall] | None]
    reasoning_content: NotRequired[str | None]
    novai_tool_calls: NotRequired[Sequence[ServerToolCall] | None]
    """The model sees them again, before what it said."""


class ToolMessage(TypedDict):
    role: Literal["tool"]
    content: TextContent
    tool_call_id: str
    name: NotRequired[str | None]


class TextPart(TypedDict):
    type: Literal["text"]
    text: str


class RefusalPart(TypedDict):
    type: Literal["refusal"]
    refusal: str


class ImagePart(TypedDict):
    """Only models that see take it; the others answer 400."""

    type: Literal["image_url"]
    image_url: ImageUrl


class ImageUrl(TypedDict):
    url: str
    """`data:image/png;base64,…`; or, where the server allows the host, an https URL: 10 s and
3 redirects at most. A PNG, JPEG, WebP or GIF, of which the first frame counts. A
request has at most 16 images of 20 MiB together, each of 50 million pixels."""
    detail: NotRequired[str | None]
    """Ignored: the model sees what it can."""


class FunctionTool(TypedDict):
    """The caller runs it."""

    type: Literal["function"]
    function: FunctionDefinition


class ServerTool(TypedDict):
    """This server runs it, and the model goes on with the result. Its operator decides which
    there are; a `tool_choice` names one like a function, and holds for the first round. A
    call that fails is told to the model. Calls of the caller's own functions end the
    rounds, and are the caller's to answer."""

    type: Literal["novai_tool"]
    name: ToolName


class FunctionDefinition(TypedDict):
    name: str
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    """A JSON Schema. Without it the function takes no arguments."""
    strict: NotRequired[bool | None]


class NamedToolChoice(TypedDict):
    type: Literal["function"]
    function: FunctionName


class AllowedToolsChoice(TypedDict):
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


class AllowedTools(TypedDict):
    mode: Literal["auto", "required"]
    """`required` makes the model call one of them."""
    tools: Sequence[AllowedTool]


class AllowedTool(TypedDict):
    type: Literal["function"]
    function: FunctionName


class FunctionName(TypedDict):
    name: str


class ToolCall(TypedDict):
    id: str
    type: Literal["function"]
    function: FunctionCall


class FunctionCall(TypedDict):
    name: str
    arguments: str
    """JSON text."""


class ServerToolCall(TypedDict):
    """A call of a tool that this server runs."""

    id: str
    name: str
    arguments: str
    """JSON text, as the model wrote it."""
    status: ServerToolStatus
    output: str
    """What the model read: the result, or why there is none."""


class ResponseFormatText(TypedDict):
    type: Literal["text"]


class ResponseFormatJsonObject(TypedDict):
    type: Literal["json_object"]


class ResponseFormatJsonSchema(TypedDict):
    type: Literal["json_schema"]
    json_schema: JsonSchemaFormat


class JsonSchemaFormat(TypedDict):
    name: str
    description: NotRequired[str | None]
    schema: NotRequired[dict[str, Any] | None]
    """A JSON Schema. OpenAI's strict subset is supported, and much of draft 2020-12 beyond it;
what is not (`not`, `if`, `uniqueItems` …) is refused. At most 64 KiB, 16 levels, 5 000
properties, 1 000 enum values; references within the schema only."""
    strict: NotRequired[bool | None]
    """Accepted. The schema is enforced either way."""


class StructuredOutputs(TypedDict):
    """Exactly one of these."""

    json: NotRequired[dict[str, Any] | None]
    """A JSON Schema, as in `response_format`."""
    regex: NotRequired[str | None]
    """A regular expression that matches the whole answer. RE2's syntax; no look-around, no
references."""
    choice: NotRequired[Sequence[str] | None]
    """The answer is one of these texts."""
    grammar: NotRequired[str | None]
    """A context-free grammar in Lark's syntax; the answer is what its rule `start` matches."""


class CompletionRequest(TypedDict):
    model: str
    """The model's id or an alias, as `GET /v1/models` lists them. The answer says the id."""
    prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None
    """A text, texts, token ids, or lists of token ids of the model's own vocabulary. Null and
an empty text begin where the model's texts begin."""
    echo: NotRequired[bool | None]
    """Repeat the prompt before its continuation. Not together with `logprobs`."""
    suffix: NotRequired[str | None]
    """Text cannot be inserted before a suffix; only an empty one is accepted."""
    max_tokens: NotRequired[int | None]
    """Tokens generated at most, for each choice. 0 generates nothing; with `echo` the prompt
comes back."""
    stream: NotRequired[bool | None]
    """Send the answer as server-sent events while it is generated."""
    stream_options: NotRequired[StreamOptions | None]
    """Only with `stream`."""
    temperature: NotRequired[float | None]
    """0 always takes the likeliest token."""
    top_p: NotRequired[float | None]
    """Nucleus sampling. 0 means the smallest nucleus, the likeliest token."""
    top_k: NotRequired[int | None]
    """Sample among the k likeliest tokens. 0 or -1 is off, the default."""
    min_p: NotRequired[float | None]
    """Drop tokens less likely than this share of the likeliest one's probability."""
    repetition_penalty: NotRequired[float | None]
    """Above 1 makes tokens that occurred less likely. 1 is off, the default."""
    presence_penalty: NotRequired[float | None]
    frequency_penalty: NotRequired[float | None]
    logit_bias: NotRequired[LogitBias | None]
    """Added to the logits of single tokens, by token id."""
    seed: NotRequired[int | None]
    """The same seed and request give the same answer, as far as the hardware allows."""
    stop: NotRequired[str | Sequence[str] | None]
    """The answer ends before the first of these texts."""
    stop_token_ids: NotRequired[Sequence[int] | None]
    ignore_eos: NotRequired[bool | None]
    """Go on past the model's own end, up to the token limit."""
    min_tokens: NotRequired[int | None]
    n: NotRequired[int | None]
    """How many choices for each prompt, which is computed and counted once. At most 64 for all
prompts."""
    best_of: NotRequired[int | None]
    """Choices are not ranked; only the value of `n` is accepted."""
    logprobs: NotRequired[int | None]
    """The log probability of every token, and of so many of the likeliest ones at its place."""
    user: NotRequired[str | None]
    """Accepted; recorded nowhere."""


class ResponsePrompt(TypedDict):
    """What a model sees of a request for a response."""

    model: str
    """The model's id, as `GET /v1/models` lists it."""
    input: str | Sequence[ResponseInputItem]
    """What the user says, or items of a conversation."""
    instructions: NotRequired[str | None]
    """Said before everything else. Those of earlier turns are not carried over."""
    previous_response_id: NotRequired[str | None]
    """Continue from this response, which must have been stored."""
    tools: NotRequired[Sequence[ResponseTool] | None]
    tool_choice: NotRequired[ToolChoiceMode | ResponseToolChoice | None]
    parallel_tool_calls: NotRequired[bool | None]
    text: NotRequired[ResponseTextConfig | None]
    reasoning: NotRequired[ResponseReasoningConfig | None]
    truncation: NotRequired[Literal["disabled"] | None]
    """`auto` is refused: an input that is too long is an error here, never cut."""
    conversation: NotRequired[None]
    """Refused: use `previous_response_id`."""
    prompt: NotRequired[None]
    """Refused: there are no stored prompts."""


class ResponseRequest(TypedDict):
    model: str
    """The model's id, as `GET /v1/models` lists it."""
    input: str | Sequence[ResponseInputItem]
    """What the user says, or items of a conversation."""
    instructions: NotRequired[str | None]
    """Said before everything else. Those of earlier turns are not carried over."""
    previous_response_id: NotRequired[str | None]
    """Continue from this response, which must have been stored."""
    tools: NotRequired[Sequence[ResponseTool] | None]
    tool_choice: NotRequired[ToolChoiceMode | ResponseToolChoice | None]
    parallel_tool_calls: NotRequired[bool | None]
    text: NotRequired[ResponseTextConfig | None]
    reasoning: NotRequired[ResponseReasoningConfig | None]
    truncation: NotRequired[Literal["disabled"] | None]
    """`auto` is refused: an input that is too long is an error here, never cut."""
    conversation: NotRequired[None]
    """Refused: use `previous_response_id`."""
    prompt: NotRequired[None]
    """Refused: there are no stored prompts."""
    stream: NotRequired[bool | None]
    """Send the answer as server-sent events while it is generated."""
    stream_options: NotRequired[ResponseStreamOptions | None]
    """Only with `stream`."""
    store: NotRequired[bool | None]
    """Keep the response and its input for later turns. When the database is away the answer is
given all the same, and says `store` false."""
    max_output_tokens: NotRequired[int | None]
    """Tokens generated at most, reasoning included. Without it, as many as the context leaves."""
    temperature: NotRequired[float | None]
    """0 always takes the likeliest token."""
    top_p: NotRequired[float | None]
    """Nucleus sampling. 0 means the smallest nucleus, the likeliest token."""
    presence_penalty: NotRequired[float | None]
    frequency_penalty: NotRequired[float | None]
    top_logprobs: NotRequired[int | None]
    """More than 0 gives the text's log probabilities, as `message.output_text.logprobs` in
`include` does."""
    include: NotRequired[Sequence[ResponseIncludable] | None]
    metadata: NotRequired[Metadata | None]
    background: NotRequired[Literal[False] | None]
    """`true` is refused: requests run while their client waits."""
    max_tool_calls: NotRequired[int | None]
    """Of tools that this server runs. Calls beyond it are not made; the model is told so, and
asked to answer."""
    service_tier: NotRequired[str | None]
    """Accepted. All requests run in the tier `default`."""
    user: NotRequired[str | None]
    """Accepted; given back."""
    safety_identifier: NotRequired[str | None]
    """Accepted; given back."""
    prompt_cache_key: NotRequired[str | None]
    """Accepted; given back. Prefixes are cached without it."""
    prompt_cache_retention: NotRequired[str | None]
    """Accepted; the cache keeps what it has room for."""
    prompt_cache_options: NotRequired[dict[str, Any] | None]
    """Accepted; the cache needs none."""
    moderation: NotRequired[dict[str, Any] | None]
    """Accepted; this server does not moderate."""


class ResponseStreamOptions(TypedDict):
    include_obfuscation: NotRequired[bool | None]
    """Accepted; this server adds no obfuscation."""


class ResponseInputMessage(TypedDict):
    type: NotRequired[Literal["message"]]
    id: NotRequired[str | None]
    role: Literal["user", "assistant", "system", "developer"]
    content: ResponseContent
    status: NotRequired[str | None]
    """Ignored."""
    phase: NotRequired[Literal["commentary", "final_answer"] | None]
    """Of an assistant's message; kept."""


class ResponseInputText(TypedDict):
    type: Literal["input_text"]
    text: str


class ResponseInputImage(TypedDict):
    """Only models that see take it; the others answer 400."""

    type: Literal["input_image"]
    image_url: NotRequired[str | None]
    """As the `url` of a chat completion's image."""
    file_id: NotRequired[str | None]
    """Refused with 400. Send `image_url`."""
    detail: NotRequired[str | None]
    """Ignored: the model sees what it can."""


class ResponseInputFile(TypedDict):
    """Refused with 400. Send the file's text."""

    type: Literal["input_file"]
    file_data: NotRequired[str | None]
    file_id: NotRequired[str | None]
    file_url: NotRequired[str | None]
    filename: NotRequired[str | None]


class ResponseTextInput(TypedDict):
    """Text of an earlier answer."""

    type: Literal["output_text"]
    text: str
    annotations: NotRequired[Sequence[dict[str, Any]] | None]


class ResponseRefusal(TypedDict):
    type: Literal["refusal"]
    refusal: str


class ResponseFunctionCallInput(TypedDict):
    type: Literal["function_call"]
    id: NotRequired[str | None]
    call_id: str
    name: str
    arguments: str
    """JSON text."""
    status: NotRequired[str | None]
    """Ignored."""


class ResponseFunctionCallOutput(TypedDict):
    type: Literal["function_call_output"]
    id: NotRequired[str | None]
    call_id: str
    output: ResponseContent
    status: NotRequired[str | None]
    """Ignored."""


class ResponseCustomToolCall(TypedDict):
    """Of another provider's answer. The model sees it as a call with the argument `input`."""

    type: Literal["custom_tool_call"]
    id: NotRequired[str | None]
    call_id: str
    name: str
    input: str


class ResponseCustomToolCallOutput(TypedDict):
    type: Literal["custom_tool_call_output"]
    id: NotRequired[str | None]
    call_id: str
    output: ResponseContent


class ResponseServerToolCallInput(TypedDict):
    """A call that a server made, this one or another provider's. The model sees it with its
    result."""

    type: Literal["mcp_call"]
    id: NotRequired[str | None]
    server_label: NotRequired[str | None]
    name: str
    arguments: str
    """JSON text."""
    output: NotRequired[str | None]
    error: NotRequired[ResponseCallError | str | None]
    status: NotRequired[str | None]
    """Ignored."""
    approval_request_id: NotRequired[str | None]
    """Ignored."""


class ResponseCallError(TypedDict):
    """Why there is no output, in the form of this server or another provider's."""

    type: NotRequired[str | None]
    message: NotRequired[str | None]
    content: NotRequired[Any]
    """What the model read, as parts with `text`."""


class ResponseReasoningInput(TypedDict):
    """What a model thought in an earlier turn: its template decides whether the model sees it
    again. What only another provider could decrypt, it does not see."""

    type: Literal["reasoning"]
    id: NotRequired[str | None]
    summary: NotRequired[Sequence[ResponseSummaryText] | None]
    content: NotRequired[Sequence[ResponseReasoningText] | None]
    encrypted_content: NotRequired[str | None]
    status: NotRequired[str | None]
    """Ignored."""


class ResponseSummaryText(TypedDict):
    type: Literal["summary_text"]
    text: str


class ResponseReasoningText(TypedDict):
    type: Literal["reasoning_text"]
    text: str


class ResponseItemReference(TypedDict):
    """An item of a stored response, by its id."""

    type: NotRequired[Literal["item_reference"]]
    id: str


class ResponseFunctionTool(TypedDict):
    """The caller runs it."""

    type: Literal["function"]
    name: str
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    """A JSON Schema. Without it the function takes no arguments."""
    strict: NotRequired[bool | None]
    """Arguments always fit `parameters`."""


class ResponseServerTools(TypedDict):
    """Tools that this server runs, and the model goes on with their results. Its operator
    decides which there are, and what servers of tools it asks; servers that a request names
    are asked nothing. A `tool_choice` names such a tool like a function, and holds for the
    first round. A call that fails is told to the model. Calls of the caller's own functions
    end the rounds, and are the caller's to answer."""

    type: Literal["mcp"]
    server_label: str
    """The operator's name of the server; `novai` has the tools that NovAI brings along."""
    allowed_tools: Sequence[ToolName]
    require_approval: NotRequired[Literal["never"] | None]
    """Tools run at once. Whoever wants to be asked offers functions."""
    server_description: NotRequired[str | None]
    """Ignored."""
    server_url: NotRequired[str | None]
    """Refused with 400."""
    connector_id: NotRequired[str | None]
    """Refused with 400."""
    authorization: NotRequired[str | None]
    """Refused with 400."""
    headers: NotRequired[dict[str, Any] | None]
    """Refused with 400."""


class ResponseNamedTool(TypedDict):
    type: Literal["function"]
    name: str


class ResponseAllowedTools(TypedDict):
    """Only these of the tools may be called."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: Sequence[ResponseAllowedTool]


class ResponseAllowedTool(TypedDict):
    type: Literal["function"]
    name: str


class ResponseTextConfig(TypedDict):
    format: NotRequired[ResponseTextFormat | None]
    verbosity: NotRequired[str | None]
    """Accepted; models here have no such switch."""


class ResponseTextJsonSchema(TypedDict):
    type: Literal["json_schema"]
    name: str
    schema: dict[str, Any]
    description: NotRequired[str | None]
    strict: NotRequired[bool | None]


class ResponseReasoningConfig(TypedDict):
    effort: NotRequired[Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None]
    """`none` and `minimal` switch off the thinking of models that can do without; the others
switch it on. Models with levels of reasoning do the nearest of theirs."""
    summary: NotRequired[Literal["auto", "concise", "detailed"] | None]
    """Where reasoning is given: with it as `summary`, where the clients that ask for it look,
else as `content`. Either way it is whole; models here do not summarise."""
    generate_summary: NotRequired[Literal["auto", "concise", "detailed"] | None]
    """The older name of `summary`."""


class EmbeddingRequest(TypedDict):
    model: str
    input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]]
    """A text, texts, token ids, or lists of token ids."""
    encoding_format: NotRequired[EncodingFormat | None]
    dimensions: NotRequired[int | None]
    """Keep only the leading dimensions; for models trained for it."""
    user: NotRequired[str | None]


class RerankRequest(TypedDict):
    model: str
    query: str
    documents: Sequence[str | RerankDocument]
    top_n: NotRequired[int | None]
    """Results at most. Without it, all."""
    return_documents: NotRequired[bool | None]
    """Repeat each document in its result."""


class RerankDocument(TypedDict):
    text: str


class MessageTextBlock(TypedDict):
    type: Literal["text"]
    text: str
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageRequest(TypedDict):
    model: str
    """The model's id, as `GET /v1/models` lists it."""
    max_tokens: int
    """Tokens generated at most, thinking included."""
    messages: Sequence[MessageParam]
    """The conversation so far. When it ends with one of the assistant, the answer goes on from
there."""
    system: NotRequired[str | Sequence[MessageTextBlock] | None]
    """What the model is told before the conversation. Claude Code's `x-anthropic-billing-
header` is left out: it changes with every request, and no prefix would be found in the
cache."""
    tools: NotRequired[Sequence[MessageTool] | None]
    tool_choice: NotRequired[MessageToolChoice | None]
    thinking: NotRequired[MessageThinking | None]
    """Without it, as with `disabled`: the model does not think. Models that cannot are not
affected."""
    output_config: NotRequired[MessageOutputConfig | None]
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""
    stream: NotRequired[bool | None]
    """Send the answer as server-sent events while it is generated."""
    temperature: NotRequired[float | None]
    """0 always takes the likeliest token. Up to 2, where Anthropic ends at 1."""
    top_p: NotRequired[float | None]
    """Nucleus sampling. 0 means the smallest nucleus, the likeliest token."""
    top_k: NotRequired[int | None]
    """Sample among the k likeliest tokens. 0 is off, the default."""
    stop_sequences: NotRequired[Sequence[str] | None]
    """The answer ends before the first of these texts."""
    metadata: NotRequired[dict[str, Any] | None]
    """Accepted; recorded nowhere."""
    service_tier: NotRequired[str | None]
    """Accepted. All requests run in the tier `standard`."""


class MessageCountRequest(TypedDict):
    model: str
    messages: Sequence[MessageParam]
    """The conversation so far. When it ends with one of the assistant, the answer goes on from
there."""
    system: NotRequired[str | Sequence[MessageTextBlock] | None]
    """What the model is told before the conversation. Claude Code's `x-anthropic-billing-
header` is left out: it changes with every request, and no prefix would be found in the
cache."""
    tools: NotRequired[Sequence[MessageTool] | None]
    tool_choice: NotRequired[MessageToolChoice | None]
    thinking: NotRequired[MessageThinking | None]
    """Without it, as with `disabled`: the model does not think. Models that cannot are not
affected."""
    output_config: NotRequired[MessageOutputConfig | None]
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageUser(TypedDict):
    role: Literal["user"]
    content: str | Sequence[MessageUserBlock]


class MessageAssistant(TypedDict):
    role: Literal["assistant"]
    content: str | Sequence[MessageAssistantBlock]


class MessageSystem(TypedDict):
    role: Literal["system"]
    content: str | Sequence[MessageTextBlock]


class MessageImageBlock(TypedDict):
    """Only models that see take it; the others answer 400."""

    type: Literal["image"]
    source: MessageImageSource
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageBase64Source(TypedDict):
    type: Literal["base64"]
    media_type: str
    """The file says what it is; nothing checks this."""
    data: str


class MessageUrlSource(TypedDict):
    type: Literal["url"]
    url: str
    """As the `url` of a chat completion's image."""


class MessageDocumentBlock(TypedDict):
    """Refused with 400. Send the document's text, or its pages as images."""

    type: Literal["document"]
    source: dict[str, Any]
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageToolUseBlock(TypedDict):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    """The arguments: `{}` when there are none."""
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageToolResultBlock(TypedDict):
    """The model reads the results before the other blocks of their message."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: NotRequired[str | Sequence[MessageToolResultContent] | None]
    is_error: NotRequired[bool | None]
    """The model reads `Error: ` before the content."""
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageThinkingBlock(TypedDict):
    type: Literal["thinking"]
    thinking: str
    signature: str
    """Names the message it comes from. Nothing checks it."""


class MessageRedactedThinkingBlock(TypedDict):
    """Of another server. The model does not see it."""

    type: Literal["redacted_thinking"]
    data: str


class MessageTool(TypedDict):
    type: NotRequired[str | None]
    """`custom`, or absent. Tools that Anthropic runs are refused."""
    name: str
    description: NotRequired[str | None]
    input_schema: NotRequired[dict[str, Any] | None]
    """A JSON Schema. Required, unless `type` names a tool that Anthropic runs."""
    strict: NotRequired[bool | None]
    cache_control: NotRequired[dict[str, Any] | None]
    """Accepted. Prefixes are found in the cache without it."""


class MessageToolChoiceAuto(TypedDict):
    type: Literal["auto"]
    disable_parallel_tool_use: NotRequired[bool | None]
    """One call at most."""


class MessageToolChoiceAny(TypedDict):
    type: Literal["any"]
    disable_parallel_tool_use: NotRequired[bool | None]
    """One call at most."""


class MessageToolChoiceTool(TypedDict):
    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: NotRequired[bool | None]
    """One call at most."""


class MessageToolChoiceNone(TypedDict):
    type: Literal["none"]


class MessageThinkingEnabled(TypedDict):
    type: Literal["enabled"]
    budget_tokens: NotRequired[int | None]
    """Accepted. How long a model thinks is its own affair, within `max_tokens`."""
    display: NotRequired[str | None]
    """With `omitted` the blocks come without their text."""


class MessageThinkingAdaptive(TypedDict):
    type: Literal["adaptive"]
    display: NotRequired[str | None]
    """With `omitted` the blocks come without their text."""


class MessageThinkingBetweenTools(TypedDict):
    type: Literal["between_tools"]


class MessageThinkingDisabled(TypedDict):
    type: Literal["disabled"]


class MessageOutputConfig(TypedDict):
    effort: NotRequired[str | None]
    """Of thinking, where `thinking` asks for it; models with levels do the nearest of theirs.
`high` by default."""
    format: NotRequired[MessageOutputFormat | None]


class MessageOutputFormat(TypedDict):
    type: Literal["json_schema"]
    schema: dict[str, Any]
    """A JSON Schema that the answer's text follows."""


class TokenizeRequest(TypedDict):
    """With either `prompt` or `messages`."""

    model: str
    prompt: NotRequired[str | None]
    add_special_tokens: NotRequired[bool | None]
    """Of a `prompt`, with what the model wants around it. Templates say for themselves what
they want."""
    messages: NotRequired[Sequence[ChatMessage] | None]
    tools: NotRequired[Sequence[Tool] | None]
    chat_template_kwargs: NotRequired[ChatTemplateKwargs | None]
    return_token_strs: NotRequired[bool | None]
    """Also the text of each token."""


class DetokenizeRequest(TypedDict):
    model: str
    tokens: Sequence[int]


class BatchInput(TypedDict):
    """A request's body, or an object with a `body`; with a `custom_id`, if you like."""

    custom_id: NotRequired[str]
    """Without it: `request-` and its number, from 1 on."""
    body: NotRequired[dict[str, Any]]
    """What the endpoint takes."""


class BatchOutputExpiry(TypedDict):
    anchor: Literal["created_at"]
    seconds: int


class BatchRequest(TypedDict):
    """Either `input_file_id` with its `endpoint`, or `inputs`."""

    input_file_id: NotRequired[str | None]
    inputs: NotRequired[Sequence[BatchInput] | None]
    """The requests themselves, instead of a file. They become a file, `input_file_id`."""
    endpoint: NotRequired[BatchEndpoint | None]
    """What all lines are sent to. Of `inputs`, chat completions unless it is given."""
    completion_window: NotRequired[Literal["24h"]]
    metadata: NotRequired[Metadata | None]
    output_expires_after: NotRequired[BatchOutputExpiry | None]
    """When the files of answers expire, from their creation on. 30 days unless it is given."""


class AdminCreateProject(TypedDict):
    name: str
    """Without white space around it."""


class AdminAssignTier(TypedDict):
    tier: str
    """Without white space around it."""


class AdminCreateKey(TypedDict):
    project: str
    """Id or name."""
    name: str
    """Without white space around it."""
    scopes: NotRequired[Sequence[KeyScope]]
    """`inference` and `usage` when absent."""
    models: NotRequired[Sequence[ModelName] | None]
    """Null or absent: every model."""
    expires_in_s: NotRequired[int | None]
    """Null or absent: never."""


class AdminRotateKey(TypedDict):
    overlap_s: int
    """How long the old key goes on working."""


class AdminSetPrice(TypedDict):
    model: str
    input_usd_per_mtok: float
    """With at most nine decimals."""
    cached_usd_per_mtok: float
    """Not more than other input."""
    output_usd_per_mtok: float
    """With at most nine decimals."""
    batch_percent: NotRequired[int]
    """What lines of batches cost of it."""
    valid_from: NotRequired[int | None]
    """Unix seconds. Null or absent: now."""


class AdminSetBudget(TypedDict):
    project: NotRequired[str]
    """Id or name. This or `key_id`."""
    key_id: NotRequired[str]
    """Of this key alone."""
    kind: BudgetKind
    limit_usd: float
    """With at most nine decimals."""
    alert_percents: NotRequired[Sequence[int]]
    """At which parts of it an alert is written. 50, 80 and 100 when absent."""


class AdminAddCredits(TypedDict):
    project: str
    """Id or name."""
    amount_usd: float
    """With at most nine decimals."""
    id: NotRequired[str]
    """Yours, of the project. What was granted under it before is not granted again."""
    alert_percents: NotRequired[Sequence[int]]
    """At which parts of it an alert is written. 50, 80 and 100 when absent."""


class AdminLimitRule(TypedDict):
    name: LimitName
    limit: int | None
    """Null: no limit."""
    burst: NotRequired[int | None]
    """What may be used at once, at most ten times the limit. Without it a sixth of the
requests a minute, and the whole of every other limit. Concurrent requests have none."""


class AdminSetLimits(TypedDict):
    project: NotRequired[str]
    """Id or name. This or `key_id`."""
    key_id: NotRequired[str]
    """Of this key alone."""
    scope: NotRequired[LimitScope]
    model: NotRequired[str]
    limits: Sequence[AdminLimitRule]


class AdminSetTier(TypedDict):
    scope: NotRequired[LimitScope]
    model: NotRequired[str]
    limits: Sequence[AdminLimitRule]


# FileUpload: not every field's name is one of Python's
FileUpload = TypedDict(
    "FileUpload",
    {
        "file": "FileInput",
        "purpose": "Literal['batch', 'user_data']",
        "expires_after[anchor]": "NotRequired[Literal['created_at']]",
        "expires_after[seconds]": "NotRequired[int]",
    },
)


class AdminLoadModel(TypedDict):
    context_length: NotRequired[int | None]
    """Tokens of one request."""
    gpu_layers: NotRequired[int | None]
    """-1: all."""
    slots: NotRequired[int | None]
    """Requests that run at the same time."""
    device: NotRequired[str | None]
    dtype: NotRequired[Literal["auto", "float32", "float16", "bfloat16"] | None]
    pinned: NotRequired[bool | None]
    """Neither idleness nor another model's need unloads it."""
    idle_ttl_s: NotRequired[float | None]
    """It is put to sleep after so long without a request, until the next one; 0: never."""
    host: NotRequired[str | None]
    """Only on this model host."""


class AdminDownloadModel(TypedDict):
    source: str
    """`OWNER/REPOSITORY` of Hugging Face, or the URL of a GGUF file."""
    name: NotRequired[str | None]
    """Of the model; else that of its file or repository."""
    file: NotRequired[str | None]
    """Of the repository; else its only GGUF file, or all that transformers reads."""
    revision: NotRequired[str | None]
    """Of the repository."""
    sha256: NotRequired[str | None]
    """Of a single file. Those of a repository are checked by what it says itself."""
    host: NotRequired[str | None]
    """The model host that keeps it. Needed when there are several."""


LogitBias: TypeAlias = "dict[str, float]"

Metadata: TypeAlias = "dict[str, str]"

ChatMessage: TypeAlias = (
    "SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | types.ChatCompletionMessage"
)

TextContent: TypeAlias = "str | Sequence[TextPart]"

UserContentPart: TypeAlias = "TextPart | ImagePart"

AssistantContentPart: TypeAlias = "TextPart | RefusalPart"

Tool: TypeAlias = "FunctionTool | ServerTool"

ToolName: TypeAlias = "str"

ToolChoiceMode: TypeAlias = "Literal['none', 'auto', 'required']"

ToolChoice: TypeAlias = "NamedToolChoice | AllowedToolsChoice"

ServerToolStatus: TypeAlias = "Literal['completed', 'failed']"

ResponseFormat: TypeAlias = "ResponseFormatText | ResponseFormatJsonObject | ResponseFormatJsonSchema"

ReasoningEffort: TypeAlias = "Literal['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max']"

ResponseIncludable: TypeAlias = "Literal['message.output_text.logprobs', 'reasoning.encrypted_content', 'message.input_image.image_url', 'file_search_call.results', 'web_search_call.results', 'web_search_call.action.sources', 'computer_call_output.output.image_url', 'code_interpreter_call.outputs']"
"""What else items should carry. `message.output_text.logprobs` is honoured. The others
speak of what items here never have; reasoning is given in plain text, so there is
nothing to encrypt."""

ResponseInputItem: TypeAlias = "ResponseInputMessage | ResponseFunctionCallInput | ResponseFunctionCallOutput | ResponseCustomToolCall | ResponseCustomToolCallOutput | ResponseServerToolCallInput | ResponseReasoningInput | ResponseItemReference | types.ResponseOutputItem"
"""Items of an answer may be sent back as they came."""

ResponseContent: TypeAlias = "str | Sequence[ResponseContentPart]"

ResponseContentPart: TypeAlias = (
    "ResponseInputText | ResponseInputImage | ResponseInputFile | ResponseTextInput | ResponseRefusal"
)

ResponseTool: TypeAlias = "ResponseFunctionTool | ResponseServerTools"

ResponseToolChoice: TypeAlias = "ResponseNamedTool | ResponseAllowedTools"

ResponseTextFormat: TypeAlias = "ResponseFormatText | ResponseFormatJsonObject | ResponseTextJsonSchema"

EncodingFormat: TypeAlias = "Literal['float', 'base64']"

MessageParam: TypeAlias = "MessageUser | MessageAssistant | MessageSystem"

MessageUserBlock: TypeAlias = "MessageTextBlock | MessageToolResultBlock | MessageImageBlock | MessageDocumentBlock"

MessageAssistantBlock: TypeAlias = "MessageTextBlock | MessageToolUseBlock | MessageThinkingBlock | MessageRedactedThinkingBlock | types.MessageContentBlock"
"""Every block that an answer carries may be sent back."""

MessageImageSource: TypeAlias = "MessageBase64Source | MessageUrlSource"

MessageToolResultContent: TypeAlias = "MessageTextBlock | MessageImageBlock | MessageDocumentBlock"

MessageToolChoice: TypeAlias = (
    "MessageToolChoiceAuto | MessageToolChoiceAny | MessageToolChoiceTool | MessageToolChoiceNone"
)

MessageThinking: TypeAlias = (
    "MessageThinkingEnabled | MessageThinkingAdaptive | MessageThinkingBetweenTools | MessageThinkingDisabled"
)

BatchEndpoint: TypeAlias = "Literal['/v1/chat/completions', '/v1/completions', '/v1/embeddings', '/v1/responses']"

LimitScope: TypeAlias = "Literal['key', 'project', 'model']"

LimitName: TypeAlias = (
    "Literal['requests_per_minute', 'tokens_per_minute', 'requests_per_day', 'tokens_per_day', 'concurrent_requests']"
)

ModelName: TypeAlias = "str"

KeyScope: TypeAlias = "Literal['inference', 'usage', 'admin', 'models']"

BudgetKind: TypeAlias = "Literal['month', 'total']"


class ChatCompletionsCreateOptions(RequestOptions, total=False):
    """What helpers hand on to the method that they call."""

    model: Required[str]
    messages: Required[Sequence[ChatMessage]]
    stream_options: StreamOptions | None
    max_completion_tokens: int | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: LogitBias | None
    seed: int | None
    stop: str | Sequence[str] | None
    stop_token_ids: Sequence[int] | None
    ignore_eos: bool | None
    min_tokens: int | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    tools: Sequence[Tool] | None
    tool_choice: ToolChoiceMode | ToolChoice | None
    parallel_tool_calls: bool | None
    structured_outputs: StructuredOutputs | None
    reasoning_effort: ReasoningEffort | None
    chat_template_kwargs: ChatTemplateKwargs | None
    metadata: Metadata | None
    modalities: Sequence[Literal["text"]] | None
    service_tier: str | None
    store: bool | None
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    prompt_cache_options: dict[str, Any] | None
    verbosity: str | None
    prediction: dict[str, Any] | None


class CompletionsCreateOptions(RequestOptions, total=False):
    """What helpers hand on to the method that they call."""

    model: Required[str]
    prompt: Required[str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]] | None]
    echo: bool | None
    suffix: str | None
    max_tokens: int | None
    stream_options: StreamOptions | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    min_p: float | None
    repetition_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    logit_bias: LogitBias | None
    seed: int | None
    stop: str | Sequence[str] | None
    stop_token_ids: Sequence[int] | None
    ignore_eos: bool | None
    min_tokens: int | None
    n: int | None
    best_of: int | None
    logprobs: int | None
    user: str | None


class ResponsesCreateOptions(RequestOptions, total=False):
    """What helpers hand on to the method that they call."""

    model: Required[str]
    input: Required[str | Sequence[ResponseInputItem]]
    instructions: str | None
    previous_response_id: str | None
    tools: Sequence[ResponseTool] | None
    tool_choice: ToolChoiceMode | ResponseToolChoice | None
    parallel_tool_calls: bool | None
    text: ResponseTextConfig | None
    reasoning: ResponseReasoningConfig | None
    truncation: Literal["disabled"] | None
    conversation: None
    prompt: None
    stream_options: ResponseStreamOptions | None
    store: bool | None
    max_output_tokens: int | None
    temperature: float | None
    top_p: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    top_logprobs: int | None
    include: Sequence[ResponseIncludable] | None
    metadata: Metadata | None
    background: Literal[False] | None
    max_tool_calls: int | None
    service_tier: str | None
    user: str | None
    safety_identifier: str | None
    prompt_cache_key: str | None
    prompt_cache_retention: str | None
    prompt_cache_options: dict[str, Any] | None
    moderation: dict[str, Any] | None


class MessagesCreateOptions(RequestOptions, total=False):
    """What helpers hand on to the method that they call."""

    model: Required[str]
    max_tokens: Required[int]
    messages: Required[Sequence[MessageParam]]
    system: str | Sequence[MessageTextBlock] | None
    tools: Sequence[MessageTool] | None
    tool_choice: MessageToolChoice | None
    thinking: MessageThinking | None
    output_config: MessageOutputConfig | None
    cache_control: dict[str, Any] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop_sequences: Sequence[str] | None
    metadata: dict[str, Any] | None
    service_tier: str | None
