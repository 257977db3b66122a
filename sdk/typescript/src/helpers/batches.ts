// What `client.batches` can do beside its operations.
import * as operations from '../generated/operations.js';
import type * as types from '../generated/types.js';
import { NovAIError } from '../runtime/errors.js';
import type { RequestOptions } from '../runtime/options.js';
import { type PollOptions, poll } from '../runtime/polling.js';
import { pathOf } from '../runtime/request.js';
import { jsonLines } from '../runtime/streaming.js';

const OVER: ReadonlySet<types.BatchStatus> = new Set(['completed', 'failed', 'expired', 'cancelled'] as const);

/** A line of what came of a batch. `Body` is what its endpoint answers. */
export interface BatchResult<Body = unknown> {
  id: string;
  custom_id: string;
  /** Null where the line did not run. */
  response: { status_code: number; request_id: string; body: Body } | null;
  /** Why it did not. */
  error: { code: string; message: string } | null;
}

export class Batches extends operations.Batches {
  /** The batch, when it is over, whatever came of it. */
  wait(batch_id: string, options: RequestOptions & PollOptions = {}): Promise<types.Batch> {
    return poll(
      async () => await this.retrieve(batch_id, options),
      ({ status }) => OVER.has(status),
      options,
    );
  }

  /** The lines that were answered, then those that failed or did not run, in no certain order: go by `custom_id`. */
  async *results<Body = unknown>(batch_id: string, options?: RequestOptions): AsyncGenerator<BatchResult<Body>> {
    const { status, output_file_id, error_file_id } = await this.retrieve(batch_id, options);
    if (!OVER.has(status)) throw new NovAIError(`The batch is ${status}: wait() for its end first.`);
    for (const file_id of [output_file_id, error_file_id]) {
      if (file_id === null) continue;
      const path = pathOf('/v1/files/{file_id}/content', { file_id });
      yield* jsonLines<BatchResult<Body>>(await this.client.binary('GET', path, { options }));
    }
  }
}
