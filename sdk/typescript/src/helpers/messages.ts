// What `client.messages` can do beside its operations.
import * as operations from '../generated/operations.js';
import type * as params from '../generated/params.js';
import { MessageStream } from '../runtime/message_stream.js';
import type { RequestOptions } from '../runtime/options.js';

export class Messages extends operations.Messages {
  /** A stream as events, with what has come so far put together. */
  stream(body: Omit<params.MessageRequest, 'stream'>, options?: RequestOptions): MessageStream {
    return new MessageStream(this.create({ ...body, stream: true }, options));
  }
}
