import { pause } from './attempt.js';
import { APITimeoutError } from './errors.js';

export interface PollOptions {
  /** Milliseconds between two looks. 5 000 when absent. */
  interval?: number | undefined;
  /** Milliseconds after which it throws APITimeoutError. No limit when absent. */
  maxWait?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** What `look` finds, once it is `over`. */
export async function poll<T>(look: () => Promise<T>, over: (found: T) => boolean, options: PollOptions): Promise<T> {
  const { interval = 5_000, maxWait = Infinity, signal } = options;
  const deadline = Date.now() + maxWait;
  for (;;) {
    const found = await look();
    if (over(found)) return found;
    const left = deadline - Date.now();
    if (left <= 0) throw new APITimeoutError(`It has not ended within ${maxWait} ms.`);
    await pause(Math.min(interval, left), signal);
  }
}
