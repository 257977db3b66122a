// Generated from openapi/spec.yaml by openapi/codegen/sdk.py. Do not edit.

// What answers are.

export type Metadata = Record<string, string>;

export interface TextPart {
  type: 'text';
  text: string;
}

export type ToolName = string;

export type ToolChoiceMode = 'none' | 'auto' | 'required';

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

export interface ResponseFormatText {
  type: 'text';
}

export interface ResponseFormatJsonObject {
  type: 'json_object';
}

export interface ChatCompletion {
  id: string;
  object: 'chat.completion';
  /** Unix seconds. */
  created: number;
  model: string;
  choices: Array<Choice>;
  usage: CompletionUsage;
  service_tier: string;
  system_fingerprint: string | null;
  /** Only when it was sent. */
  metadata?: Metadata | null | undefined;
}

export interface Choice {
  index: number;
  message: ChatCompletionMessage;
  logprobs: ChoiceLogprobs | null;
  finish_reason: FinishReason;
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter';

export interface ChatCompletionMessage {
  role: 'assistant';
  content: string | null;
  refusal: string | null;
  annotations?: Array<Record<string, unknown>> | undefined;
  reasoning_content?: string | undefined;
  tool_calls?: Array<ToolCall> | undefined;
  /** What this server ran, in order. */
  novai_tool_calls?: Array<ServerToolCall> | undefined;
}

export interface ChoiceLogprobs {
  content: Array<TokenLogprob> | null;
  refusal: Array<TokenLogprob> | null;
}

export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes: Array<number> | null;
  top_logprobs: Array<TopLogprob>;
}

export interface TopLogprob {
  token: string;
  logprob: number;
  bytes: Array<number> | null;
}

export interface CompletionUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: PromptTokensDetails;
  completion_tokens_details: CompletionTokensDetails;
  /** The answer ended with `finish_reason: "length"` because credits or a budget did not cover more of it. */
  code?: 'budget_exhausted' | undefined;
}

export interface PromptTokensDetails {
  /** Of the prompt: found in the prefix cache, not computed again. */
  cached_tokens: number;
  audio_tokens: number;
}

export interface CompletionTokensDetails {
  reasoning_tokens: number;
  audio_tokens: number;
  accepted_prediction_tokens: number;
  rejected_prediction_tokens: number;
}

export interface ChatCompletionChunk {
  id: string;
  object: 'chat.completion.chunk';
  /** Unix seconds. */
  created: number;
  model: string;
  service_tier: string;
  system_fingerprint: string | null;
  choices: Array<ChunkChoice>;
  /** Only with `include_usage`: null but in the last chunk, whose `choices` are empty. */
  usage?: CompletionUsage | null | undefined;
}

export interface ChunkChoice {
  index: number;
  delta: ChoiceDelta;
  logprobs: ChoiceLogprobs | null;
  finish_reason: FinishReason | null;
}

/** Only what changed. */
export interface ChoiceDelta {
  role?: 'assistant' | undefined;
  content?: string | null | undefined;
  refusal?: string | null | undefined;
  reasoning_content?: string | undefined;
  tool_calls?: Array<ToolCallDelta> | undefined;
  /** Calls of tools that this server runs. */
  novai_tool_calls?: Array<ServerToolCallDelta> | undefined;
}

export interface ToolCallDelta {
  index: number;
  id?: string | undefined;
  type?: 'function' | undefined;
  function: FunctionCallDelta;
}

/** When a call begins its id, name and arguments; when it is over its status and output. */
export interface ServerToolCallDelta {
  /** Of the call */
  index: number;
  id?: string | undefined;
  name?: string | undefined;
  /** JSON text, as the model wrote it. */
  arguments?: string | undefined;
  status?: ServerToolStatus | undefined;
  output?: string | undefined;
}

export interface FunctionCallDelta {
  name?: string | undefined;
  arguments: string;
}

/** An answer, or one event of its stream. */
export interface Completion {
  id: string;
  object: 'text_completion';
  /** Unix seconds. */
  created: number;
  model: string;
  system_fingerprint: string | null;
  choices: Array<CompletionChoice>;
  /** Streamed only with `include_usage`: null but in the last event, whose `choices` are empty. */
  usage?: CompletionUsage | null | undefined;
}

export interface CompletionChoice {
  text: string;
  index: number;
  logprobs: CompletionLogprobs | null;
  /** Null until the choice ends. */
  finish_reason: CompletionFinishReason | null;
}

export type CompletionFinishReason = 'stop' | 'length' | 'content_filter';

