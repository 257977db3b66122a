import type { Logger, LogLevel } from './log.js';

/** Null takes a header away that would be sent otherwise. */
export type HeaderOptions = Record<string, string | null | undefined>;
export type Query = Record<string, unknown>;

/** Times are in milliseconds; `Infinity` is no limit. */
export interface ClientOptions {
  /** `NOVAI_API_KEY` when absent. A function is asked before every try. */
  apiKey?: string | (() => string | Promise<string>) | undefined;
  /** Where the server is, with or without `/v1` at the end. `NOVAI_BASE_URL` when absent. */
  baseURL?: string | undefined;
  /** `NOVAI_ORG_ID` when absent. */
  organization?: string | undefined;
  /** `NOVAI_PROJECT_ID` when absent. */
  project?: string | undefined;
  /** For one try: until the headers of a stream, until the end of any other answer. 10 minutes when absent. */
  timeout?: number | undefined;
  /** The longest silence within a stream; keep-alives of the server are no silence. 5 minutes when absent. */
  streamIdleTimeout?: number | undefined;
  /** Tries after the first one. 2 when absent. */
  maxRetries?: number | undefined;
  /** With the lines `Name: value` of `NOVAI_CUSTOM_HEADERS`. */
  defaultHeaders?: HeaderOptions | undefined;
  defaultQuery?: Query | undefined;
  /** A `fetch` of one's own: for proxies, certificates, tests. */
  fetch?: typeof globalThis.fetch | undefined;
  /** Given to `fetch` with every request. */
  fetchOptions?: RequestInit | undefined;
  /** `NOVAI_LOG` when absent, else off. */
  logLevel?: LogLevel | undefined;
  /** `console` when absent. */
  logger?: Logger | undefined;
}

/** For one call; the rest is the client's. */
export interface RequestOptions {
  headers?: HeaderOptions | undefined;
  query?: Query | undefined;
  /** Fields beside those of the request; of `client.post` and the like, all of it: fields, or bytes in any form. */
  body?: object | BodyInit | undefined;
  timeout?: number | undefined;
  streamIdleTimeout?: number | undefined;
  maxRetries?: number | undefined;
  signal?: AbortSignal | undefined;
  /** The same one over all tries. Made up for each POST that does not stream. */
  idempotencyKey?: string | undefined;
  fetchOptions?: RequestInit | undefined;
}
