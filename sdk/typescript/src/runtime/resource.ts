import type { APIClient } from './client.js';

/** Operations that belong together, `client.models` for one. */
export class Resource {
  constructor(protected readonly client: APIClient) {}
}