/** Four lists with an item for each token. A token that is no whole text is written as `bytes:\xf0\x9f`. */
export interface CompletionLogprobs {
  tokens: Array<string>;
  token_logprobs: Array<number>;
  top_logprobs: Array<Record<string, number>>;
  /** Characters of the choice's text before the token. */
  text_offset: Array<number>;
}

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

/**
 * What a model thought in an earlier turn: its template decides whether the model sees it again. What only
 * another provider could decrypt, it does not see.
 */
export interface ResponseReasoningInput {
  type: 'reasoning';
  id?: string | null | undefined;
  summary?: Array<ResponseSummaryText> | null | undefined;
  content?: Array<ResponseReasoningText> | null | undefined;
  encrypted_content?: string | null | undefined;
  /** Ignored. */
  status?: string | null | undefined;
}

/** An item of a stored response, by its id. */
export interface ResponseItemReference {
  type?: 'item_reference' | undefined;
  id: string;
}

/** Items of an answer may be sent back as they came. */
export type ResponseInputItem = ResponseInputMessage | ResponseFunctionCallInput | ResponseFunctionCallOutput | ResponseCustomToolCall | ResponseCustomToolCallOutput | ResponseServerToolCallInput | ResponseReasoningInput | ResponseItemReference;

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
  annotations?: Array<Record<string, unknown>> | null | undefined;
}

export interface ResponseRefusal {
  type: 'refusal';
  refusal: string;
}

export type ResponseContentPart = ResponseInputText | ResponseInputImage | ResponseInputFile | ResponseTextInput | ResponseRefusal;

export type ResponseContent = string | Array<ResponseContentPart>;

/** Why there is no output, in the form of this server or another provider's. */
export interface ResponseCallError {
  type?: string | null | undefined;
  message?: string | null | undefined;
  /** What the model read, as parts with `text`. */
  content?: unknown | undefined;
}

export interface ResponseSummaryText {
  type: 'summary_text';
  text: string;
}

export interface ResponseReasoningText {
  type: 'reasoning_text';
  text: string;
}

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
  allowed_tools: Array<ToolName>;
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

export type ResponseTool = ResponseFunctionTool | ResponseServerTools;

export interface ResponseNamedTool {
  type: 'function';
  name: string;
}

/** Only these of the tools may be called. */
export interface ResponseAllowedTools {
  type: 'allowed_tools';
  mode: 'auto' | 'required';
  tools: Array<ResponseAllowedTool>;
}

export type ResponseToolChoice = ResponseNamedTool | ResponseAllowedTools;

export interface ResponseAllowedTool {
  type: 'function';
  name: string;
}

export interface ResponseTextConfig {
  format?: ResponseTextFormat | null | undefined;
  /** Accepted; models here have no such switch. */
  verbosity?: string | null | undefined;
}

export interface ResponseTextJsonSchema {
  type: 'json_schema';
  name: string;
  schema: Record<string, unknown>;
  description?: string | null | undefined;
  strict?: boolean | null | undefined;
}

export type ResponseTextFormat = ResponseFormatText | ResponseFormatJsonObject | ResponseTextJsonSchema;

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

export interface Response {
  id: string;
  object: 'response';
  /** Unix seconds. */
  created_at: number;
  /** Unix seconds. */
  completed_at: number | null;
  status: ResponseStatus;
  incomplete_details: ResponseIncompleteDetails | null;
  error: ResponseError | null;
  model: string;
  previous_response_id: string | null;
  instructions: string | null;
  output: Array<ResponseOutputItem>;
  /** Null while it runs. */
  usage: ResponseUsage | null;
  tools: Array<ResponseTool>;
  tool_choice: ToolChoiceMode | ResponseToolChoice;
  parallel_tool_calls: boolean;
  max_tool_calls: number | null;
  truncation: 'disabled';
  text: ResponseTextConfig;
  reasoning: ResponseReasoningConfig;
  temperature: number;
  top_p: number;
  presence_penalty: number;
  frequency_penalty: number;
  top_logprobs: number;
  max_output_tokens: number | null;
  /** Whether it can be retrieved. */
  store: boolean;
  background: boolean;
  service_tier: string;
  metadata: Metadata;
  user: string | null;
  safety_identifier: string | null;
  prompt_cache_key: string | null;
}

/** `cancelled`: its client left. */
export type ResponseStatus = 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

export interface ResponseIncompleteDetails {
  reason: 'max_output_tokens' | 'content_filter';
}

export interface ResponseError {
  code: string;
  message: string;
  type: string;
}

export interface ResponseOutputMessage {
  type: 'message';
  id: string;
  role: 'assistant';
  status: ResponseItemStatus;
  content: Array<ResponseOutputText>;
}

