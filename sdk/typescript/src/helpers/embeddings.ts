// What `client.embeddings` does beside its operation.
import * as operations from '../generated/operations.js';
import type * as params from '../generated/params.js';
import type * as types from '../generated/types.js';
import type { APIPromise } from '../runtime/api_promise.js';
import type { RequestOptions } from '../runtime/options.js';

export class Embeddings extends operations.Embeddings {
  /** Vectors travel as base64, a third of their JSON, and arrive as numbers, unless `encoding_format` is given. */
  override create(body: params.EmbeddingRequest, options?: RequestOptions): APIPromise<types.EmbeddingResponse> {
    if (body.encoding_format !== undefined) return super.create(body, options);
    return super.create({ ...body, encoding_format: 'base64' }, options).map(unpacked);
  }
}

function unpacked(answer: types.EmbeddingResponse): types.EmbeddingResponse {
  for (const each of answer.data) {
    if (typeof each.embedding === 'string') each.embedding = floats(each.embedding);
  }
  return answer;
}

/** Of base64: float32, little-endian. */
function floats(packed: string): number[] {
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, index) => view.getFloat32(index * 4, true));
}
