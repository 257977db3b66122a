import { NovAIError } from './errors.js';
import type { Stream } from './streaming.js';

/** Puts the items of a stream together. Pure: it serves streams that come by another way, too. */
export interface Accumulator<Item, Event, Whole> {
  /** What came so far; undefined before the first item. */
  readonly snapshot: Whole | undefined;
  /** What this item brought. */
  add(item: Item): Event[];
}

/** The events of a stream, read once: by iterating, or by listeners and `done()`. */
export class AssembledStream<Item, Event extends { type: string }, Whole> implements AsyncIterable<Event> {
  readonly #listeners = new Map<string, ((event: never) => void)[]>();
  readonly #events: AsyncGenerator<Event>;
  #complete = false;

  constructor(
    private readonly source: PromiseLike<Stream<Item>>,
    private readonly accumulator: Accumulator<Item, Event, Whole>,
  ) {
    this.#events = this.#read();
  }

  /** Called for each event of the type, while somebody reads the stream. */
  on<Type extends Event['type']>(type: Type, listener: (event: Extract<Event, { type: Type }>) => void): this {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
    return this;
  }

  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return this.#events;
  }

  /** The answer so far; undefined before the first item. */
  get snapshot(): Whole | undefined {
    return this.accumulator.snapshot;
  }

  /** Reads what is left. */
  async done(): Promise<void> {
    for await (const _ of this.#events);
  }

  /** Ends it; the server stops generating. */
  async abort(): Promise<void> {
    (await this.source).controller.abort();
  }

  /** The answer, read to its end. */
  protected async whole(): Promise<Whole> {
    await this.done();
    const { snapshot } = this;
    if (!this.#complete || !snapshot) throw new NovAIError('The stream was left before its end.');
    return snapshot;
  }

  async *#read(): AsyncGenerator<Event> {
    const stream = await this.source;
    for await (const item of stream) {
      for (const event of this.accumulator.add(item)) {
        for (const listener of this.#listeners.get(event.type) ?? []) listener(event as never);
        yield event;
      }
    }
    this.#complete = !stream.controller.signal.aborted;
  }
}
