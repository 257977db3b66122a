// One try of a call: what may end it early, and which error that is.
import { APIConnectionError, APIError, APITimeoutError, APIUserAbortError } from './errors.js';

const LONGEST_TIMER_MS = 2 ** 31 - 1; // timers take no more; what is longer, or Infinity, is no limit

/**
 * The caller's signal and the time left, as one controller. Whoever holds it closes it: until then it listens to the
 * caller's signal, which may live much longer than the call.
 */
export class Attempt {
  readonly controller = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expired = false;
  readonly #signal: AbortSignal | undefined;
  readonly #leave = (): void => this.controller.abort();

  /** `server`: for errors. */
  constructor(
    signal: AbortSignal | undefined,
    private readonly server = 'the server',
  ) {
    this.#signal = signal;
    if (signal?.aborted) this.#leave();
    else signal?.addEventListener('abort', this.#leave, { once: true });
  }

  /** From now on, something has to happen within so many milliseconds. */
  expect(ms: number): void {
    clearTimeout(this.#timer);
    if (ms > LONGEST_TIMER_MS) return;
    this.#timer = setTimeout(() => {
      this.#expired = true;
      this.controller.abort();
    }, ms);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#leave);
  }

  /** Whether the reader itself ended it, by the controller. */
  get left(): boolean {
    return this.controller.signal.aborted && !this.#expired && !this.#signal?.aborted;
  }

  errorOf(cause: unknown): APIError {
    if (cause instanceof APIError) return cause;
    if (this.#signal?.aborted) return new APIUserAbortError('The request was aborted.', undefined, { cause });
    if (this.#expired) return new APITimeoutError('The request timed out.', undefined, { cause });
    return new APIConnectionError(`Connection to ${this.server} failed: ${reason(cause)}`, undefined, { cause });
  }
}

/** `fetch failed` says little; its cause says why. */
function reason(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { message?: string; code?: string } };
  return [message ?? String(error), cause?.message || cause?.code].filter(Boolean).join(': ');
}

/** Resolves after `ms`; rejects as soon as the caller's signal says so. */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const attempt = new Attempt(signal);
    const end = (finish: () => void) => () => {
      clearTimeout(timer);
      attempt.close();
      finish();
    };
    const timer = setTimeout(end(resolve), ms);
    const abort = end(() => reject(attempt.errorOf(signal?.reason)));
    if (attempt.controller.signal.aborted) abort();
    else attempt.controller.signal.addEventListener('abort', abort, { once: true });
  });
}
