// Responses: their text, their streams, and what schemas make of them.
import type * as types from '../generated/types.js';
import { type Accumulator, AssembledStream } from './assembled_stream.js';
import { APIError, ContentFilterFinishReasonError, LengthFinishReasonError } from './errors.js';
import { parseText, type Schema } from './schemas.js';
import type { Stream } from './streaming.js';

/** `output_parsed` is null without a schema, and where the model called functions instead. */
export type ParsedResponse<T> = types.Response & { output_parsed: T | null };

/** All that its messages say. */
export function outputText({ output }: types.Response): string {
  const parts = output.flatMap((item) => (item.type === 'message' ? item.content : []));
  return parts.map((part) => (part.type === 'output_text' ? part.text : '')).join('');
}

/** A response with its `output_parsed`. */
export async function parseResponse<T>(
  schema: Schema<T> | undefined,
  response: types.Response,
): Promise<ParsedResponse<T>> {
  const reason = response.incomplete_details?.reason;
  if (schema && reason === 'max_output_tokens') {
    throw new LengthFinishReasonError('The answer was cut at the limit of tokens: raise max_output_tokens.');
  }
  if (schema && reason === 'content_filter') {
    throw new ContentFilterFinishReasonError('The content filter ended the answer.');
  }
  const text = outputText(response);
  return Object.assign(response, { output_parsed: schema && text ? await parseText(schema, text) : null });
}

/** Puts the events of a response together. They are handed on as they came. */
export class ResponseAccumulator implements Accumulator<
  types.ResponseStreamEvent,
  types.ResponseStreamEvent,
  types.Response
> {
  #response: types.Response | undefined;

  get snapshot(): types.Response | undefined {
    return this.#response;
  }

  add(event: types.ResponseStreamEvent): types.ResponseStreamEvent[] {
    // The first two and the last carry all of it.
    if ('response' in event) this.#response = structuredClone(event.response);
    else if (this.#response) grow(this.#response.output, event);
    return [event];
  }
}

function grow(output: types.ResponseOutputItem[], event: types.ResponseStreamEvent): void {
  if (!('output_index' in event)) return;
  const { output_index: index } = event;
  if ('item' in event) {
    output[index] = structuredClone(event.item);
    return;
  }
  const item = output[index];
  if (event.type === 'response.function_call_arguments.delta' && item?.type === 'function_call') {
    item.arguments += event.delta;
  } else if (item?.type === 'reasoning' && 'summary_index' in event) {
    growPart(item.summary, event.summary_index, event);
  } else if (item && 'content' in item && 'content_index' in event) {
    growPart(item.content, event.content_index, event);
  }
}

function growPart(parts: { text?: string }[], index: number, event: types.ResponseStreamEvent): void {
  if ('part' in event) parts[index] = { ...event.part };
  const part = parts[index];
  if ('delta' in event && part?.text !== undefined) part.text += event.delta;
}

/** The events of a response. Afterwards, or instead, `finalResponse()`. */
export class ResponseStream<Parsed = null> extends AssembledStream<
  types.ResponseStreamEvent,
  types.ResponseStreamEvent,
  types.Response
> {
  constructor(
    source: PromiseLike<Stream<types.ResponseStreamEvent>>,
    private readonly schema?: Schema<Parsed>,
  ) {
    super(source, new ResponseAccumulator());
  }

  /** The response as its last event has it; with a schema, `output_parsed`. Throws APIError if it failed. */
  async finalResponse(): Promise<ParsedResponse<Parsed>> {
    const response = await this.whole();
    if (response.error) throw new APIError(response.error.message, response);
    return parseResponse(this.schema, response);
  }
}
