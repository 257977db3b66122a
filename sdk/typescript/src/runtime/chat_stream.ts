// A stream of a chat completion as events, and the completion that its chunks add up to.
import type * as types from '../generated/types.js';
import { NovAIError } from './errors.js';
import { type ParsedChatCompletion, parseCompletion } from './parsed.js';
import type { Schema } from './schemas.js';
import type { Stream } from './streaming.js';

/** `choice` is the index of the choice; `snapshot` all that came so far, this event's part included. */
export type ChatStreamEvent =
  | { type: 'chunk'; chunk: types.ChatCompletionChunk; snapshot: types.ChatCompletion }
  | { type: 'content.delta'; choice: number; delta: string; snapshot: string }
  | { type: 'content.done'; choice: number; content: string }
  | { type: 'refusal.delta'; choice: number; delta: string; snapshot: string }
  | { type: 'refusal.done'; choice: number; refusal: string }
  | { type: 'reasoning.delta'; choice: number; delta: string; snapshot: string }
  | { type: 'reasoning.done'; choice: number; reasoning: string }
  | { type: 'tool_calls.function.arguments.delta'; choice: number; index: number; name: string; delta: string; snapshot: string }
  | { type: 'tool_calls.function.arguments.done'; choice: number; index: number; id: string; name: string; arguments: string }
  | { type: 'logprobs.content.delta'; choice: number; delta: types.TokenLogprob[]; snapshot: types.TokenLogprob[] }
  | { type: 'logprobs.refusal.delta'; choice: number; delta: types.TokenLogprob[]; snapshot: types.TokenLogprob[] };

type EventOf<Type extends ChatStreamEvent['type']> = Extract<ChatStreamEvent, { type: Type }>;

// The texts of a message: their field, and the name of their events.
const TEXTS = [
  ['reasoning_content', 'reasoning'],
  ['content', 'content'],
  ['refusal', 'refusal'],
] as const;
const LOGPROBS = ['content', 'refusal'] as const;

/** Puts chunks together. Pure: for streams that come by another way than this package's. */
export class ChatCompletionAccumulator {
  #completion: types.ChatCompletion | undefined;
  readonly #open = new Map<number, () => ChatStreamEvent>(); // by choice, the end of what it is saying

  /** What came so far; undefined before the first chunk. */
  get snapshot(): types.ChatCompletion | undefined {
    return this.#completion;
  }

  /** The events of one chunk, that of the chunk itself last. */
  add(chunk: types.ChatCompletionChunk): ChatStreamEvent[] {
    const snapshot = (this.#completion ??= began(chunk));
    if (chunk.usage) snapshot.usage = chunk.usage;
    const events = chunk.choices.flatMap((part) => this.#choice(snapshot, part));
    return [...events, { type: 'chunk', chunk, snapshot }];
  }

  #choice(snapshot: types.ChatCompletion, { index, delta, logprobs, finish_reason }: types.ChunkChoice): ChatStreamEvent[] {
    const choice = (snapshot.choices[index] ??= emptyChoice(index));
    const events = [
      ...TEXTS.flatMap(([field, name]) => this.#text(choice, field, name, delta[field])),
      ...(delta.tool_calls ?? []).flatMap((call) => this.#call(choice, call)),
      ...LOGPROBS.flatMap((field) => addLogprobs(choice, field, logprobs?.[field])),
    ];
    if (!finish_reason) return events;
    choice.finish_reason = finish_reason;
    return [...events, ...this.#close(index)];
  }

  #text(choice: types.Choice, field: (typeof TEXTS)[number][0], name: (typeof TEXTS)[number][1], delta?: string | null): ChatStreamEvent[] {
    if (!delta) return [];
    const { index, message } = choice;
    const begins = !message[field];
    const snapshot = (message[field] ?? '') + delta;
    message[field] = snapshot;
    const closed = begins ? this.#close(index) : [];
    this.#open.set(index, () => ({ type: `${name}.done`, choice: index, [name]: message[field] }) as ChatStreamEvent);
    return [...closed, { type: `${name}.delta`, choice: index, delta, snapshot }];
  }

  #call({ index: choice, message }: types.Choice, { index, id, function: said }: types.ToolCallDelta): ChatStreamEvent[] {
    const calls = (message.tool_calls ??= []);
    const begins = !calls[index];
    const call = (calls[index] ??= { id: id ?? '', type: 'function', function: { name: said.name ?? '', arguments: '' } });
    const closed = begins ? this.#close(choice) : [];
    call.function.arguments += said.arguments ?? '';
    const of = { choice, index, name: call.function.name };
    this.#open.set(choice, () => {
      return { type: 'tool_calls.function.arguments.done', ...of, id: call.id, arguments: call.function.arguments };
    });
    if (!said.arguments) return closed;
    const delta = { delta: said.arguments, snapshot: call.function.arguments };
    return [...closed, { type: 'tool_calls.function.arguments.delta', ...of, ...delta }];
  }

