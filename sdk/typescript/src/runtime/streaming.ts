import type { Answer } from './answer.js';
import { APIConnectionError, APIError, APIResponseValidationError, NovAIError } from './errors.js';
import { SSEDecoder, type ServerSentEvent } from './sse.js';

const DRAIN_MS = 1_000; // the end of the body, after the end of the stream: then the connection can be used again
const LAST_EVENT = 'message_stop'; // of Anthropic's streams, which have no [DONE]
const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** A response is one. */
interface Body {
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * The items of a stream as they arrive. It is read once; leaving the loop closes the connection, and the server stops
 * generating.
 */
export class Stream<T> implements AsyncIterable<T> {
  #read = false;

  constructor(
    private readonly items: () => AsyncIterator<T>,
    /** `controller.abort()` ends the stream, from anywhere. */
    readonly controller: AbortController,
    /** Its status and headers; the body is the stream's. */
    readonly response?: Response,
  ) {}

  /** Silence counts while somebody reads. */
  static fromAnswer<T>(answer: Answer, idleTimeout: number): Stream<T> {
    const { controller } = answer.attempt;
    answer.attempt.expect(Infinity);
    return new Stream(() => left(items<T>(answer, idleTimeout), controller), controller, answer.response);
  }

  /** The inverse of `toReadableStream`. */
  static fromReadableStream<T>(body: ReadableStream<Uint8Array>, controller = new AbortController()): Stream<T> {
    return new Stream(() => jsonLines<T>({ body }), controller);
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    if (this.#read) throw new NovAIError('A stream is read once. `tee()` makes two of it.');
    this.#read = true;
    return this.items();
  }

  /**
   * Two streams of the same items, each at its own pace: what one has not read yet is kept. The connection closes when
   * both are left.
   */
  tee(): [Stream<T>, Stream<T>] {
    const source = this[Symbol.asyncIterator]();
    const waiting = new Set<Promise<IteratorResult<T>>[]>();
    const branch = () => {
      const mine: Promise<IteratorResult<T>>[] = [];
      waiting.add(mine);
      const next = () => {
        if (!mine.length && waiting.has(mine)) {
          const item = source.next();
          for (const queue of waiting) queue.push(item);
        }
        return mine.shift() ?? Promise.resolve(OVER);
      };
      const leave = async () => {
        mine.length = 0;
        if (waiting.delete(mine) && !waiting.size) await source.return?.();
        return OVER;
      };
      return new Stream<T>(() => ({ next, return: leave }), this.controller, this.response);
    };
    return [branch(), branch()];
  }

  /** One line of JSON per item, to be sent on to a browser. */
  toReadableStream(): ReadableStream<Uint8Array> {
    const source = this[Symbol.asyncIterator]();
    const utf8 = new TextEncoder();
    return new ReadableStream<Uint8Array>({
      pull: async (sink) => {
        const { done, value } = await source.next();
        if (done) sink.close();
        else sink.enqueue(utf8.encode(`${JSON.stringify(value)}\n`));
      },
      cancel: async () => {
        await source.return?.();
      },
    });
  }
}

/** Whoever leaves while an item is awaited leaves at once: by itself a generator would wait for the item first. */
function left<T>(source: AsyncGenerator<T>, controller: AbortController): AsyncIterator<T> {
  return {
    next: () => source.next(),
    return: () => {
      controller.abort();
      return source.return(undefined);
    },
  };
}

async function* items<T>({ response, attempt }: Answer, idleTimeout: number): AsyncGenerator<T> {
  const decoder = new SSEDecoder();
  let ended = false;
  try {
    expectEvents(response);
    for await (const bytes of pieces(response, () => attempt.expect(ended ? DRAIN_MS : idleTimeout))) {
      if (ended) continue;
      for (const event of decoder.push(bytes)) {
        ended = event.data === '[DONE]' || event.event === LAST_EVENT;
        if (event.data !== '[DONE]') yield item<T>(event);
        if (ended) break;
      }
    }
    if (!ended) throw new APIConnectionError('The stream ended before it was complete.');
  } catch (error) {
    if (!ended && !attempt.left) throw attempt.errorOf(error);
  } finally {
    attempt.close();
  }
}

/** A page of a proxy, or of another server, is no stream that broke off: asking again brings it again. */
function expectEvents({ headers, body }: Response): void {
  const type = headers.get('content-type') ?? '';
  if (!/json|html/.test(type)) return;
  body?.cancel().catch(() => {});
  throw new APIResponseValidationError(`The answer is ${type}, not a stream of events.`);
}

/** The body as it arrives; `beforeEach` runs before each wait. */
async function* pieces({ body }: Body, beforeEach?: () => void): AsyncGenerator<Uint8Array> {
  if (!body) throw new APIConnectionError('The answer has no body.');
  const reader = body.getReader(); // not every browser iterates over a ReadableStream
  try {
    for (;;) {
      beforeEach?.();
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.cancel().catch(() => {}); // closes the connection, unless its body is at its end
  }
}

function item<T>({ data }: ServerSentEvent): T {
  const value = parsed<T>(data);
  const error = (value as { error?: { message?: string } } | null)?.error;
  if (error) throw new APIError(error.message ?? 'The stream failed.', value);
  return value;
}

function parsed<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new APIResponseValidationError('An event of the stream is not JSON.', text, { cause });
  }
}

/** The lines of a body, each of them JSON. */
export async function* jsonLines<T>(source: Body): AsyncGenerator<T> {
  const utf8 = new TextDecoder();
  let partial = '';
  for await (const bytes of pieces(source)) {
    const lines = utf8.decode(bytes, { stream: true }).split('\n');
    lines[0] = partial + lines[0];
    partial = lines.pop() ?? '';
    for (const line of lines) if (line) yield parsed<T>(line);
  }
  if (partial) yield parsed<T>(partial);
}
