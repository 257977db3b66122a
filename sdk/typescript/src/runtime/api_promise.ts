import type { Answer } from './answer.js';

export interface WithResponse<T> {
  data: T;
  response: Response;
  request_id: string | null;
}

/** What an answer turned out to be, and the response it came with: another one, where a body broke off and was retried. */
export interface Read<T> {
  data: T;
  response: Response;
}

/** A call under way. Awaited, it is the answer; `asResponse` and `withResponse` give what came with it. */
export class APIPromise<T> extends Promise<T> {
  readonly #answer: Promise<Answer>;
  readonly #read: (answer: Answer) => Promise<Read<T>>;
  #data: Promise<Read<T>> | undefined; // the body is read once, and only if it is wanted

  constructor(answer: Promise<Answer>, read: (answer: Answer) => Promise<Read<T>>) {
    super(() => {}); // its own state is never asked for: `then`, `catch` and `finally` are those of what was read
    this.#answer = answer;
    this.#read = read;
  }

  /** As soon as the headers are there. The body is the caller's to read, in any time; `signal` still cuts it. */
  async asResponse(): Promise<Response> {
    const { response, attempt } = await this.#answer;
    attempt.expect(Infinity);
    return response;
  }

  async withResponse(): Promise<WithResponse<T>> {
    const { data, response } = await this.#once();
    return { data, response, request_id: response.headers.get('x-request-id') };
  }

  /** The same call, its answer made into something else. */
  map<U>(convert: (data: T) => U | Promise<U>): APIPromise<U> {
    return new APIPromise(this.#answer, async () => {
      const { data, response } = await this.#once();
      return { data: await convert(data), response };
    });
  }

  override then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#once()
      .then(({ data }) => data)
      .then(fulfilled, rejected);
  }

  override catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(null, rejected);
  }

  override finally(settled?: (() => void) | null): Promise<T> {
    return this.then().finally(settled);
  }

  #once(): Promise<Read<T>> {
    this.#data ??= this.#answer.then(this.#read);
    return this.#data;
  }
}