  #close(choice: number): ChatStreamEvent[] {
    const end = this.#open.get(choice);
    this.#open.delete(choice);
    return end ? [end()] : [];
  }
}

function began({ id, created, model, service_tier, system_fingerprint }: types.ChatCompletionChunk): types.ChatCompletion {
  const usage = null as unknown as types.CompletionUsage; // as streams without `include_usage` leave it
  return { id, object: 'chat.completion', created, model, choices: [], usage, service_tier, system_fingerprint };
}

function emptyChoice(index: number): types.Choice {
  const message: types.ChatCompletionMessage = { role: 'assistant', content: null, refusal: null };
  return { index, message, logprobs: null, finish_reason: null as unknown as types.FinishReason };
}

function addLogprobs(choice: types.Choice, field: (typeof LOGPROBS)[number], delta?: types.TokenLogprob[] | null): ChatStreamEvent[] {
  if (!delta?.length) return [];
  const logprobs = (choice.logprobs ??= { content: null, refusal: null });
  const snapshot = (logprobs[field] ??= []);
  snapshot.push(...delta);
  return [{ type: `logprobs.${field}.delta`, choice: choice.index, delta, snapshot }];
}

/**
 * The events of a stream, read once: by iterating, or by listeners and `done()`. Afterwards, or instead,
 * `finalCompletion()`.
 */
export class ChatCompletionStream<Parsed = null> implements AsyncIterable<ChatStreamEvent> {
  readonly #accumulator = new ChatCompletionAccumulator();
  readonly #listeners = new Map<string, ((event: never) => void)[]>();
  readonly #events: AsyncGenerator<ChatStreamEvent>;
  #complete = false;

  constructor(
    private readonly source: PromiseLike<Stream<types.ChatCompletionChunk>>,
    private readonly schema?: Schema<Parsed>,
  ) {
    this.#events = this.#read();
  }

  /** Called for each event of the type, while somebody reads the stream. */
  on<Type extends ChatStreamEvent['type']>(type: Type, listener: (event: EventOf<Type>) => void): this {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
    return this;
  }

  [Symbol.asyncIterator](): AsyncIterator<ChatStreamEvent> {
    return this.#events;
  }

  /** The completion so far; undefined before the first chunk. */
  get snapshot(): types.ChatCompletion | undefined {
    return this.#accumulator.snapshot;
  }

  /** Reads what is left. */
  async done(): Promise<void> {
    for await (const _ of this.#events);
  }

  /** The whole completion; with a schema, its messages have `parsed`. */
  async finalCompletion(): Promise<ParsedChatCompletion<Parsed>> {
    await this.done();
    const { snapshot } = this;
    if (!this.#complete || !snapshot) throw new NovAIError('The stream was left before its end.');
    return parseCompletion(this.schema, snapshot);
  }

  /** Ends it; the server stops generating. */
  async abort(): Promise<void> {
    (await this.source).controller.abort();
  }

  async *#read(): AsyncGenerator<ChatStreamEvent> {
    const stream = await this.source;
    for await (const chunk of stream) {
      for (const event of this.#accumulator.add(chunk)) {
        for (const listener of this.#listeners.get(event.type) ?? []) listener(event as never);
        yield event;
      }
    }
    this.#complete = !stream.controller.signal.aborted;
  }
}