export interface ResponseFunctionCall {
  type: 'function_call';
  id: string;
  /** Names the call in its `function_call_output`. */
  call_id: string;
  name: string;
  /** JSON text. */
  arguments: string;
  status: ResponseItemStatus;
}

/** A call of a tool that this server runs. */
export interface ResponseServerToolCall {
  type: 'mcp_call';
  id: string;
  /** The tool server that runs it. */
  server_label: string;
  name: string;
  /** JSON text, as the model wrote it. */
  arguments: string;
  /** What the model read. Null where the call failed. */
  output: string | null;
  error: ResponseToolError | null;
  status: ResponseServerToolStatus;
  /** Always null. */
  approval_request_id: string | null;
}

export interface ResponseReasoning {
  type: 'reasoning';
  id: string;
  summary: Array<ResponseSummaryText>;
  content: Array<ResponseReasoningText>;
  /** Always null. */
  encrypted_content: string | null;
  status: ResponseItemStatus;
}

export type ResponseOutputItem = ResponseOutputMessage | ResponseFunctionCall | ResponseServerToolCall | ResponseReasoning;

export type ResponseItemStatus = 'in_progress' | 'completed' | 'incomplete';

export interface ResponseOutputText {
  type: 'output_text';
  text: string;
  annotations: Array<Record<string, unknown>>;
  logprobs: Array<TokenLogprob>;
}

export type ResponseOutputPart = ResponseOutputText | ResponseReasoningText;

export type ResponseServerToolStatus = 'in_progress' | 'completed' | 'incomplete' | 'failed';

export interface ResponseToolError {
  type: 'mcp_tool_execution_error';
  /** What the model read. */
  content: Array<TextPart>;
}

export interface ResponseUsage {
  input_tokens: number;
  input_tokens_details: ResponseInputTokensDetails;
  output_tokens: number;
  output_tokens_details: ResponseOutputTokensDetails;
  total_tokens: number;
  /** The answer is incomplete because credits or a budget did not cover more of it. */
  code?: 'budget_exhausted' | undefined;
}

export interface ResponseInputTokensDetails {
  /** Of the input: found in the prefix cache, not computed again. */
  cached_tokens: number;
  cache_write_tokens: number;
}

export interface ResponseOutputTokensDetails {
  reasoning_tokens: number;
}

export interface ResponseDeleted {
  id: string;
  object: 'response';
  deleted: boolean;
}

