// What `client.chat.completions` can do beside its operations.
import * as operations from '../generated/operations.js';
import type * as params from '../generated/params.js';
import type { APIPromise } from '../runtime/api_promise.js';
import { ChatCompletionStream } from '../runtime/chat_stream.js';
import type { RequestOptions } from '../runtime/options.js';
import { type ParsedChatCompletion, parseCompletion } from '../runtime/parsed.js';
import { type Infer, isSchema, responseFormat, type Schema } from '../runtime/schemas.js';
import { runTools, type ToolRun, type ToolRunRequest } from '../runtime/tools.js';

type Whole = Omit<params.ChatCompletionRequest, 'stream' | 'response_format'>;
/** A request whose answer is to match a schema. */
export type ParseRequest<S extends Schema> = Whole & { response_format: S };
/** A request of a stream, which may name a schema. */
export type StreamRequest = Omit<params.ChatCompletionRequest, 'stream'>;

export class ChatCompletions extends operations.ChatCompletions {
  /**
   * As `create`, with a schema of zod or the like as `response_format`. Its value is each message's `parsed`.
   *
   * Throws LengthFinishReasonError or ContentFilterFinishReasonError for an answer that was cut.
   */
  parse<S extends Schema>(body: ParseRequest<S>, options?: RequestOptions): APIPromise<ParsedChatCompletion<Infer<S>>> {
    const { response_format: schema, ...rest } = body;
    const answer = this.create({ ...rest, response_format: responseFormat(schema) }, options);
    return answer.map((completion) => parseCompletion<Infer<S>>(schema as Schema<Infer<S>>, completion));
  }

  /** A stream as events, with what has come so far put together. Its usage comes unless `stream_options` says no. */
  stream<S extends Schema>(body: ParseRequest<S>, options?: RequestOptions): ChatCompletionStream<Infer<S>>;
  stream(body: StreamRequest, options?: RequestOptions): ChatCompletionStream<null>;
  stream(body: ParseRequest<Schema> | StreamRequest, options?: RequestOptions): ChatCompletionStream<unknown> {
    const schema = isSchema(body.response_format) ? body.response_format : undefined;
    const format = schema ? responseFormat(schema) : (body.response_format as params.ResponseFormat | null | undefined);
    const stream_options = { include_usage: true, ...body.stream_options };
    const request = { ...body, response_format: format, stream_options, stream: true } as const;
    return new ChatCompletionStream(this.create(request, options), schema);
  }

  /** Asks, runs the tools that the model calls, tells it what they returned, and so on until it answers. */
  runTools(body: ToolRunRequest, options?: RequestOptions & { maxRounds?: number }): Promise<ToolRun> {
    return runTools((request) => this.create(request, options), body, options?.maxRounds);
  }
}
