// A stream of a message, in Anthropic's form: its events, what they brought, and the message they add up to.
import type * as types from '../generated/types.js';
import { type Accumulator, AssembledStream } from './assembled_stream.js';
import type { Stream } from './streaming.js';

/** The server's events, each delta followed by what it brought; what ends has what is complete. */
export type MessageHelperEvent =
  | Exclude<types.MessageStreamEvent, types.MessageBlockStopEvent | types.MessageStopEvent>
  | (types.MessageBlockStopEvent & { content_block: types.MessageContentBlock })
  | (types.MessageStopEvent & { message: types.Message })
  | { type: 'text'; index: number; text: string; snapshot: string }
  | { type: 'thinking'; index: number; thinking: string; snapshot: string }
  /** `snapshot`: the JSON text of a tool's input so far. */
  | { type: 'input_json'; index: number; partial_json: string; snapshot: string };

/** Puts the events of a message together. */
export class MessageAccumulator implements Accumulator<types.MessageStreamEvent, MessageHelperEvent, types.Message> {
  #message: types.Message | undefined;
  readonly #inputs = new Map<number, string>(); // of tools, while they come: JSON texts by block

  get snapshot(): types.Message | undefined {
    return this.#message;
  }

  add(event: types.MessageStreamEvent): MessageHelperEvent[] {
    if (event.type === 'message_start') this.#message = structuredClone(event.message);
    const message = this.#message;
    if (!message) return [];
    switch (event.type) {
      case 'content_block_start':
        message.content[event.index] = { ...event.content_block };
        return [event];
      case 'content_block_delta':
        return [event, ...this.#grow(message, event)];
      case 'content_block_stop':
        return [{ ...event, content_block: this.#ended(message, event.index) }];
      case 'message_delta':
        Object.assign(message, event.delta);
        Object.assign(message.usage, event.usage);
        return [event];
      case 'message_stop':
        return [{ ...event, message }];
      default:
        return [event];
    }
  }

  #grow({ content }: types.Message, { index, delta }: types.MessageBlockDeltaEvent): MessageHelperEvent[] {
    const block = content[index];
    if (delta.type === 'text_delta' && block?.type === 'text') {
      block.text += delta.text;
      return [{ type: 'text', index, text: delta.text, snapshot: block.text }];
    }
    if (delta.type === 'thinking_delta' && block?.type === 'thinking') {
      block.thinking += delta.thinking;
      return [{ type: 'thinking', index, thinking: delta.thinking, snapshot: block.thinking }];
    }
    if (delta.type === 'signature_delta' && block?.type === 'thinking') block.signature += delta.signature;
    if (delta.type !== 'input_json_delta') return [];
    const snapshot = (this.#inputs.get(index) ?? '') + delta.partial_json;
    this.#inputs.set(index, snapshot);
    return [{ type: 'input_json', index, partial_json: delta.partial_json, snapshot }];
  }

  #ended({ content }: types.Message, index: number): types.MessageContentBlock {
    const block = content[index] as types.MessageContentBlock;
    const input = this.#inputs.get(index);
    if (input && block.type === 'tool_use') block.input = JSON.parse(input);
    return block;
  }
}

/** The events of a message. Afterwards, or instead, `finalMessage()`. */
export class MessageStream extends AssembledStream<types.MessageStreamEvent, MessageHelperEvent, types.Message> {
  constructor(source: PromiseLike<Stream<types.MessageStreamEvent>>) {
    super(source, new MessageAccumulator());
  }

  finalMessage(): Promise<types.Message> {
    return this.whole();
  }

  /** The text of all its blocks. */
  async finalText(): Promise<string> {
    const { content } = await this.whole();
    return content.map((block) => (block.type === 'text' ? block.text : '')).join('');
  }
}
