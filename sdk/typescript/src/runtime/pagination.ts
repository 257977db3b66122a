import { APIPromise } from './api_promise.js';
import { NovAIError } from './errors.js';

export interface List<Item> {
  data: Item[];
  has_more?: boolean | undefined;
  last_id?: string | null | undefined;
  next_after?: string | null | undefined;
}

/** Which field of a page is the `after` of the next one; null: there is no next one. */
export type NextAfter = 'last_id' | 'next_after' | null;

type Turn<Item> = (after: string) => PagePromise<Item, List<Item>>;

/** One page of a list, with all its fields. Iterated over, it goes on through the pages after it. */
export class Page<Item> implements AsyncIterable<Item> {
  declare readonly data: Item[];
  readonly #after: string | null;
  readonly #turn: Turn<Item>;

  constructor(list: List<Item>, nextAfter: NextAfter, turn: Turn<Item>) {
    Object.assign(this, list);
    this.#after = (list.has_more && nextAfter && list[nextAfter]) || null;
    this.#turn = turn;
  }

  hasNextPage(): boolean {
    return this.#after !== null;
  }

  /** What the query of the next page adds to this one's. */
  nextPageInfo(): { after: string } | null {
    return this.#after === null ? null : { after: this.#after };
  }

  getNextPage(): Promise<this> {
    if (this.#after === null) throw new NovAIError('This is the last page: ask hasNextPage() first.');
    return this.#turn(this.#after) as Promise<unknown> as Promise<this>;
  }

  async *iterPages(): AsyncGenerator<this> {
    let page = this;
    yield page;
    while (page.hasNextPage()) {
      page = await page.getNextPage();
      yield page;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item> {
    for await (const page of this.iterPages()) yield* page.data;
  }
}

/** Awaited, it is the first page; iterated over, the items of all of them. */
export class PagePromise<Item, Body extends List<Item>>
  extends APIPromise<Page<Item> & Body>
  implements AsyncIterable<Item>
{
  async *[Symbol.asyncIterator](): AsyncGenerator<Item> {
    yield* await this;
  }
}
