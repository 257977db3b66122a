// Generated from openapi/spec.yaml by openapi/codegen/sdk.py. Do not edit.

// What requests take.
import type { Uploadable } from '../runtime/uploads.js';
import type * as types from './types.js';

export interface ChatCompletionRequest {
  /** The model's id or an alias, as `GET /v1/models` lists them. The answer says the id. */
  model: string;
  /** The conversation so far. */
  messages: ReadonlyArray<ChatMessage>;
  /** Send the answer as server-sent events while it is generated. */
  stream?: boolean | null | undefined;
  /** Only with `stream`. */
  stream_options?: StreamOptions | null | undefined;
  /** Tokens generated at most. Without it, as many as the context leaves. */
  max_completion_tokens?: number | null | undefined;
  /** @deprecated The older name; `max_completion_tokens` wins when both are given. */
  max_tokens?: number | null | undefined;
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling. 0 means the smallest nucleus, the likeliest token. */
  top_p?: number | null | undefined;
  /** Sample among the k likeliest tokens. 0 or -1 is off, the default. */
  top_k?: number | null | undefined;
  /** Drop tokens less likely than this share of the likeliest one's probability. */
  min_p?: number | null | undefined;
  /** Above 1 makes tokens that occurred less likely. 1 is off, the default. */
  repetition_penalty?: number | null | undefined;
  presence_penalty?: number | null | undefined;
  frequency_penalty?: number | null | undefined;
  /** Added to the logits of single tokens, by token id. */
  logit_bias?: LogitBias | null | undefined;
  /** The same seed and request give the same answer, as far as the hardware allows. */
  seed?: number | null | undefined;
  /** The answer ends before the first of these texts. */
  stop?: string | ReadonlyArray<string> | null | undefined;
  stop_token_ids?: ReadonlyArray<number> | null | undefined;
  /** Go on past the model's own end, up to the token limit. */
  ignore_eos?: boolean | null | undefined;
  min_tokens?: number | null | undefined;
  /** How many answers. The prompt is computed and counted once. */
  n?: number | null | undefined;
  /**
   * Log-probabilities of the tokens under the model's own distribution: before penalties, biases, temperature
   * and whatever constrains the output.
   */
  logprobs?: boolean | null | undefined;
  /** Needs `logprobs`. */
  top_logprobs?: number | null | undefined;
  /**
   * What the model may call. Calls of a tool with `strict` match its parameters; those of others are as good
   * as the model, unless `tool_choice` asks for calls.
   */
  tools?: ReadonlyArray<Tool> | null | undefined;
  /**
   * Binding: with `required`, or one tool named, nothing but calls is generated; with `allowed_tools` no other
   * tool can be called. `auto` where tools are given.
   */
  tool_choice?: ToolChoiceMode | ToolChoice | null | undefined;
  /** Whether an answer may hold several calls, 16 at most where calls are enforced; else one at most. */
  parallel_tool_calls?: boolean | null | undefined;
  /**
   * What the answer must be. JSON is enforced while it is generated: with no white space but one blank behind a
   * comma or colon where the model writes it, and valid whenever `finish_reason` is `stop`. With `tools` the model may still call one of them instead. Reasoning comes before
   * it and is free.
   */
  response_format?: ResponseFormat | null | undefined;
  /** More forms of an answer, enforced as `response_format` is. Not together with that. */
  structured_outputs?: StructuredOutputs | null | undefined;
  /**
   * Models with levels of reasoning take `low`, `medium` and `high`; models that can be told whether to reason do
   * not with `none`, and do with all others. What a model cannot do is refused.
   */
  reasoning_effort?: ReasoningEffort | null | undefined;
  chat_template_kwargs?: ChatTemplateKwargs | null | undefined;
  /** Accepted. It comes back in the answer, unless that is streamed, and is stored nowhere. */
  metadata?: Metadata | null | undefined;
  modalities?: ReadonlyArray<'text'> | null | undefined;
  /** Accepted. All requests run in the tier `default`. */
  service_tier?: string | null | undefined;
  /** Accepted. Completions are not stored. */
  store?: boolean | null | undefined;
  /** Accepted; recorded nowhere. */
  user?: string | null | undefined;
  /** Accepted; recorded nowhere. */
  safety_identifier?: string | null | undefined;
  /** Accepted. Prompts that begin alike share what was computed in any case. */
  prompt_cache_key?: string | null | undefined;
  /** Accepted; what was computed is kept while there is room. */
  prompt_cache_retention?: string | null | undefined;
  /** Accepted, as `prompt_cache_key` is. */
  prompt_cache_options?: Record<string, unknown> | null | undefined;
  /** Accepted; ask for a length in the prompt. */
  verbosity?: string | null | undefined;
  /** Accepted; it speeds nothing up here. */
  prediction?: Record<string, unknown> | null | undefined;
}

export interface StreamOptions {
  /** One more chunk at the end with the usage of the whole request. */
  include_usage?: boolean | null | undefined;
  /** Accepted; this server adds no obfuscation. */
  include_obfuscation?: boolean | null | undefined;
  /** Refused when true. Usage comes once, at the end. */
  continuous_usage_stats?: boolean | null | undefined;
}

export type LogitBias = Record<string, number>;

export interface ChatTemplateKwargs {
  enable_thinking?: boolean | null | undefined;
}

export type Metadata = Record<string, string>;

export type ChatMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage | types.ChatCompletionMessage;

