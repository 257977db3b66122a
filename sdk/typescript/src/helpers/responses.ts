// What `client.responses` can do beside its operations.
import * as operations from '../generated/operations.js';
import type * as params from '../generated/params.js';
import type { APIPromise } from '../runtime/api_promise.js';
import type { RequestOptions } from '../runtime/options.js';
import { type ParsedResponse, parseResponse, ResponseStream } from '../runtime/response_stream.js';
import { type Infer, isSchema, jsonSchema, type Schema } from '../runtime/schemas.js';

/** A request whose answer is to match a schema. */
export type ParseResponseRequest<S extends Schema> = Omit<params.ResponseRequest, 'stream' | 'text'> & {
  text: Omit<params.ResponseTextConfig, 'format'> & { format: S };
};

/** A request of a stream, which may name a schema. */
export type ResponseStreamRequest = Omit<params.ResponseRequest, 'stream'>;

export class Responses extends operations.Responses {
  /** As `create`, with a schema of zod or the like as `text.format`. Its value is the response's `output_parsed`. */
  parse<S extends Schema>(
    body: ParseResponseRequest<S>,
    options?: RequestOptions,
  ): APIPromise<ParsedResponse<Infer<S>>> {
    const { request, schema } = asked(body);
    return this.create(request, options).map((response) => parseResponse(schema as Schema<Infer<S>>, response));
  }

  /** The events of a stream, with what has come so far put together. */
  stream<S extends Schema>(body: ParseResponseRequest<S>, options?: RequestOptions): ResponseStream<Infer<S>>;
  stream(body: ResponseStreamRequest, options?: RequestOptions): ResponseStream<null>;
  stream(
    body: ParseResponseRequest<Schema> | ResponseStreamRequest,
    options?: RequestOptions,
  ): ResponseStream<unknown> {
    const { request, schema } = asked(body);
    return new ResponseStream(this.create({ ...request, stream: true }, options), schema);
  }
}

/** What is sent, and the schema if one was given where the format stands. */
function asked(body: ParseResponseRequest<Schema> | ResponseStreamRequest): {
  request: ResponseStreamRequest;
  schema: Schema | undefined;
} {
  const { text, ...rest } = body;
  if (!text || !isSchema(text.format)) return { request: body as ResponseStreamRequest, schema: undefined };
  const format = { type: 'json_schema', name: 'answer', schema: jsonSchema(text.format), strict: true } as const;
  return { request: { ...rest, text: { ...text, format } }, schema: text.format };
}
