import { type Answer, readWhole } from './answer.js';
import { APIPromise, type Read } from './api_promise.js';
import { Attempt, pause } from './attempt.js';
import { env, runtime } from './environment.js';
import * as errors from './errors.js';
import { APIConnectionError, type APIError, APIStatusError, errorOf, NovAIError } from './errors.js';
import { Log, type LogLevel } from './log.js';
import type { ClientOptions, HeaderOptions, RequestOptions } from './options.js';
import { type List, type NextAfter, Page, PagePromise } from './pagination.js';
import { bearer, type Call, checked, headerLines, headersOf, type Request, requestOf, urlOf } from './request.js';
import { delayMs, MAX_RETRIES, statusIsRetried } from './retries.js';
import { Stream } from './streaming.js';

const BASE_URL = 'http://127.0.0.1:8000/v1'; // where `novai dev` listens
const TIMEOUT_MS = 600_000;
const STREAM_IDLE_TIMEOUT_MS = 300_000;

/** What every operation shares: headers, tries, timeouts, errors, and the forms that answers take. */
export class APIClient {
  // Every error, so that `error instanceof NovAI.RateLimitError` needs no import.
  static readonly NovAIError = errors.NovAIError;
  static readonly APIError = errors.APIError;
  static readonly APIConnectionError = errors.APIConnectionError;
  static readonly APITimeoutError = errors.APITimeoutError;
  static readonly APIUserAbortError = errors.APIUserAbortError;
  static readonly APIResponseValidationError = errors.APIResponseValidationError;
  static readonly APIStatusError = errors.APIStatusError;
  static readonly BadRequestError = errors.BadRequestError;
  static readonly ContextLengthExceededError = errors.ContextLengthExceededError;
  static readonly AuthenticationError = errors.AuthenticationError;
  static readonly PermissionDeniedError = errors.PermissionDeniedError;
  static readonly NotFoundError = errors.NotFoundError;
  static readonly ConflictError = errors.ConflictError;
  static readonly UnprocessableEntityError = errors.UnprocessableEntityError;
  static readonly RateLimitError = errors.RateLimitError;
  static readonly InsufficientQuotaError = errors.InsufficientQuotaError;
  static readonly InternalServerError = errors.InternalServerError;
  static readonly LengthFinishReasonError = errors.LengthFinishReasonError;
  static readonly ContentFilterFinishReasonError = errors.ContentFilterFinishReasonError;

  readonly baseURL: string;
  readonly timeout: number;
  readonly streamIdleTimeout: number;
  readonly maxRetries: number;
  readonly #options: ClientOptions;
  readonly #apiKey: string | (() => string | Promise<string>);
  readonly #headers: HeaderOptions[];
  readonly #fetch: typeof globalThis.fetch;
  readonly #log: Log;