export interface SystemMessage {
  role: 'system';
  content: TextContent;
  name?: string | null | undefined;
}

export interface DeveloperMessage {
  role: 'developer';
  content: TextContent;
  name?: string | null | undefined;
}

export interface UserMessage {
  role: 'user';
  content: string | ReadonlyArray<UserContentPart>;
  name?: string | null | undefined;
}

/** Every key that an answer carries may be sent back. */
export interface AssistantMessage {
  role: 'assistant';
  content?: string | ReadonlyArray<AssistantContentPart> | null | undefined;
  refusal?: string | null | undefined;
  name?: string | null | undefined;
  tool_calls?: ReadonlyArray<ToolCall> | null | undefined;
  reasoning_content?: string | null | undefined;
  /** The model sees them again, before what it said. */
  novai_tool_calls?: ReadonlyArray<ServerToolCall> | null | undefined;
}

export interface ToolMessage {
  role: 'tool';
  content: TextContent;
  tool_call_id: string;
  name?: string | null | undefined;
}

export type TextContent = string | ReadonlyArray<TextPart>;

export type UserContentPart = TextPart | ImagePart;

export type AssistantContentPart = TextPart | RefusalPart;

export interface TextPart {
  type: 'text';
  text: string;
}

export interface RefusalPart {
  type: 'refusal';
  refusal: string;
}

/** Only models that see take it; the others answer 400. */
export interface ImagePart {
  type: 'image_url';
  image_url: ImageUrl;
}

export interface ImageUrl {
  /**
   * `data:image/png;base64,…`; or, where the server allows the host, an https URL: 10 s and 3 redirects at most.
   * A PNG, JPEG, WebP or GIF, of which the first frame counts. A request has at most 16 images of 20 MiB together,
   * each of 50 million pixels.
   */
  url: string;
  /** Ignored: the model sees what it can. */
  detail?: string | null | undefined;
}

export type Tool = FunctionTool | ServerTool;

/** The caller runs it. */
export interface FunctionTool {
  type: 'function';
  function: FunctionDefinition;
}

/**
 * This server runs it, and the model goes on with the result. Its operator decides which there are; a `tool_choice`
 * names one like a function, and holds for the first round. A call that fails is told to the model. Calls of the
 * caller's own functions end the rounds, and are the caller's to answer.
 */
export interface ServerTool {
  type: 'novai_tool';
  name: ToolName;
}

export type ToolName = string;

export interface FunctionDefinition {
  name: string;
  description?: string | null | undefined;
  /** A JSON Schema. Without it the function takes no arguments. */
  parameters?: Record<string, unknown> | null | undefined;
  strict?: boolean | null | undefined;
}

export type ToolChoiceMode = 'none' | 'auto' | 'required';

export type ToolChoice = NamedToolChoice | AllowedToolsChoice;

export interface NamedToolChoice {
  type: 'function';
  function: FunctionName;
}

export interface AllowedToolsChoice {
  type: 'allowed_tools';
  allowed_tools: AllowedTools;
}

export interface AllowedTools {
  /** `required` makes the model call one of them. */
  mode: 'auto' | 'required';
  tools: ReadonlyArray<AllowedTool>;
}

export interface AllowedTool {
  type: 'function';
  function: FunctionName;
}

export interface FunctionName {
  name: string;
}

export interface ToolCall {
  id: string;
  type: 'function';
  function: FunctionCall;
}

export interface FunctionCall {
  name: string;
  /** JSON text. */
  arguments: string;
}

/** A call of a tool that this server runs. */
export interface ServerToolCall {
  id: string;
  name: string;
  /** JSON text, as the model wrote it. */
  arguments: string;
  status: ServerToolStatus;
  /** What the model read: the result, or why there is none. */
  output: string;
}

export type ServerToolStatus = 'completed' | 'failed';

export type ResponseFormat = ResponseFormatText | ResponseFormatJsonObject | ResponseFormatJsonSchema;

export interface ResponseFormatText {
  type: 'text';
}

export interface ResponseFormatJsonObject {
  type: 'json_object';
}

export interface ResponseFormatJsonSchema {
  type: 'json_schema';
  json_schema: JsonSchemaFormat;
}

export interface JsonSchemaFormat {
  name: string;
  description?: string | null | undefined;
  /**
   * A JSON Schema. OpenAI's strict subset is supported, and much of draft 2020-12 beyond it; what is not (`not`,
   * `if`, `uniqueItems` …) is refused. At most 64 KiB, 16 levels, 5 000 properties, 1 000 enum values;
   * references within the schema only.
   */
  schema?: Record<string, unknown> | null | undefined;
  /** Accepted. The schema is enforced either way. */
  strict?: boolean | null | undefined;
}

/** Exactly one of these. */
export interface StructuredOutputs {
  /** A JSON Schema, as in `response_format`. */
  json?: Record<string, unknown> | null | undefined;
  /** A regular expression that matches the whole answer. RE2's syntax; no look-around, no references. */
  regex?: string | null | undefined;
  /** The answer is one of these texts. */
  choice?: ReadonlyArray<string> | null | undefined;
  /** A context-free grammar in Lark's syntax; the answer is what its rule `start` matches. */
  grammar?: string | null | undefined;
}

export type ReasoningEffort = 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max';

