// Responses: their text, their streams, and what schemas make of them.
import type * as types from '../generated/types.js';
import { APIError, ContentFilterFinishReasonError, LengthFinishReasonError, NovAIError } from './errors.js';
import { parseText, type Schema } from './schemas.js';
import type { Stream } from './streaming.js';

/** `output_parsed` is null where the model called functions instead. */
export type ParsedResponse<T> = types.Response & { output_parsed: T | null };

/** All that its messages say. */
export function outputText({ output }: types.Response): string {
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  return parts.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
}

export async function parseResponse<T>(schema: Schema<T>, response: types.Response): Promise<ParsedResponse<T>> {
  const reason = response.incomplete_details?.reason;
  if (reason === 'max_output_tokens') {
    throw new LengthFinishReasonError('The answer was cut at the limit of tokens: raise max_output_tokens.');
  }
  if (reason === 'content_filter') throw new ContentFilterFinishReasonError('The content filter ended the answer.');
  const text = outputText(response);
  return Object.assign(response, { output_parsed: text ? await parseText(schema, text) : null });
}

/** The events of a response, read once. Afterwards, or instead, `finalResponse()`. */
export class ResponseStream implements AsyncIterable<types.ResponseStreamEvent> {
  readonly #events: AsyncGenerator<types.ResponseStreamEvent>;
  #final: types.Response | undefined;

  constructor(private readonly source: PromiseLike<Stream<types.ResponseStreamEvent>>) {
    this.#events = this.#read();
  }

  [Symbol.asyncIterator](): AsyncIterator<types.ResponseStreamEvent> {
    return this.#events;
  }

  /** The response as its last event has it. Throws APIError if it failed. */
  async finalResponse(): Promise<types.Response> {
    for await (const _ of this.#events);
    if (!this.#final) throw new NovAIError('The stream was left before its end.');
    if (this.#final.error) throw new APIError(this.#final.error.message, this.#final);
    return this.#final;
  }

  /** Ends it; the server stops generating. */
  async abort(): Promise<void> {
    (await this.source).controller.abort();
  }

  async *#read(): AsyncGenerator<types.ResponseStreamEvent> {
    for await (const event of await this.source) {
      if (
        event.type === 'response.completed' ||
        event.type === 'response.incomplete' ||
        event.type === 'response.failed'
      ) {
        this.#final = event.response;
      }
      yield event;
    }
  }
}
