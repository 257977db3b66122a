// When a call is tried again, and after how long.
export const MAX_RETRIES = 2;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;
const LONGEST_WISH_MS = 120_000; // who is told to wait longer than this is told so by an error
const JITTER = 0.25;
const RETRIED = new Set([408, 409, 429]);

/** Whether the same call may fare better soon. `x-should-retry` overrides what the status says. */
export function statusIsRetried(status: number, headers: Headers): boolean {
  if ((retryAfterMs(headers) ?? 0) > LONGEST_WISH_MS) return false;
  const told = headers.get('x-should-retry');
  if (told === 'true' || told === 'false') return told === 'true';
  return RETRIED.has(status) || status >= 500;
}

/** What the server asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date. */
export function retryAfterMs(headers: Headers): number | null {
  const exact = Number.parseFloat(headers.get('retry-after-ms') ?? '');
  if (Number.isFinite(exact)) return exact;
  const told = headers.get('retry-after');
  if (told === null) return null;
  const seconds = Number(told);
  const wait = told.trim() !== '' && Number.isFinite(seconds) ? seconds * 1000 : Date.parse(told) - Date.now();
  return Number.isFinite(wait) ? wait : null;
}

/** The pause before try `retries + 1`: the server's wish, else doubling with jitter. */
export function delayMs(retries: number, headers: Headers | undefined, random = Math.random): number {
  const wish = headers ? retryAfterMs(headers) : null;
  if (wish !== null && wish >= 0 && wish <= LONGEST_WISH_MS) return wish;
  return Math.min(FIRST_DELAY_MS * 2 ** retries, LONGEST_DELAY_MS) * (1 - JITTER * random());
}