export interface CompletionRequest {
  /** The model's id or an alias, as `GET /v1/models` lists them. The answer says the id. */
  model: string;
  /**
   * A text, texts, token ids, or lists of token ids of the model's own vocabulary. Null and an empty text begin
   * where the model's texts begin.
   */
  prompt: string | ReadonlyArray<string> | ReadonlyArray<number> | ReadonlyArray<ReadonlyArray<number>> | null;
  /** Repeat the prompt before its continuation. Not together with `logprobs`. */
  echo?: boolean | null | undefined;
  /** Text cannot be inserted before a suffix; only an empty one is accepted. */
  suffix?: string | null | undefined;
  /** Tokens generated at most, for each choice. 0 generates nothing; with `echo` the prompt comes back. */
  max_tokens?: number | null | undefined;
  /** Send the answer as server-sent events while it is generated. */
  stream?: boolean | null | undefined;
  /** Only with `stream`. */
  stream_options?: StreamOptions | null | undefined;
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling. 0 means the smallest nucleus, the likeliest token. */
  top_p?: number | null | undefined;
  /** Sample among the k likeliest tokens. 0 or -1 is off, the default. */
  top_k?: number | null | undefined;
  /** Drop tokens less likely than this share of the likeliest one's probability. */
  min_p?: number | null | undefined;
  /** Above 1 makes tokens that occurred less likely. 1 is off, the default. */
  repetition_penalty?: number | null | undefined;
  presence_penalty?: number | null | undefined;
  frequency_penalty?: number | null | undefined;
  /** Added to the logits of single tokens, by token id. */
  logit_bias?: LogitBias | null | undefined;
  /** The same seed and request give the same answer, as far as the hardware allows. */
  seed?: number | null | undefined;
  /** The answer ends before the first of these texts. */
  stop?: string | ReadonlyArray<string> | null | undefined;
  stop_token_ids?: ReadonlyArray<number> | null | undefined;
  /** Go on past the model's own end, up to the token limit. */
  ignore_eos?: boolean | null | undefined;
  min_tokens?: number | null | undefined;
  /** How many choices for each prompt, which is computed and counted once. At most 64 for all prompts. */
  n?: number | null | undefined;
  /** Choices are not ranked; only the value of `n` is accepted. */
  best_of?: number | null | undefined;
  /** The log probability of every token, and of so many of the likeliest ones at its place. */
  logprobs?: number | null | undefined;
  /** Accepted; recorded nowhere. */
  user?: string | null | undefined;
}

/** What a model sees of a request for a response. */
export interface ResponsePrompt {
  /** The model's id, as `GET /v1/models` lists it. */
  model: string;
  /** What the user says, or items of a conversation. */
  input: string | ReadonlyArray<ResponseInputItem>;
  /** Said before everything else. Those of earlier turns are not carried over. */
  instructions?: string | null | undefined;
  /** Continue from this response, which must have been stored. */
  previous_response_id?: string | null | undefined;
  tools?: ReadonlyArray<ResponseTool> | null | undefined;
  tool_choice?: ToolChoiceMode | ResponseToolChoice | null | undefined;
  parallel_tool_calls?: boolean | null | undefined;
  text?: ResponseTextConfig | null | undefined;
  reasoning?: ResponseReasoningConfig | null | undefined;
  /** `auto` is refused: an input that is too long is an error here, never cut. */
  truncation?: 'disabled' | null | undefined;
  /** Refused: use `previous_response_id`. */
  conversation?: null | undefined;
  /** Refused: there are no stored prompts. */
  prompt?: null | undefined;
}

export interface ResponseRequest {
  /** The model's id, as `GET /v1/models` lists it. */
  model: string;
  /** What the user says, or items of a conversation. */
  input: string | ReadonlyArray<ResponseInputItem>;
  /** Said before everything else. Those of earlier turns are not carried over. */
  instructions?: string | null | undefined;
  /** Continue from this response, which must have been stored. */
  previous_response_id?: string | null | undefined;
  tools?: ReadonlyArray<ResponseTool> | null | undefined;
  tool_choice?: ToolChoiceMode | ResponseToolChoice | null | undefined;
  parallel_tool_calls?: boolean | null | undefined;
  text?: ResponseTextConfig | null | undefined;
  reasoning?: ResponseReasoningConfig | null | undefined;
  /** `auto` is refused: an input that is too long is an error here, never cut. */
  truncation?: 'disabled' | null | undefined;
  /** Refused: use `previous_response_id`. */
  conversation?: null | undefined;
  /** Refused: there are no stored prompts. */
  prompt?: null | undefined;
  /** Send the answer as server-sent events while it is generated. */
  stream?: boolean | null | undefined;
  /** Only with `stream`. */
  stream_options?: ResponseStreamOptions | null | undefined;
  /**
   * Keep the response and its input for later turns. When the database is away the answer is given all the
   * same, and says `store` false.
   */
  store?: boolean | null | undefined;
  /** Tokens generated at most, reasoning included. Without it, as many as the context leaves. */
  max_output_tokens?: number | null | undefined;
  /** 0 always takes the likeliest token. */
  temperature?: number | null | undefined;
  /** Nucleus sampling. 0 means the smallest nucleus, the likeliest token. */
  top_p?: number | null | undefined;
  presence_penalty?: number | null | undefined;
  frequency_penalty?: number | null | undefined;
  /** More than 0 gives the text's log probabilities, as `message.output_text.logprobs` in `include` does. */
  top_logprobs?: number | null | undefined;
  include?: ReadonlyArray<ResponseIncludable> | null | undefined;
  metadata?: Metadata | null | undefined;
  /** `true` is refused: requests run while their client waits. */
  background?: false | null | undefined;
  /** Of tools that this server runs. Calls beyond it are not made; the model is told so, and asked to answer. */
  max_tool_calls?: number | null | undefined;
  /** Accepted. All requests run in the tier `default`. */
  service_tier?: string | null | undefined;
  /** Accepted; given back. */
  user?: string | null | undefined;
  /** Accepted; given back. */
  safety_identifier?: string | null | undefined;
  /** Accepted; given back. Prefixes are cached without it. */
  prompt_cache_key?: string | null | undefined;
  /** Accepted; the cache keeps what it has room for. */
  prompt_cache_retention?: string | null | undefined;
  /** Accepted; the cache needs none. */
  prompt_cache_options?: Record<string, unknown> | null | undefined;
  /** Accepted; this server does not moderate. */
  moderation?: Record<string, unknown> | null | undefined;
}

