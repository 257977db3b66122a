// A stream of a chat completion as events, and the completion that its chunks add up to.
import type * as types from '../generated/types.js';
import { type Accumulator, AssembledStream } from './assembled_stream.js';
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
  | {
      type: 'tool_calls.function.arguments.delta';
      choice: number;
      index: number;
      name: string;
      delta: string;
      snapshot: string;
    }
  | {
      type: 'tool_calls.function.arguments.done';
      choice: number;
      index: number;
      id: string;
      name: string;
      arguments: string;
    }
  | { type: LogprobsType<'delta'>; choice: number; delta: types.TokenLogprob[]; snapshot: types.TokenLogprob[] }
  | { type: LogprobsType<'done'>; choice: number; logprobs: types.TokenLogprob[] };

type LogprobsType<When extends string> = `logprobs.${'content' | 'refusal'}.${When}`;

// The texts of a message: their field, and the name of their events.
const TEXTS = [
  ['reasoning_content', 'reasoning'],
  ['content', 'content'],
  ['refusal', 'refusal'],
] as const;
const LOGPROBS = ['content', 'refusal'] as const;
type Text = (typeof TEXTS)[number];

/** What a choice is saying: a text, or a call of a tool. */
interface Part {
  name: string;
  end: () => ChatStreamEvent;
}

/** Puts chunks together. */
export class ChatCompletionAccumulator implements Accumulator<
  types.ChatCompletionChunk,
  ChatStreamEvent,
  types.ChatCompletion
> {
  #completion: types.ChatCompletion | undefined;
  readonly #open = new Map<number, Part>(); // by choice

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

  #choice(snapshot: types.ChatCompletion, chunk: types.ChunkChoice): ChatStreamEvent[] {
    const { index, delta, logprobs, finish_reason } = chunk;
    const choice = (snapshot.choices[index] ??= emptyChoice(index));
    for (const call of delta.novai_tool_calls ?? []) addServerCall(choice.message, call);
    const events = [
      ...TEXTS.flatMap((text) => this.#text(choice, text, delta[text[0]])),
      ...(delta.tool_calls ?? []).flatMap((call) => this.#call(choice, call)),
      ...LOGPROBS.flatMap((field) => addLogprobs(choice, field, logprobs?.[field])),
    ];
    if (!finish_reason) return events;
    choice.finish_reason = finish_reason;
    return [...events, ...this.#close(index), ...LOGPROBS.flatMap((field) => endLogprobs(choice, field))];
  }

  #text({ index: choice, message }: types.Choice, [field, name]: Text, delta?: string | null): ChatStreamEvent[] {
    if (!delta) return [];
    const snapshot = (message[field] ?? '') + delta;
    message[field] = snapshot;
    const end = () => ({ type: `${name}.done`, choice, [name]: message[field] }) as ChatStreamEvent;
    return [...this.#turn(choice, { name, end }), { type: `${name}.delta`, choice, delta, snapshot }];
  }

  #call({ index: choice, message }: types.Choice, said: types.ToolCallDelta): ChatStreamEvent[] {
    const { index } = said;
    const call = ((message.tool_calls ??= [])[index] ??= emptyCall(said));
    call.function.arguments += said.function.arguments;
    const of = { choice, index, name: call.function.name };
    const end = (): ChatStreamEvent => {
      return { type: 'tool_calls.function.arguments.done', ...of, id: call.id, arguments: call.function.arguments };
    };
    const turned = this.#turn(choice, { name: `call ${index}`, end });
    if (!said.function.arguments) return turned;
    const added = { delta: said.function.arguments, snapshot: call.function.arguments };
    return [...turned, { type: 'tool_calls.function.arguments.delta', ...of, ...added }];
  }

  /** The choice says this part now; the end of another one, if it was saying one. */
  #turn(choice: number, part: Part): ChatStreamEvent[] {
    const ended = this.#open.get(choice)?.name === part.name ? [] : this.#close(choice);
    this.#open.set(choice, part);
    return ended;
  }

  #close(choice: number): ChatStreamEvent[] {
    const part = this.#open.get(choice);
    this.#open.delete(choice);
    return part ? [part.end()] : [];
  }
}

// What has not come yet is null, against its type: the usage, and why a choice ended.
function began(chunk: types.ChatCompletionChunk): types.ChatCompletion {
  const { id, created, model, service_tier, system_fingerprint } = chunk;
  const usage = null as unknown as types.CompletionUsage;
  return { id, object: 'chat.completion', created, model, choices: [], usage, service_tier, system_fingerprint };
}

function emptyChoice(index: number): types.Choice {
  const message: types.ChatCompletionMessage = { role: 'assistant', content: null, refusal: null };
  return { index, message, logprobs: null, finish_reason: null as unknown as types.FinishReason };
}

function emptyCall({ id = '', function: { name = '' } }: types.ToolCallDelta): types.ToolCall {
  return { id, type: 'function', function: { name, arguments: '' } };
}

// Calls that the server makes come in two parts, which have nothing in common but the index.
function addServerCall(message: types.ChatCompletionMessage, { index, ...said }: types.ServerToolCallDelta): void {
  const calls = (message.novai_tool_calls ??= []);
  calls[index] = { ...calls[index], ...said } as types.ServerToolCall;
}

function addLogprobs(
  choice: types.Choice,
  field: (typeof LOGPROBS)[number],
  delta?: types.TokenLogprob[] | null,
): ChatStreamEvent[] {
  if (!delta?.length) return [];
  const logprobs = (choice.logprobs ??= { content: null, refusal: null });
  const snapshot = (logprobs[field] ??= []);
  snapshot.push(...delta);
  return [{ type: `logprobs.${field}.delta`, choice: choice.index, delta, snapshot }];
}

function endLogprobs({ index: choice, logprobs }: types.Choice, field: (typeof LOGPROBS)[number]): ChatStreamEvent[] {
  const all = logprobs?.[field];
  return all ? [{ type: `logprobs.${field}.done`, choice, logprobs: all }] : [];
}

/** The events of a stream. Afterwards, or instead, `finalCompletion()`. */
export class ChatCompletionStream<Parsed = null> extends AssembledStream<
  types.ChatCompletionChunk,
  ChatStreamEvent,
  types.ChatCompletion
> {
  constructor(
    source: PromiseLike<Stream<types.ChatCompletionChunk>>,
    private readonly schema?: Schema<Parsed>,
  ) {
    super(source, new ChatCompletionAccumulator());
  }

  /** The whole completion; with a schema, its messages have `parsed`. */
  async finalCompletion(): Promise<ParsedChatCompletion<Parsed>> {
    return parseCompletion(this.schema, await this.whole());
  }
}
