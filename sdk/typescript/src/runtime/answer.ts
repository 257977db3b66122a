import type { Attempt } from './attempt.js';
import { APIResponseValidationError } from './errors.js';

/** A response whose body nobody has read yet, and the attempt that brought it, still open. */
export interface Answer {
  response: Response;
  attempt: Attempt;
  retries: number;
}

/** The body of a whole answer: JSON where it says so, else text; nothing where there is none. Closes the attempt. */
export async function readWhole<T>({ response, attempt }: Answer): Promise<T> {
  try {
    const text = await response.text();
    if (!response.headers.get('content-type')?.includes('json')) return (text === '' ? undefined : text) as T;
    return withRequestId(parse<T>(text), response.headers.get('x-request-id'));
  } catch (error) {
    throw attempt.errorOf(error);
  } finally {
    attempt.close();
  }
}

function parse<T>(text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw new APIResponseValidationError('The answer is not JSON.', text, { cause });
  }
}

/** Beside the fields of the answer, but not one of them: it is not copied, printed or sent back. */
function withRequestId<T>(value: T, id: string | null): T {
  if (typeof value === 'object' && value !== null) Object.defineProperty(value, '_request_id', { value: id });
  return value;
}