export interface ResponseStreamOptions {
  /** Accepted; this server adds no obfuscation. */
  include_obfuscation?: boolean | null | undefined;
}

/**
 * What else items should carry. `message.output_text.logprobs` is honoured. The others speak of what items here
 * never have; reasoning is given in plain text, so there is nothing to encrypt.
 */
export type ResponseIncludable = 'message.output_text.logprobs' | 'reasoning.encrypted_content' | 'message.input_image.image_url' | 'file_search_call.results' | 'web_search_call.results' | 'web_search_call.action.sources' | 'computer_call_output.output.image_url' | 'code_interpreter_call.outputs';

/** Items of an answer may be sent back as they came. */
export type ResponseInputItem = ResponseInputMessage | ResponseFunctionCallInput | ResponseFunctionCallOutput | ResponseCustomToolCall | ResponseCustomToolCallOutput | ResponseServerToolCallInput | ResponseReasoningInput | ResponseItemReference | types.ResponseOutputItem;

export interface ResponseInputMessage {
  type?: 'message' | undefined;
  id?: string | null | undefined;
  role: 'user' | 'assistant' | 'system' | 'developer';
  content: ResponseContent;
  /** Ignored. */
  status?: string | null | undefined;
  /** Of an assistant's message; kept. */
  phase?: 'commentary' | 'final_answer' | null | undefined;
}

export type ResponseContent = string | ReadonlyArray<ResponseContentPart>;

export type ResponseContentPart = ResponseInputText | ResponseInputImage | ResponseInputFile | ResponseTextInput | ResponseRefusal;

export interface ResponseInputText {
  type: 'input_text';
  text: string;
}

/** Only models that see take it; the others answer 400. */
export interface ResponseInputImage {
  type: 'input_image';
  /** As the `url` of a chat completion's image. */
  image_url?: string | null | undefined;
  /** Refused with 400. Send `image_url`. */
  file_id?: string | null | undefined;
  /** Ignored: the model sees what it can. */
  detail?: string | null | undefined;
}

/** Refused with 400. Send the file's text. */
export interface ResponseInputFile {
  type: 'input_file';
  file_data?: string | null | undefined;
  file_id?: string | null | undefined;
  file_url?: string | null | undefined;
  filename?: string | null | undefined;
}

/** Text of an earlier answer. */
export interface ResponseTextInput {
  type: 'output_text';
  text: string;
  annotations?: ReadonlyArray<Record<string, unknown>> | null | undefined;
}

export interface ResponseRefusal {
  type: 'refusal';
  refusal: string;
}

export interface ResponseFunctionCallInput {
  type: 'function_call';
  id?: string | null | undefined;
  call_id: string;
  name: string;
  /** JSON text. */
  arguments: string;
  /** Ignored. */
  status?: string | null | undefined;
}

export interface ResponseFunctionCallOutput {
  type: 'function_call_output';
  id?: string | null | undefined;
  call_id: string;
  output: ResponseContent;
  /** Ignored. */
  status?: string | null | undefined;
}

/** Of another provider's answer. The model sees it as a call with the argument `input`. */
export interface ResponseCustomToolCall {
  type: 'custom_tool_call';
  id?: string | null | undefined;
  call_id: string;
  name: string;
  input: string;
}

export interface ResponseCustomToolCallOutput {
  type: 'custom_tool_call_output';
  id?: string | null | undefined;
  call_id: string;
  output: ResponseContent;
}

/** A call that a server made, this one or another provider's. The model sees it with its result. */
export interface ResponseServerToolCallInput {
  type: 'mcp_call';
  id?: string | null | undefined;
  server_label?: string | null | undefined;
  name: string;
  /** JSON text. */
  arguments: string;
  output?: string | null | undefined;
  error?: ResponseCallError | string | null | undefined;
  /** Ignored. */
  status?: string | null | undefined;
  /** Ignored. */
  approval_request_id?: string | null | undefined;
}

/** Why there is no output, in the form of this server or another provider's. */
export interface ResponseCallError {
  type?: string | null | undefined;
  message?: string | null | undefined;
  /** What the model read, as parts with `text`. */
  content?: unknown | undefined;
}

/**
 * What a model thought in an earlier turn: its template decides whether the model sees it again. What only
 * another provider could decrypt, it does not see.
 */
export interface ResponseReasoningInput {
  type: 'reasoning';
  id?: string | null | undefined;
  summary?: ReadonlyArray<ResponseSummaryText> | null | undefined;
  content?: ReadonlyArray<ResponseReasoningText> | null | undefined;
  encrypted_content?: string | null | undefined;
  /** Ignored. */
  status?: string | null | undefined;
}

