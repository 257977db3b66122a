export { NovAI, NovAI as default, VERSION } from './generated/client.js';
export type * from './generated/types.js';
export type * as params from './generated/params.js';
export type * as resources from './generated/client.js';
export { APIPromise, type WithResponse } from './runtime/api_promise.js';
export {
  APIConnectionError,
  APIError,
  APIResponseValidationError,
  APIStatusError,
  APITimeoutError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  ConflictError,
  ContentFilterFinishReasonError,
  ContextLengthExceededError,
  InsufficientQuotaError,
  InternalServerError,
  LengthFinishReasonError,
  NotFoundError,
  NovAIError,
  PermissionDeniedError,
  RateLimitError,
  UnprocessableEntityError,
} from './runtime/errors.js';
export type { Logger, LogLevel } from './runtime/log.js';
export type { ClientOptions, HeaderOptions, Query, RequestOptions } from './runtime/options.js';
export { Page, PagePromise } from './runtime/pagination.js';
export type { PollOptions } from './runtime/polling.js';
export { Stream } from './runtime/streaming.js';
export { type FileSource, toFile, type Uploadable } from './runtime/uploads.js';
export { type ParseRequest, type StreamRequest } from './helpers/chat__completions.js';
export type { Accumulator, AssembledStream } from './runtime/assembled_stream.js';
export { ChatCompletionAccumulator, ChatCompletionStream, type ChatStreamEvent } from './runtime/chat_stream.js';
export { MessageAccumulator, type MessageHelperEvent, MessageStream } from './runtime/message_stream.js';
export type { ParsedChatCompletion, ParsedChoice, ParsedMessage } from './runtime/parsed.js';
export { type Infer, responseFormat, type Schema } from './runtime/schemas.js';
export { type RunnableTool, tool, type ToolRun, type ToolRunRequest } from './runtime/tools.js';
export type { ParseResponseRequest, ResponseStreamRequest } from './helpers/responses.js';
export { outputText, type ParsedResponse, ResponseAccumulator, ResponseStream } from './runtime/response_stream.js';
export type { BatchResult } from './helpers/batches.js';