export interface ResponseItemList {
  object: 'list';
  data: Array<ResponseInputItem>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface ResponseCreatedEvent {
  type: 'response.created';
  sequence_number: number;
  response: Response;
}

export interface ResponseInProgressEvent {
  type: 'response.in_progress';
  sequence_number: number;
  response: Response;
}

export interface ResponseOutputItemAddedEvent {
  type: 'response.output_item.added';
  sequence_number: number;
  output_index: number;
  item: ResponseOutputItem;
}

export interface ResponseContentPartAddedEvent {
  type: 'response.content_part.added';
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  part: ResponseOutputPart;
}

export interface ResponseTextDeltaEvent {
  type: 'response.output_text.delta';
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  delta: string;
  logprobs: Array<TokenLogprob>;
}

export interface ResponseTextDoneEvent {
  type: 'response.output_text.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  text: string;
  logprobs: Array<TokenLogprob>;
}

export interface ResponseContentPartDoneEvent {
  type: 'response.content_part.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  part: ResponseOutputPart;
}

export interface ResponseFunctionCallArgumentsDeltaEvent {
  type: 'response.function_call_arguments.delta';
  sequence_number: number;
  item_id: string;
  output_index: number;
  delta: string;
}

export interface ResponseFunctionCallArgumentsDoneEvent {
  type: 'response.function_call_arguments.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  name: string;
  arguments: string;
}

export interface ResponseServerToolInProgressEvent {
  type: 'response.mcp_call.in_progress';
  sequence_number: number;
  item_id: string;
  output_index: number;
}

export interface ResponseServerToolArgumentsDeltaEvent {
  type: 'response.mcp_call_arguments.delta';
  sequence_number: number;
  item_id: string;
  output_index: number;
  delta: string;
}

export interface ResponseServerToolArgumentsDoneEvent {
  type: 'response.mcp_call_arguments.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  arguments: string;
}

export interface ResponseServerToolCompletedEvent {
  type: 'response.mcp_call.completed';
  sequence_number: number;
  item_id: string;
  output_index: number;
}

export interface ResponseServerToolFailedEvent {
  type: 'response.mcp_call.failed';
  sequence_number: number;
  item_id: string;
  output_index: number;
}

export interface ResponseReasoningTextDeltaEvent {
  type: 'response.reasoning_text.delta';
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  delta: string;
}

export interface ResponseReasoningTextDoneEvent {
  type: 'response.reasoning_text.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  content_index: number;
  text: string;
}

export interface ResponseReasoningSummaryPartAddedEvent {
  type: 'response.reasoning_summary_part.added';
  sequence_number: number;
  item_id: string;
  output_index: number;
  summary_index: number;
  part: ResponseSummaryText;
}

export interface ResponseReasoningSummaryTextDeltaEvent {
  type: 'response.reasoning_summary_text.delta';
  sequence_number: number;
  item_id: string;
  output_index: number;
  summary_index: number;
  delta: string;
}

export interface ResponseReasoningSummaryTextDoneEvent {
  type: 'response.reasoning_summary_text.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  summary_index: number;
  text: string;
}

export interface ResponseReasoningSummaryPartDoneEvent {
  type: 'response.reasoning_summary_part.done';
  sequence_number: number;
  item_id: string;
  output_index: number;
  summary_index: number;
  part: ResponseSummaryText;
}

export interface ResponseOutputItemDoneEvent {
  type: 'response.output_item.done';
  sequence_number: number;
  output_index: number;
  item: ResponseOutputItem;
}

export interface ResponseCompletedEvent {
  type: 'response.completed';
  sequence_number: number;
  response: Response;
}

export interface ResponseIncompleteEvent {
  type: 'response.incomplete';
  sequence_number: number;
  response: Response;
}

export interface ResponseFailedEvent {
  type: 'response.failed';
  sequence_number: number;
  response: Response;
}

/** The failure twice, since clients look for it in either place. */
export interface ResponseErrorEvent {
  type: 'error';
  sequence_number: number;
  code: string | null;
  message: string;
  param: string | null;
  error: Error;
}

export type ResponseStreamEvent = ResponseCreatedEvent | ResponseInProgressEvent | ResponseOutputItemAddedEvent | ResponseContentPartAddedEvent | ResponseTextDeltaEvent | ResponseTextDoneEvent | ResponseContentPartDoneEvent | ResponseFunctionCallArgumentsDeltaEvent | ResponseFunctionCallArgumentsDoneEvent | ResponseServerToolInProgressEvent | ResponseServerToolArgumentsDeltaEvent | ResponseServerToolArgumentsDoneEvent | ResponseServerToolCompletedEvent | ResponseServerToolFailedEvent | ResponseReasoningTextDeltaEvent | ResponseReasoningTextDoneEvent | ResponseReasoningSummaryPartAddedEvent | ResponseReasoningSummaryTextDeltaEvent | ResponseReasoningSummaryTextDoneEvent | ResponseReasoningSummaryPartDoneEvent | ResponseOutputItemDoneEvent | ResponseCompletedEvent | ResponseIncompleteEvent | ResponseFailedEvent | ResponseErrorEvent;

export interface EmbeddingResponse {
  object: 'list';
  data: Array<Embedding>;
  model: string;
  usage: EmbeddingUsage;
}

export interface Embedding {
  object: 'embedding';
  index: number;
  embedding: Array<number>;
}

export interface EmbeddingUsage {
  prompt_tokens: number;
  total_tokens: number;
}

export interface RerankDocument {
  text: string;
}

export interface RerankResponse {
  object: 'list';
  model: string;
  results: Array<RerankResult>;
  usage: EmbeddingUsage;
}

export interface RerankResult {
  /** Of the document in `documents`. */
  index: number;
  /** Cosine, -1 to 1. */
  relevance_score: number;
  document?: RerankDocument | undefined;
}

export interface MessageTextBlock {
  type: 'text';
  text: string;
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

export interface MessageThinkingBlock {
  type: 'thinking';
  thinking: string;
  /** Names the message it comes from. Nothing checks it. */
  signature: string;
}

export interface Message {
  id: string;
  type: 'message';
  role: 'assistant';
  model: string;
  content: Array<MessageContentBlock>;
  /** Null in `message_start` only. */
  stop_reason: MessageStopReason | null;
  /** Which of `stop_sequences` ended it. */
  stop_sequence: string | null;
  usage: MessageUsage;
}

export type MessageContentBlock = MessageTextBlock | MessageToolUseBlock | MessageThinkingBlock;

export type MessageStopReason = 'end_turn' | 'max_tokens' | 'stop_sequence' | 'tool_use' | 'refusal' | 'model_context_window_exceeded';

/** The prompt is the sum of the three counts of input. */
export interface MessageUsage {
  /** Of the prompt; without those found in the prefix cache. */
  input_tokens: number;
  /** Always 0: what is computed is kept at no charge. */
  cache_creation_input_tokens: number;
  /** Found in the prefix cache. In `message_start` they still count as `input_tokens`. */
  cache_read_input_tokens: number;
  output_tokens: number;
  output_tokens_details: MessageOutputTokensDetails;
  service_tier?: 'standard' | undefined;
  /** The answer ended with `stop_reason: "max_tokens"` because credits or a budget did not cover more of it. */
  code?: 'budget_exhausted' | undefined;
}

export interface MessageOutputTokensDetails {
  thinking_tokens: number;
}

export interface MessageTokens {
  input_tokens: number;
}

/** The message, still empty. */
export interface MessageStartEvent {
  type: 'message_start';
  message: Message;
}

/** A block begins, empty. */
export interface MessageBlockStartEvent {
  type: 'content_block_start';
  /** Of the block in `content`. */
  index: number;
  content_block: MessageContentBlock;
}

export interface MessageBlockDeltaEvent {
  type: 'content_block_delta';
  index: number;
  delta: MessageBlockDelta;
}

export interface MessageBlockStopEvent {
  type: 'content_block_stop';
  index: number;
}

/** How it ended, and what the whole of it used. */
export interface MessageDeltaEvent {
  type: 'message_delta';
  delta: MessageEnd;
  usage: MessageUsage;
}

export interface MessageStopEvent {
  type: 'message_stop';
}

export interface MessageErrorResponse {
  type: 'error';
  error: MessageError;
  /** The header `request-id`. */
  request_id: string;
}

export type MessageStreamEvent = MessageStartEvent | MessageBlockStartEvent | MessageBlockDeltaEvent | MessageBlockStopEvent | MessageDeltaEvent | MessageStopEvent | MessageErrorResponse;

export interface MessageTextDelta {
  type: 'text_delta';
  text: string;
}

export interface MessageInputJsonDelta {
  type: 'input_json_delta';
  /** More of the JSON text of `input`. */
  partial_json: string;
}

export interface MessageThinkingDelta {
  type: 'thinking_delta';
  thinking: string;
}

export interface MessageSignatureDelta {
  type: 'signature_delta';
  signature: string;
}

export type MessageBlockDelta = MessageTextDelta | MessageInputJsonDelta | MessageThinkingDelta | MessageSignatureDelta;

export interface MessageEnd {
  stop_reason: MessageStopReason;
  stop_sequence: string | null;
}

export interface MessageError {
  type: 'invalid_request_error' | 'authentication_error' | 'billing_error' | 'permission_error' | 'not_found_error' | 'conflict_error' | 'request_too_large' | 'rate_limit_error' | 'timeout_error' | 'api_error' | 'overloaded_error';
  /** What was wrong and what to do next. */
  message: string;
  details?: MessageErrorDetails | undefined;
}

export interface MessageErrorDetails {
  /** As `code` of the other errors of this server. */
  error_code: string | null;
  /** The field at fault, as a path: `messages[0].content`. */
  param: string | null;
}

export interface InputTokens {
  object: 'response.input_tokens';
  input_tokens: number;
}

export interface TokenizeResponse {
  count: number;
  /** Context in tokens, prompt and output together. */
  max_model_len: number;
  tokens: Array<number>;
  /** Only when asked for. Bytes that are no whole character are `�`. */
  token_strs: Array<string> | null;
}

export interface DetokenizeResponse {
  prompt: string;
}

export type BatchEndpoint = '/v1/chat/completions' | '/v1/completions' | '/v1/embeddings' | '/v1/responses';

export type BatchStatus = 'validating' | 'failed' | 'in_progress' | 'finalizing' | 'completed' | 'expired' | 'cancelling' | 'cancelled';

export interface BatchError {
  code: string;
  message: string;
  param: string | null;
  /** Of the file, from 1 on. */
  line: number | null;
}

export interface BatchErrors {
  object: 'list';
  /** The first 100. */
  data: Array<BatchError>;
}

/**
 * Of lines. Until they were looked at, `total` are those of the file; a batch that ends before that has none. When a
 * batch is over, `failed` are also those that did not run, and `total` is `completed` and `failed`.
 */
export interface BatchCounts {
  total: number;
  completed: number;
  failed: number;
}

export interface BatchInputTokensDetails {
  cached_tokens: number;
}

export interface BatchUsage {
  input_tokens: number;
  input_tokens_details: BatchInputTokensDetails;
  output_tokens: number;
  output_tokens_details: ResponseOutputTokensDetails;
  total_tokens: number;
}

export interface Batch {
  id: string;
  object: 'batch';
  endpoint: BatchEndpoint;
  /** Of the first line; known when the lines were looked at. */
  model: string | null;
  /** Why it `failed`. */
  errors: BatchErrors | null;
  input_file_id: string;
  completion_window: string;
  status: BatchStatus;
  /** Of the lines that were answered. Null when none were. */
  output_file_id: string | null;
  /** Of the lines that failed or did not run. Null when all did. */
  error_file_id: string | null;
  /** Unix seconds. */
  created_at: number;
  in_progress_at: number | null;
  expires_at: number | null;
  finalizing_at: number | null;
  completed_at: number | null;
  failed_at: number | null;
  expired_at: number | null;
  cancelling_at: number | null;
  cancelled_at: number | null;
  request_counts: BatchCounts;
  /** Of all its lines, when it is over. */
  usage: BatchUsage | null;
  metadata: Metadata | null;
  /** As in `request_counts`. */
  total: number;
  /** As in `request_counts`. */
  completed: number;
  /** As in `request_counts`. */
  failed: number;
}

export interface BatchList {
  object: 'list';
  data: Array<Batch>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface UsagePage {
  object: 'list';
  data: Array<UsageRow>;
  has_more: boolean;
  /** Where the next page begins. */
  next_after: string | null;
}

/** Sums over one group; of `date`, `hour`, `model`, `key_id` and `project_id` it has what was grouped by. */
export interface UsageRow {
  /** A day, UTC: `2026-01-31`. */
  date?: string | undefined;
  /** Its beginning, UTC: `2026-01-31T13:00:00Z`. */
  hour?: string | undefined;
  model?: string | undefined;
  key_id?: string | undefined;
  project_id?: string | undefined;
  requests: number;
  /** Of the requests: broken by us, and free. */
  errors: number;
  /** Of prompts, cached ones included. */
  input_tokens: number;
  /** Of the input: found in the prefix cache. */
  cached_tokens: number;
  output_tokens: number;
  /** Of the output. */
  reasoning_tokens: number;
  /** Input and output. */
  total_tokens: number;
  cost_usd: number;
  /** The same, exact, in nano-USD. */
  cost_nusd: number;
}

export interface RequestUsage {
  object: 'usage.request';
  request_id: string;
  /** `released`: it cost its caller nothing, because it never ran or because we broke it. */
  state: 'running' | 'settled' | 'released';
  project_id: string;
  key_id: string;
  /** The `operationId` here. */
  operation: string;
  model: string;
  /** Unix seconds. */
  started_at: number;
  /** How the amount comes about, in a sentence. */
  explanation: string;
  /** Null for a model that is free. */
  hold: RequestHold | null;
  /** Null for a model that is free. */
  price: RequestPrice | null;
  /** Null while it runs, and when it never ran. */
  used: RequestUsed | null;
  /** Null while it runs. */
  paid: RequestPaid | null;
  /** What should not have happened, and did the caller no harm. */
  events: Array<RequestEvent>;
}

export interface RequestHold {
  state: 'open' | 'settled' | 'released';
  /** All that was set aside: for the prompt and a step of output, and each extension after that. */
  amount_nusd: number;
  /** `credits`: prepaid; `receivable`: on account. */
  account: 'credits' | 'receivable';
  /** Unix seconds. */
  held_at: number;
  /** Unix seconds. */
  closed_at: number | null;
  /** What was added while the answer grew, part of `amount_nusd`. */
  extensions: Array<HoldExtension>;
}

export interface HoldExtension {
  amount_nusd: number;
  /** Unix seconds. */
  extended_at: number;
}

/** That was in force when the request began. Nano-USD for a million tokens. */
export interface RequestPrice {
  version: number;
  input_nusd_per_mtok: number;
  cached_nusd_per_mtok: number;
  output_nusd_per_mtok: number;
  /** Of it that is charged: less than 100 for lines of batches. */
  percent: number;
}

export interface RequestUsed {
  /** Who counted the tokens. */
  provenance: 'engine' | 'provider' | 'estimated';
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  total_tokens: number;
  outcome: 'finished' | 'client_left' | 'upstream_broke' | 'refused';
  finish_reason: string;
  /** The HTTP status that the client was told; 499: it had left. */
  status: number;
  streamed: boolean;
  /** The worker's address; `upstream@address` where an upstream answered. */
  replica: string;
  ttft_ms: number | null;
  duration_ms: number;
}

export interface RequestPaid {
  /**
   * `credits` and `account` are the caller's: prepaid or billed. `operator`: we broke the request, its cost
   * is our expense. `nobody`: it was free.
   */
  by: 'credits' | 'account' | 'operator' | 'nobody';
  cost_usd: number;
  /** What the caller paid. */
  cost_nusd: number;
  /** What it cost the operator. */
  outage_nusd: number;
}

export interface RequestEvent {
  kind: 'late_settlement' | 'overrun';
  amount_nusd: number;
}

export interface LimitStates {
  object: 'limits';
  organisation_id: string;
  project_id: string;
  key_id: string;
  model: string | null;
  limits: Array<LimitState>;
  /** All of them must cover a request. */
  budgets: Array<Budget>;
}

/** In any time t at most `burst + limit × t / window` is admitted, where the window is the name's minute or day. */
export interface LimitState {
  scope: LimitScope;
  name: LimitName;
  limit: number;
  burst: number;
  /** Of the burst. */
  used: number;
  /** What could be used at once. */
  remaining: number;
  /** Until the burst is whole again. */
  reset_ms: number;
}

export type LimitScope = 'key' | 'project' | 'model';

export type LimitName = 'requests_per_minute' | 'tokens_per_minute' | 'requests_per_day' | 'tokens_per_day' | 'concurrent_requests';

export interface BudgetList {
  object: 'list';
  data: Array<Budget>;
}

export interface Budget {
  object: 'budget';
  project_id: string;
  /** Of this key alone; null: of the whole project. */
  key_id: string | null;
  /** `month` begins anew on the first, UTC. */
  kind: 'credits' | 'month' | 'total';
  /** Of credits: all that was paid in. */
  limit_nusd: number;
  spent_nusd: number;
  /** By requests that run now. */
  held_nusd: number;
  /** Below zero: a lower limit was set than was spent. */
  left_nusd: number;
  left_usd: number;
  alert_percents: Array<number>;
}

export interface AdminProjectList {
  object: 'list';
  data: Array<AdminProject>;
}

export interface AdminProject {
  object: 'project';
  id: string;
  organisation_id: string;
  name: string;
  tier: string;
  /** Unix seconds. */
  created_at: number;
}

export interface AdminKeyList {
  object: 'list';
  data: Array<AdminKey>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface AdminKey {
  object: 'key';
  id: string;
  project_id: string;
  name: string;
  /** The last characters of the key. */
  ends_in: string;
  scopes: Array<string>;
  /** Null: every model. */
  models: Array<string> | null;
  /** `rotated`: it has a successor and works until `expires_at`. */
  state: 'active' | 'rotated' | 'expired' | 'revoked' | 'archived';
  /** Unix seconds. */
  created_at: number;
  /** Unix seconds. */
  expires_at: number | null;
  /** Unix seconds. */
  revoked_at: number | null;
  /** Its successor's id. */
  rotated_to: string | null;
}

export interface AdminNewKey {
  /** The key. It is shown only this once and kept nowhere. */
  key: string;
  info: AdminKey;
}

export interface AdminPriceList {
  object: 'list';
  data: Array<AdminPrice>;
}

export interface AdminPrice {
  object: 'price';
  model: string;
  version: number;
  /** Unix seconds. */
  valid_from: number;
  /** Nano-USD for a million tokens. */
  input_nusd_per_mtok: number;
  cached_nusd_per_mtok: number;
  output_nusd_per_mtok: number;
  /** What lines of batches cost of it. */
  batch_percent: number;
}

export interface AdminCleared {
  cleared: boolean;
}

export interface AdminLimitList {
  object: 'list';
  data: Array<AdminLimit>;
}

export interface AdminLimit {
  scope: LimitScope;
  /** With the scope `model`; `*` is every model. */
  model: string | null;
  name: LimitName;
  /** Null: no limit. */
  limit: number | null;
  burst: number | null;
  /** Who says so: `tier T`, `project` or `key`. */
  set_by?: string | undefined;
}

export interface AdminTierList {
  object: 'list';
  data: Array<AdminTier>;
}

export interface AdminTier {
  object: 'tier';
  name: string;
  limits: Array<AdminLimit>;
}

export interface AuditPage {
  object: 'list';
  data: Array<AuditEntry>;
  has_more: boolean;
  next_after: string | null;
}

export interface AuditEntry {
  id: string;
  /** Unix seconds. */
  created_at: number;
  /** The id of the key that did it, or `cli`. */
  actor: string;
  /** Null: of the whole installation. */
  organisation_id: string | null;
  /** What was done: `key.create`, `budget.set`. */
  action: string;
  /** To what: its id or name. */
  target: string;
  details: Record<string, unknown>;
}

export interface File {
  id: string;
  object: 'file';
  bytes: number;
  /** Unix seconds. */
  created_at: number;
  /** Unix seconds; null: it stays until it is deleted. */
  expires_at: number | null;
  filename: string;
  purpose: 'batch' | 'batch_output' | 'user_data';
  /** `error`: lines of a batch's input are wrong, so that a batch of it would fail. */
  status: 'uploaded' | 'processed' | 'error';
  /** Of an `error`: the first line that is wrong, and why. */
  status_details?: string | null | undefined;
}

export interface FileList {
  object: 'list';
  data: Array<File>;
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
}

export interface FileDeleted {
  id: string;
  object: 'file';
  deleted: boolean;
}

export interface ModelList {
  object: 'list';
  data: Array<Model>;
  /** False. With `anthropic-version`. */
  has_more?: boolean | undefined;
  /** Of a list that is not empty. With `anthropic-version`. */
  first_id?: string | undefined;
  /** Of a list that is not empty. With `anthropic-version`. */
  last_id?: string | undefined;
}

export interface Model {
  id: string;
  object: 'model';
  /** Unix seconds. */
  created: number;
  owned_by: string;
  kind?: 'chat' | 'embedding' | undefined;
  /** Context in tokens, prompt and output together. */
  max_model_len?: number | undefined;
  /** Of an embedding model's vectors. */
  dimensions?: number | undefined;
  /** What a chat model reads. */
  input_modalities?: Array<'text' | 'image'> | undefined;
  replicas?: number | undefined;
  /** The model's own id. Only of an alias. */
  alias_of?: string | undefined;
  /** With `anthropic-version`. */
  type?: 'model' | undefined;
  /** The id again. With `anthropic-version`. */
  display_name?: string | undefined;
  /** As `created`, by RFC 3339. With `anthropic-version`. */
  created_at?: string | undefined;
  /** As `max_model_len`. With `anthropic-version`. */
  max_input_tokens?: number | undefined;
}

export interface AdminModelList {
  object: 'list';
  data: Array<AdminModel>;
}

export interface AdminModel {
  object: 'model';
  id: string;
  kind: 'chat' | 'embedding';
  backend: string;
  state: ModelLifeState;
  hosts: Array<AdminHostedModel>;
}

/**
 * `asleep`: the next request loads it. `restarting`: a worker crashed and is started again. `failed`: it could not
 * be loaded or downloaded, and nobody tries again. Of several hosts the one that is furthest counts.
 */
export type ModelLifeState = 'unloaded' | 'asleep' | 'downloading' | 'loading' | 'ready' | 'restarting' | 'draining' | 'failed';

/** A model on one model host. */
export interface AdminHostedModel {
  /** The model host's address. */
  host: string;
  state: ModelLifeState;
  /** Why it failed or is not ready. */
  error: string | null;
  /** Of loading or downloading, 0 to 1; null: unknown, or neither. */
  progress: number | null;
  /** While it is downloaded. */
  downloaded_bytes: number | null;
  /** Of the download; null: none, or the source does not say. */
  total_bytes: number | null;
  /** Of its files. */
  size_bytes: number;
  /** Of memory, estimated before it is loaded; 0: computed elsewhere. */
  needs_bytes: number;
  /** Of its files on the host; empty when it has none. */
  path: string;
  /** Neither idleness nor another model's need unloads it. */
  pinned: boolean;
  /** It is put to sleep after so long without a request; 0: never. */
  idle_ttl_s: number;
  workers: Array<AdminModelWorker>;
}

/** One process that runs a model. */
export interface AdminModelWorker {
  state: ModelLifeState;
  /** `cpu`, `gpu:0`, `upstream`; empty before it is ready. */
  device: string;
  /** Tokens of one request. */
  n_ctx: number;
  /** -1: all. */
  n_gpu_layers: number;
  /** Requests that run at the same time. */
  slots: number;
  /** `host:port`; null before it is ready. */
  endpoint: string | null;
  port: number | null;
  /** Its resident set. */
  memory_bytes: number;
  restarts: number;
  error: string | null;
}

export interface AdminModelEndpoint {
  object: 'model.endpoint';
  id: string;
  /** Of this API. */
  path: string;
  endpoints: Array<string>;
}

export interface Error {
  /** What was wrong and what to do next. */
  message: string;
  type: string;
  /** The field at fault, as a path: `messages[0].content`. */
  param: string | null;
  code: string | null;
}
