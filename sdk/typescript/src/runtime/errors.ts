// The tree of errors. `errorOf` is the one door through which an answer of the server becomes one of them.
import { retryAfterMs } from './retries.js';

/** Every error that this package throws on purpose. */
export class NovAIError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

interface Told {
  type?: string;
  code?: string | null;
  param?: string | null;
  message?: string;
  details?: { error_code?: string | null; param?: string | null };
}

/** The `error` of a body, as OpenAI and Anthropic nest it; other servers and proxies have a text there, or none. */
function told(body: unknown): Told {
  const error = (body as { error?: Told | string } | null | undefined)?.error ?? {};
  return typeof error === 'string' ? { message: error } : error;
}

function reason(body: unknown): string {
  if (typeof body === 'string') return body || 'without a reason';
  return told(body).message ?? JSON.stringify(body) ?? 'without a reason';
}

/** A call that failed: before an answer, by its status, or in the middle of a stream. */
export class APIError extends NovAIError {
  readonly type: string | null;
  readonly code: string | null;
  /** The field at fault, as a path: `messages[0].content`. */
  readonly param: string | null;

  /** `body` is what the server sent: parsed where it was JSON. */
  constructor(
    message: string,
    readonly body?: unknown,
    options?: ErrorOptions,
  ) {
    super(message, options);
    const { type, code, param, details } = told(body);
    this.type = type ?? null;
    this.code = code ?? details?.error_code ?? null;
    this.param = param ?? details?.param ?? null;
  }
}

/** No answer, or one that broke off. */
export class APIConnectionError extends APIError {}
export class APITimeoutError extends APIConnectionError {}
/** The caller's own `signal`. */
export class APIUserAbortError extends APIError {}
/** The answer is whole, but not what was asked for: no JSON, or not of the schema. */
export class APIResponseValidationError extends APIError {}
/** `parse` met an answer that the limit of tokens cut. */
export class LengthFinishReasonError extends NovAIError {}
/** `parse` met an answer that the content filter ended. */
export class ContentFilterFinishReasonError extends NovAIError {}

export class APIStatusError extends APIError {
  constructor(
    readonly status: number,
    readonly headers: Headers,
    body: unknown,
  ) {
    super(`${status} ${reason(body)}`, body);
  }

  /** Quote it when something is unclear. */
  get requestId(): string | null {
    return this.headers.get('x-request-id');
  }

  /** Seconds after which a retry can help, where the server says so. */
  get retryAfter(): number | null {
    const wait = retryAfterMs(this.headers);
    return wait === null ? null : wait / 1000;
  }
}
export class BadRequestError extends APIStatusError {}
export class ContextLengthExceededError extends BadRequestError {}
export class AuthenticationError extends APIStatusError {}
export class PermissionDeniedError extends APIStatusError {}
export class NotFoundError extends APIStatusError {}
export class ConflictError extends APIStatusError {}
export class UnprocessableEntityError extends APIStatusError {}
export class RateLimitError extends APIStatusError {}
/** Credits or a budget do not cover the call: waiting does not help. Its status is 402 in Anthropic's form. */
export class InsufficientQuotaError extends RateLimitError {}
export class InternalServerError extends APIStatusError {}

/** By code, or type. */
const SPECIAL = new Map<string | null | undefined, typeof APIStatusError>([
  ['context_length_exceeded', ContextLengthExceededError],
  ['insufficient_quota', InsufficientQuotaError],
]);
const BY_STATUS: Record<number, typeof APIStatusError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  422: UnprocessableEntityError,
  429: RateLimitError,
};

export function errorOf(status: number, headers: Headers, text: string): APIStatusError {
  const body = jsonOr(text);
  const { code, details, type } = told(body);
  const special = [code, details?.error_code, type].map((each) => SPECIAL.get(each)).find(Boolean);
  const Kind = special ?? BY_STATUS[status] ?? (status >= 500 ? InternalServerError : APIStatusError);
  return new Kind(status, headers, body);
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
