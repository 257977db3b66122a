// What `client.responses` can do beside its operations.
import * as operations from '../generated/operations.js';
import type * as params from '../generated/params.js';
import type { APIPromise } from '../runtime/api_promise.js';
import type { RequestOptions } from '../runtime/options.js';
import { type ParsedResponse, parseResponse, ResponseStream } from '../runtime/response_stream.js';
import { type Infer, jsonSchema, type Schema } from '../runtime/schemas.js';

/** A request whose answer is to match a schema. */
export type ParseResponseRequest<S extends Schema> = Omit<params.ResponseRequest, 'stream' | 'text'> & {
  text: Omit<params.ResponseTextConfig, 'format'> & { format: S };
};

export class Responses extends operations.Responses {
  /** As `create`, with a schema of zod or the like as `text.format`. Its value is the response's `output_parsed`. */
  parse<S extends Schema>(
    body: ParseResponseRequest<S>,
    options?: RequestOptions,
  ): APIPromise<ParsedResponse<Infer<S>>> {
    const { format: schema, ...text } = body.text;
    const format = { type: 'json_schema', name: 'answer', schema: jsonSchema(schema), strict: true } as const;
    const answer = this.create({ ...body, text: { ...text, format } }, options);
    return answer.map((response) => parseResponse(schema as Schema<Infer<S>>, response));
  }

  /** The events of a stream, and `finalResponse()` with what they come to. */
  stream(body: Omit<params.ResponseRequest, 'stream'>, options?: RequestOptions): ResponseStream {
    return new ResponseStream(this.create({ ...body, stream: true }, options));
  }
}