export interface ResponseSummaryText {
  type: 'summary_text';
  text: string;
}

export interface ResponseReasoningText {
  type: 'reasoning_text';
  text: string;
}

/** An item of a stored response, by its id. */
export interface ResponseItemReference {
  type?: 'item_reference' | undefined;
  id: string;
}

export type ResponseTool = ResponseFunctionTool | ResponseServerTools;

/** The caller runs it. */
export interface ResponseFunctionTool {
  type: 'function';
  name: string;
  description?: string | null | undefined;
  /** A JSON Schema. Without it the function takes no arguments. */
  parameters?: Record<string, unknown> | null | undefined;
  /** Arguments always fit `parameters`. */
  strict?: boolean | null | undefined;
}

/**
 * Tools that this server runs, and the model goes on with their results. Its operator decides which there are, and
 * what servers of tools it asks; servers that a request names are asked nothing. A `tool_choice` names such a tool
 * like a function, and holds for the first round. A call that fails is told to the model. Calls of the caller's
 * own functions end the rounds, and are the caller's to answer.
 */
export interface ResponseServerTools {
  type: 'mcp';
  /** The operator's name of the server; `novai` has the tools that NovAI brings along. */
  server_label: string;
  allowed_tools: ReadonlyArray<ToolName>;
  /** Tools run at once. Whoever wants to be asked offers functions. */
  require_approval?: 'never' | null | undefined;
  /** Ignored. */
  server_description?: string | null | undefined;
  /** Refused with 400. */
  server_url?: string | null | undefined;
  /** Refused with 400. */
  connector_id?: string | null | undefined;
  /** Refused with 400. */
  authorization?: string | null | undefined;
  /** Refused with 400. */
  headers?: Record<string, unknown> | null | undefined;
}

export type ResponseToolChoice = ResponseNamedTool | ResponseAllowedTools;

export interface ResponseNamedTool {
  type: 'function';
  name: string;
}

/** Only these of the tools may be called. */
export interface ResponseAllowedTools {
  type: 'allowed_tools';
  mode: 'auto' | 'required';
  tools: ReadonlyArray<ResponseAllowedTool>;
}

export interface ResponseAllowedTool {
  type: 'function';
  name: string;
}

export interface ResponseTextConfig {
  format?: ResponseTextFormat | null | undefined;
  /** Accepted; models here have no such switch. */
  verbosity?: string | null | undefined;
}

export type ResponseTextFormat = ResponseFormatText | ResponseFormatJsonObject | ResponseTextJsonSchema;

export interface ResponseTextJsonSchema {
  type: 'json_schema';
  name: string;
  schema: Record<string, unknown>;
  description?: string | null | undefined;
  strict?: boolean | null | undefined;
}

export interface ResponseReasoningConfig {
  /**
   * `none` and `minimal` switch off the thinking of models that can do without; the others switch it on. Models with
   * levels of reasoning do the nearest of theirs.
   */
  effort?: 'none' | 'minimal' | 'low' | 'medium' | 'high' | 'xhigh' | 'max' | null | undefined;
  /**
   * Where reasoning is given: with it as `summary`, where the clients that ask for it look, else as `content`.
   * Either way it is whole; models here do not summarise.
   */
  summary?: 'auto' | 'concise' | 'detailed' | null | undefined;
  /** @deprecated The older name of `summary`. */
  generate_summary?: 'auto' | 'concise' | 'detailed' | null | undefined;
}

export interface EmbeddingRequest {
  model: string;
  /** A text, texts, token ids, or lists of token ids. */
  input: string | ReadonlyArray<string> | ReadonlyArray<number> | ReadonlyArray<ReadonlyArray<number>>;
  encoding_format?: EncodingFormat | null | undefined;
  /** Keep only the leading dimensions; for models trained for it. */
  dimensions?: number | null | undefined;
  user?: string | null | undefined;
}

export type EncodingFormat = 'float' | 'base64';

export interface RerankRequest {
  model: string;
  query: string;
  documents: ReadonlyArray<string | RerankDocument>;
  /** Results at most. Without it, all. */
  top_n?: number | null | undefined;
  /** Repeat each document in its result. */
  return_documents?: boolean | null | undefined;
}

export interface RerankDocument {
  text: string;
}

