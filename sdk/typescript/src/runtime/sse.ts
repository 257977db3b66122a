// Server-sent events out of bytes that are cut anywhere. https://html.spec.whatwg.org/#parsing-an-event-stream

export interface ServerSentEvent {
  event: string | null;
  data: string;
}

const LINE_END = /\r\n?|\n/;

/** Keeps what is incomplete between two pieces; an event that the end of the stream cuts is dropped. */
export class SSEDecoder {
  readonly #utf8 = new TextDecoder();
  #partial = ''; // the line whose end did not come yet; grown by +=, so that long lines cost no copies
  #afterCR = false; // the LF that may come next belongs to the line end before it
  #event: string | null = null;
  #data: string[] = [];

  /** The events that are complete with this piece. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    let text = this.#utf8.decode(bytes, { stream: true });
    if (text === '') return [];
    if (this.#afterCR && text.startsWith('\n')) text = text.slice(1);
    this.#afterCR = text === '' ? false : text.endsWith('\r');
    const lines = text.split(LINE_END);
    lines[0] = this.#partial + lines[0];
    this.#partial = lines.pop() ?? '';
    const events: ServerSentEvent[] = [];
    for (const line of lines) {
      if (line === '') this.#dispatch(events);
      else this.#field(line);
    }
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment: the server is alive
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
  }

  #dispatch(events: ServerSentEvent[]): void {
    if (this.#data.length) events.push({ event: this.#event, data: this.#data.join('\n') });
    this.#event = null;
    this.#data = [];
  }
}