  constructor(options: ClientOptions, version: string) {
    const apiKey = options.apiKey ?? env('NOVAI_API_KEY');
    if (!apiKey) throw new NovAIError('No API key: pass { apiKey } or set NOVAI_API_KEY.');
    this.#options = options;
    this.#apiKey = apiKey;
    this.baseURL = options.baseURL ?? env('NOVAI_BASE_URL') ?? BASE_URL;
    if (!/^https?:\/\//.test(this.baseURL) || !URL.canParse(this.baseURL)) {
      throw new NovAIError(`baseURL is '${this.baseURL}': it must begin with http:// or https:// and be a URL`);
    }
    this.timeout = options.timeout ?? TIMEOUT_MS;
    this.streamIdleTimeout = options.streamIdleTimeout ?? STREAM_IDLE_TIMEOUT_MS;
    this.maxRetries = checked(options.maxRetries ?? MAX_RETRIES);
    this.#headers = [
      platformHeaders(version),
      {
        'openai-organization': options.organization ?? env('NOVAI_ORG_ID'),
        'openai-project': options.project ?? env('NOVAI_PROJECT_ID'),
      },
      headerLines(env('NOVAI_CUSTOM_HEADERS') ?? ''),
      options.defaultHeaders ?? {},
    ];
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#log = new Log(
      options.logLevel ?? (env('NOVAI_LOG') as LogLevel | undefined) ?? 'off',
      options.logger ?? console,
    );
  }

  /** This client with other options, for some of the calls. */
  withOptions(options: ClientOptions): this {
    return new (this.constructor as new (options: ClientOptions) => this)({ ...this.#options, ...options });
  }

  // What this package has no method for. Paths are those of the reference: `/v1/models`.
  get<T = unknown>(path: string, options?: RequestOptions): APIPromise<T> {
    return this.request<T>('GET', path, { anyForm: true, options });
  }
  post<T = unknown>(path: string, options?: RequestOptions): APIPromise<T> {
    return this.request<T>('POST', path, { anyForm: true, options });
  }
  put<T = unknown>(path: string, options?: RequestOptions): APIPromise<T> {
    return this.request<T>('PUT', path, { anyForm: true, options });
  }
  patch<T = unknown>(path: string, options?: RequestOptions): APIPromise<T> {
    return this.request<T>('PATCH', path, { anyForm: true, options });
  }
  delete<T = unknown>(path: string, options?: RequestOptions): APIPromise<T> {
    return this.request<T>('DELETE', path, { anyForm: true, options });
  }

  /** A whole answer: an object, unless the call takes any form. */
  request<T>(method: string, path: string, call: Call = {}): APIPromise<T> {
    const request = requestOf(method, path, 'application/json', call);
    return new APIPromise<T>(this.#send(request), (answer) => this.#whole<T>(request, answer));
  }

  /** The items of a stream as they arrive. */
  stream<T>(method: string, path: string, call: Call = {}): APIPromise<Stream<T>> {
    const request = requestOf(method, path, 'text/event-stream', call);
    const idle = call.options?.streamIdleTimeout ?? this.streamIdleTimeout;
    return new APIPromise(this.#send(request), async (answer) => {
      return { data: Stream.fromAnswer<T>(answer, idle), response: answer.response };
    });
  }

  /** One of a list's pages; the next one is the same call with another `after`. */
  page<Item, Body extends List<Item>>(path: string, nextAfter: NextAfter, call: Call = {}): PagePromise<Item, Body> {
    const request = requestOf('GET', path, 'application/json', call);
    const turn = (after: string) =>
      this.page<Item, Body>(path, nextAfter, {
        ...call,
        options: { ...call.options, query: { ...call.options?.query, after } }, // where a first `after` may be, too
      });
    return new PagePromise<Item, Body>(this.#send(request), async (answer) => {
      const { data, response } = await this.#whole<Body>(request, answer);
      return { data: new Page<Item>(data, nextAfter, turn) as Page<Item> & Body, response };
    });
  }

  /** An answer that is no JSON: its body is the caller's to read. */
  binary(method: string, path: string, call: Call = {}): Promise<Response> {
    const answer = this.#send(requestOf(method, path, '*/*', call));
    return new APIPromise(answer, async ({ response }) => ({ data: response, response })).asResponse();
  }

  async #send(request: Request, retries = 0): Promise<Answer> {
    for (; ; retries++) {
      try {
        return await this.#try(request, retries);
      } catch (error) {
        await this.#beforeNext(request, error, retries);
      }
    }
  }

  /** The answer with its body. One that breaks off is asked for again; its idempotency key makes it the same answer. */
  async #whole<T>(request: Request, answer: Answer): Promise<Read<T>> {
    for (;;) {
      try {
        return { data: await readWhole<T>(answer, request.anyForm), response: answer.response };
      } catch (error) {
        await this.#beforeNext(request, error, answer.retries);
      }
      answer = await this.#send(request, answer.retries + 1);
    }
  }

  /** Waits until the call may be tried again, and throws the error if it may not. */
  async #beforeNext({ method, path, body, options }: Request, error: unknown, retries: number): Promise<void> {
    if (retries >= (options.maxRetries ?? this.maxRetries) || !isRetried(error) || body instanceof ReadableStream)
      throw error;
    const wait = delayMs(retries, error instanceof APIStatusError ? error.headers : undefined);
    this.#log.outcome(`${method} ${path}: ${error.message}; again in ${Math.round(wait)} ms`);
    await pause(wait, options.signal);
  }

  async #try(request: Request, retries: number): Promise<Answer> {
    const { method, path, options } = request;
    const body = await request.body;
    const timeout = options.timeout ?? this.timeout;
    const url = urlOf(this.baseURL, path, { ...this.#options.defaultQuery, ...request.query });
    const headers = await this.#headersOf(request, retries, timeout);
    const attempt = new Attempt(options.signal, url.origin);
    try {
      attempt.expect(timeout);
      this.#log.sending(`${method} ${url}`, headers);
      const response = await this.#fetch(url, {
        ...this.#options.fetchOptions,
        ...options.fetchOptions,
        method,
        headers,
        signal: attempt.controller.signal,
        ...(body === undefined ? {} : { body }),
        ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
      });
      this.#log.outcome(`${method} ${path} ${response.status} ${response.headers.get('x-request-id') ?? ''}`);
      if (!response.ok) throw errorOf(response.status, response.headers, await response.text());
      return { response, attempt, retries };
    } catch (error) {
      attempt.close();
      throw attempt.errorOf(error);
    }
  }

  async #headersOf({ headers, options }: Request, retries: number, timeout: number): Promise<Headers> {
    const key = typeof this.#apiKey === 'string' ? this.#apiKey : await this.#apiKey();
    const ofTry: HeaderOptions = { authorization: bearer(key), 'x-novai-retry-count': String(retries) };
    if (Number.isFinite(timeout)) ofTry['x-novai-timeout'] = String(timeout / 1000);
    return headersOf([ofTry, headers, ...this.#headers, options.headers ?? {}]);
  }
}

function isRetried(error: unknown): error is APIError {
  if (error instanceof APIStatusError) return statusIsRetried(error.status, error.headers);
  return error instanceof APIConnectionError;
}

function platformHeaders(version: string): HeaderOptions {
  return {
    'user-agent': `novai-typescript/${version}`,
    'x-novai-lang': 'js',
    'x-novai-package-version': version,
    'x-novai-runtime': runtime(),
  };
}
