import type { Attempt } from './attempt.js';
import { APIResponseValidationError } from './errors.js';

/** A response whose body nobody has read yet, and the attempt that brought it, still open. */
export interface Answer {
  response: Response;
  attempt: Attempt;
  retries: number;
}

/**
 * The body of a whole answer, which is an object of JSON; in any form: JSON where it says so, else text, and nothing
 * where there is none. Closes the attempt.
 */
export async function readWhole<T>({ response, attempt }: Answer, anyForm: boolean): Promise<T> {
  try {
    const text = await response.text();
    const isJSON = response.headers.get('content-type')?.includes('json');
    if (anyForm && !isJSON) return (text === '' ? undefined : text) as T;
    const value = parse<T>(text);
    if (!anyForm && !isObject(value)) throw new APIResponseValidationError('The answer is not an object.', value);
    return withRequestId(value, response.headers.get('x-request-id'));
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

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Beside the fields of the answer, but not one of them: it is not copied, printed or sent back. */
function withRequestId<T>(value: T, id: string | null): T {
  if (typeof value === 'object' && value !== null) Object.defineProperty(value, '_request_id', { value: id });
  return value;
}