export interface MessageTextBlock {
  type: 'text';
  text: string;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

export interface MessageRequest {
  /** The model's id, as `GET /v1/models` lists it. */
  model: string;
  /** Tokens generated at most, thinking included. */
  max_tokens: number;
  /** The conversation so far. When it ends with one of the assistant, the answer goes on from there. */
  messages: ReadonlyArray<MessageParam>;
  /**
   * What the model is told before the conversation. Claude Code's `x-anthropic-billing-header` is left out: it
   * changes with every request, and no prefix would be found in the cache.
   */
  system?: string | ReadonlyArray<MessageTextBlock> | null | undefined;
  tools?: ReadonlyArray<MessageTool> | null | undefined;
  tool_choice?: MessageToolChoice | null | undefined;
  /** Without it, as with `disabled`: the model does not think. Models that cannot are not affected. */
  thinking?: MessageThinking | null | undefined;
  output_config?: MessageOutputConfig | null | undefined;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
  /** Send the answer as server-sent events while it is generated. */
  stream?: boolean | null | undefined;
  /** 0 always takes the likeliest token. Up to 2, where Anthropic ends at 1. */
  temperature?: number | null | undefined;
  /** Nucleus sampling. 0 means the smallest nucleus, the likeliest token. */
  top_p?: number | null | undefined;
  /** Sample among the k likeliest tokens. 0 is off, the default. */
  top_k?: number | null | undefined;
  /** The answer ends before the first of these texts. */
  stop_sequences?: ReadonlyArray<string> | null | undefined;
  /** Accepted; recorded nowhere. */
  metadata?: Record<string, unknown> | null | undefined;
  /** Accepted. All requests run in the tier `standard`. */
  service_tier?: string | null | undefined;
}

export interface MessageCountRequest {
  model: string;
  /** The conversation so far. When it ends with one of the assistant, the answer goes on from there. */
  messages: ReadonlyArray<MessageParam>;
  /**
   * What the model is told before the conversation. Claude Code's `x-anthropic-billing-header` is left out: it
   * changes with every request, and no prefix would be found in the cache.
   */
  system?: string | ReadonlyArray<MessageTextBlock> | null | undefined;
  tools?: ReadonlyArray<MessageTool> | null | undefined;
  tool_choice?: MessageToolChoice | null | undefined;
  /** Without it, as with `disabled`: the model does not think. Models that cannot are not affected. */
  thinking?: MessageThinking | null | undefined;
  output_config?: MessageOutputConfig | null | undefined;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

export type MessageParam = MessageUser | MessageAssistant | MessageSystem;

export interface MessageUser {
  role: 'user';
  content: string | ReadonlyArray<MessageUserBlock>;
}

export interface MessageAssistant {
  role: 'assistant';
  content: string | ReadonlyArray<MessageAssistantBlock>;
}

export interface MessageSystem {
  role: 'system';
  content: string | ReadonlyArray<MessageTextBlock>;
}

export type MessageUserBlock = MessageTextBlock | MessageToolResultBlock | MessageImageBlock | MessageDocumentBlock;

/** Every block that an answer carries may be sent back. */
export type MessageAssistantBlock = MessageTextBlock | MessageToolUseBlock | MessageThinkingBlock | MessageRedactedThinkingBlock | types.MessageContentBlock;

/** Only models that see take it; the others answer 400. */
export interface MessageImageBlock {
  type: 'image';
  source: MessageImageSource;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

export type MessageImageSource = MessageBase64Source | MessageUrlSource;

export interface MessageBase64Source {
  type: 'base64';
  /** The file says what it is; nothing checks this. */
  media_type: string;
  data: string;
}

export interface MessageUrlSource {
  type: 'url';
  /** As the `url` of a chat completion's image. */
  url: string;
}

/** Refused with 400. Send the document's text, or its pages as images. */
export interface MessageDocumentBlock {
  type: 'document';
  source: Record<string, unknown>;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

export interface MessageToolUseBlock {
  type: 'tool_use';
  id: string;
  name: string;
  /** The arguments: `{}` when there are none. */
  input: Record<string, unknown>;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

/** The model reads the results before the other blocks of their message. */
export interface MessageToolResultBlock {
  type: 'tool_result';
  tool_use_id: string;
  content?: string | ReadonlyArray<MessageToolResultContent> | null | undefined;
  /** The model reads `Error: ` before the content. */
  is_error?: boolean | null | undefined;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

export type MessageToolResultContent = MessageTextBlock | MessageImageBlock | MessageDocumentBlock;

export interface MessageThinkingBlock {
  type: 'thinking';
  thinking: string;
  /** Names the message it comes from. Nothing checks it. */
  signature: string;
}

/** Of another server. The model does not see it. */
export interface MessageRedactedThinkingBlock {
  type: 'redacted_thinking';
  data: string;
}

export interface MessageTool {
  /** `custom`, or absent. Tools that Anthropic runs are refused. */
  type?: string | null | undefined;
  name: string;
  description?: string | null | undefined;
  /** A JSON Schema. Required, unless `type` names a tool that Anthropic runs. */
  input_schema?: Record<string, unknown> | null | undefined;
  strict?: boolean | null | undefined;
  /** Accepted. Prefixes are found in the cache without it. */
  cache_control?: Record<string, unknown> | null | undefined;
}

export type MessageToolChoice = MessageToolChoiceAuto | MessageToolChoiceAny | MessageToolChoiceTool | MessageToolChoiceNone;

export interface MessageToolChoiceAuto {
  type: 'auto';
  /** One call at most. */
  disable_parallel_tool_use?: boolean | null | undefined;
}

export interface MessageToolChoiceAny {
  type: 'any';
  /** One call at most. */
  disable_parallel_tool_use?: boolean | null | undefined;
}

export interface MessageToolChoiceTool {
  type: 'tool';
  name: string;
  /** One call at most. */
  disable_parallel_tool_use?: boolean | null | undefined;
}

export interface MessageToolChoiceNone {
  type: 'none';
}

export type MessageThinking = MessageThinkingEnabled | MessageThinkingAdaptive | MessageThinkingBetweenTools | MessageThinkingDisabled;

export interface MessageThinkingEnabled {
  type: 'enabled';
  /** Accepted. How long a model thinks is its own affair, within `max_tokens`. */
  budget_tokens?: number | null | undefined;
  /** With `omitted` the blocks come without their text. */
  display?: string | null | undefined;
}

export interface MessageThinkingAdaptive {
  type: 'adaptive';
  /** With `omitted` the blocks come without their text. */
  display?: string | null | undefined;
}

export interface MessageThinkingBetweenTools {
  type: 'between_tools';
}

export interface MessageThinkingDisabled {
  type: 'disabled';
}

export interface MessageOutputConfig {
  /** Of thinking, where `thinking` asks for it; models with levels do the nearest of theirs. `high` by default. */
  effort?: string | null | undefined;
  format?: MessageOutputFormat | null | undefined;
}

export interface MessageOutputFormat {
  type: 'json_schema';
  /** A JSON Schema that the answer's text follows. */
  schema: Record<string, unknown>;
}

/** With either `prompt` or `messages`. */
export interface TokenizeRequest {
  model: string;
  prompt?: string | null | undefined;
  /** Of a `prompt`, with what the model wants around it. Templates say for themselves what they want. */
  add_special_tokens?: boolean | null | undefined;
  messages?: ReadonlyArray<ChatMessage> | null | undefined;
  tools?: ReadonlyArray<Tool> | null | undefined;
  chat_template_kwargs?: ChatTemplateKwargs | null | undefined;
  /** Also the text of each token. */
  return_token_strs?: boolean | null | undefined;
}

export interface DetokenizeRequest {
  model: string;
  tokens: ReadonlyArray<number>;
}

export type BatchEndpoint = '/v1/chat/completions' | '/v1/completions' | '/v1/embeddings' | '/v1/responses';

/** A request's body, or an object with a `body`; with a `custom_id`, if you like. */
export interface BatchInput {
  /** Without it: `request-` and its number, from 1 on. */
  custom_id?: string | undefined;
  /** What the endpoint takes. */
  body?: Record<string, unknown> | undefined;
  [field: string]: unknown;
}

export interface BatchOutputExpiry {
  anchor: 'created_at';
  seconds: number;
}

/** Either `input_file_id` with its `endpoint`, or `inputs`. */
export interface BatchRequest {
  input_file_id?: string | null | undefined;
  /** The requests themselves, instead of a file. They become a file, `input_file_id`. */
  inputs?: ReadonlyArray<BatchInput> | null | undefined;
  /** What all lines are sent to. Of `inputs`, chat completions unless it is given. */
  endpoint?: BatchEndpoint | null | undefined;
  completion_window?: '24h' | undefined;
  metadata?: Metadata | null | undefined;
  /** When the files of answers expire, from their creation on. 30 days unless it is given. */
  output_expires_after?: BatchOutputExpiry | null | undefined;
}

export type LimitScope = 'key' | 'project' | 'model';

export type LimitName = 'requests_per_minute' | 'tokens_per_minute' | 'requests_per_day' | 'tokens_per_day' | 'concurrent_requests';

export interface AdminCreateProject {
  /** Without white space around it. */
  name: string;
}

export interface AdminAssignTier {
  /** Without white space around it. */
  tier: string;
}

export type ModelName = string;

export interface AdminCreateKey {
  /** Id or name. */
  project: string;
  /** Without white space around it. */
  name: string;
  /** `inference` and `usage` when absent. */
  scopes?: ReadonlyArray<KeyScope> | undefined;
  /** Null or absent: every model. */
  models?: ReadonlyArray<ModelName> | null | undefined;
  /** Null or absent: never. */
  expires_in_s?: number | null | undefined;
}

export type KeyScope = 'inference' | 'usage' | 'admin' | 'models';

export interface AdminRotateKey {
  /** How long the old key goes on working. */
  overlap_s: number;
}

export interface AdminSetPrice {
  model: string;
  /** With at most nine decimals. */
  input_usd_per_mtok: number;
  /** Not more than other input. */
  cached_usd_per_mtok: number;
  /** With at most nine decimals. */
  output_usd_per_mtok: number;
  /** What lines of batches cost of it. */
  batch_percent?: number | undefined;
  /** Unix seconds. Null or absent: now. */
  valid_from?: number | null | undefined;
}

export interface AdminSetBudget {
  /** Id or name. This or `key_id`. */
  project?: string | undefined;
  /** Of this key alone. */
  key_id?: string | undefined;
  kind: BudgetKind;
  /** With at most nine decimals. */
  limit_usd: number;
  /** At which parts of it an alert is written. 50, 80 and 100 when absent. */
  alert_percents?: ReadonlyArray<number> | undefined;
}

export type BudgetKind = 'month' | 'total';

export interface AdminAddCredits {
  /** Id or name. */
  project: string;
  /** With at most nine decimals. */
  amount_usd: number;
  /** Yours, of the project. What was granted under it before is not granted again. */
  id?: string | undefined;
  /** At which parts of it an alert is written. 50, 80 and 100 when absent. */
  alert_percents?: ReadonlyArray<number> | undefined;
}

export interface AdminLimitRule {
  name: LimitName;
  /** Null: no limit. */
  limit: number | null;
  /**
   * What may be used at once, at most ten times the limit. Without it a sixth of the requests a minute, and the
   * whole of every other limit. Concurrent requests have none.
   */
  burst?: number | null | undefined;
}

export interface AdminSetLimits {
  /** Id or name. This or `key_id`. */
  project?: string | undefined;
  /** Of this key alone. */
  key_id?: string | undefined;
  scope?: LimitScope | undefined;
  model?: string | undefined;
  limits: ReadonlyArray<AdminLimitRule>;
}

export interface AdminSetTier {
  scope?: LimitScope | undefined;
  model?: string | undefined;
  limits: ReadonlyArray<AdminLimitRule>;
}

export interface FileUpload {
  /** The content. Its name is kept without folders. */
  file: Uploadable;
  /** `batch`: the input of a batch; `user_data`: anything else. */
  purpose: 'batch' | 'user_data';
  /** What `expires_after[seconds]` are counted from. */
  'expires_after[anchor]'?: 'created_at' | undefined;
  /** When the file is removed. Without it, inputs of batches after 30 days, others never. */
  'expires_after[seconds]'?: number | undefined;
}

export interface AdminLoadModel {
  /** Tokens of one request. */
  context_length?: number | null | undefined;
  /** -1: all. */
  gpu_layers?: number | null | undefined;
  /** Requests that run at the same time. */
  slots?: number | null | undefined;
  device?: string | null | undefined;
  dtype?: 'auto' | 'float32' | 'float16' | 'bfloat16' | null | undefined;
  /** Neither idleness nor another model's need unloads it. */
  pinned?: boolean | null | undefined;
  /** It is put to sleep after so long without a request, until the next one; 0: never. */
  idle_ttl_s?: number | null | undefined;
  /** Only on this model host. */
  host?: string | null | undefined;
}

export interface AdminDownloadModel {
  /** `OWNER/REPOSITORY` of Hugging Face, or the URL of a GGUF file. */
  source: string;
  /** Of the model; else that of its file or repository. */
  name?: string | null | undefined;
  /** Of the repository; else its only GGUF file, or all that transformers reads. */
  file?: string | null | undefined;
  /** Of the repository. */
  revision?: string | null | undefined;
  /** Of a single file. Those of a repository are checked by what it says itself. */
  sha256?: string | null | undefined;
  /** The model host that keeps it. Needed when there are several. */
  host?: string | null | undefined;
}

export interface ResponsesInputItemsListQuery {
  /** Items at most. */
  limit?: number | undefined;
  /** `asc`: as they were sent; `desc`: the last one first. */
  order?: 'asc' | 'desc' | undefined;
  /** The page begins after the item with this id: `last_id` of the page before. */
  after?: string | undefined;
}

export interface AdminKeysListQuery {
  /** Id or name. */
  project?: string | undefined;
  /** The page begins after the key with this id: `last_id` of the page before. */
  after?: string | undefined;
  /** Keys at most. Absent: all there are. */
  limit?: number | undefined;
}

export interface AdminBudgetsListQuery {
  /** Id or name. */
  project?: string | undefined;
}

export interface AdminBudgetsClearQuery {
  /** Id or name. */
  project?: string | undefined;
  /** Of this key alone, instead of a project. */
  key_id?: string | undefined;
  /** Without it, both. */
  kind?: 'month' | 'total' | undefined;
}

export interface AdminCreditsListQuery {
  /** Id or name. */
  project?: string | undefined;
}

export interface AdminLimitsListQuery {
  /** Id or name. */
  project?: string | undefined;
  /** Of this key alone, instead of a project. */
  key_id?: string | undefined;
}

export interface AdminLimitsClearQuery {
  /** Id or name. */
  project?: string | undefined;
  /** Of this key alone, instead of a project. */
  key_id?: string | undefined;
  /** As in `PUT`: `project` by default, `key` for limits of a key. */
  scope?: 'project' | 'key' | 'model' | undefined;
  /** Whose limits, with the scope `model`. */
  model?: string | undefined;
  /** Only this limit. Without it, all of the scope. */
  name?: 'requests_per_minute' | 'tokens_per_minute' | 'requests_per_day' | 'tokens_per_day' | 'concurrent_requests' | undefined;
}

export interface AdminAuditListQuery {
  /** Rows at most. */
  limit?: number | undefined;
  /** `next_after` of the page before. */
  after?: string | undefined;
}

export interface AdminModelsUnloadQuery {
  /** Only on this model host. */
  host?: string | undefined;
}

export interface ResponsesRetrieveQuery {
  /** Stored responses are not streamed again. */
  stream?: 'false' | undefined;
}

export interface FilesListQuery {
  /** Only files for this. */
  purpose?: 'batch' | 'batch_output' | 'user_data' | undefined;
  /** Files at most. */
  limit?: number | undefined;
  /** `asc`: the oldest first; `desc`: the newest first. */
  order?: 'asc' | 'desc' | undefined;
  /** The page begins after the file with this id: `last_id` of the page before. */
  after?: string | undefined;
}

export interface BatchesListQuery {
  /** The page begins after the batch with this id: `last_id` of the page before. */
  after?: string | undefined;
  /** Batches at most. */
  limit?: number | undefined;
}

export interface UsageListQuery {
  /** First day, UTC. Without it, 30 days before `end_date`, or before today where that is earlier. */
  start_date?: string | undefined;
  /** Last day, inclusive, UTC. Without it, today. */
  end_date?: string | undefined;
  /**
   * Comma separated, of `day`, `hour`, `model`, `key` and `project`: a row for each combination, ordered by them.
   * `day` or `hour`, and nothing twice.
   */
  group_by?: string | undefined;
  /** Only this model. */
  model?: string | undefined;
  /** Only this key. */
  key_id?: string | undefined;
  /** Only this project. */
  project_id?: string | undefined;
  /** Rows at most. */
  limit?: number | undefined;
  /** `next_after` of the page before. */
  after?: string | undefined;
}

export interface LimitsRetrieveQuery {
  /** Also the limits of this model. */
  model?: string | undefined;
}
