// What `client.files` can do beside its operations.
import * as operations from '../generated/operations.js';
import type * as types from '../generated/types.js';
import { poll } from '../runtime/polling.js';

const OVER: ReadonlySet<types.File['status']> = new Set(['processed', 'error'] as const);
const MAX_WAIT_MS = 1_800_000;

export class Files extends operations.Files {
  /** The file, when it can be used or has failed; here that is at once. Times are in milliseconds. */
  waitForProcessing(
    file_id: string,
    { pollInterval, maxWait = MAX_WAIT_MS }: { pollInterval?: number; maxWait?: number } = {},
  ): Promise<types.File> {
    const over = ({ status }: types.File) => OVER.has(status);
    return poll(async () => await this.retrieve(file_id), over, { interval: pollInterval, maxWait });
  }
}
