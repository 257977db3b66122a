// What goes out: the parts of a request that stay the same over its tries.
import { randomId } from './environment.js';
import { NovAIError } from './errors.js';
import type { HeaderOptions, Query, RequestOptions } from './options.js';
import { formOf } from './uploads.js';

/** What a method of a resource was given. */
export interface Call {
  body?: object | undefined;
  query?: object | undefined;
  /** The body goes as a form. */
  form?: boolean;
  /** The answer may be text, or nothing. */
  anyForm?: boolean;
  options?: RequestOptions | undefined;
}

export interface Request {
  method: string;
  path: string;
  query: Query;
  headers: HeaderOptions;
  /** A form is put together while files are read. */
  body: BodyInit | undefined | Promise<FormData>;
  streamed: boolean;
  anyForm: boolean;
  options: RequestOptions;
}

export function requestOf(method: string, path: string, accept: string, call: Call): Request {
  const options = call.options ?? {};
  if (options.maxRetries !== undefined) checked(options.maxRetries);
  const body = encoded(call, options);
  const streamed = accept === 'text/event-stream';
  const headers: HeaderOptions = { accept };
  if (typeof body === 'string' && typeof options.body !== 'string') headers['content-type'] = 'application/json';
  // A server finishes what has a key even if its client leaves, so a stream only has one that was asked for.
  if (method === 'POST')
    headers['idempotency-key'] = options.idempotencyKey ?? (streamed ? null : `novai-${randomId()}`);
  const query = { ...call.query, ...options.query };
  return { method, path, query, headers, body, streamed, anyForm: call.anyForm ?? false, options };
}

function encoded({ body, form }: Call, { body: more }: RequestOptions): Request['body'] {
  if (more !== undefined && isBytes(more)) return more;
  if (body === undefined && more === undefined) return undefined;
  const fields = { ...body, ...more };
  return form ? formOf(fields) : JSON.stringify(fields);
}

const BYTES = [Blob, ArrayBuffer, FormData, URLSearchParams, ReadableStream];

function isBytes(body: object | BodyInit): body is BodyInit {
  return typeof body === 'string' || ArrayBuffer.isView(body) || BYTES.some((kind) => body instanceof kind);
}

/** A number of retries, if it is one. */
export function checked(maxRetries: number): number {
  if (Number.isInteger(maxRetries) && maxRetries >= 0) return maxRetries;
  throw new NovAIError(`maxRetries is ${maxRetries}: it must be a whole number, 0 for none`);
}

/** A path with its values in place; an empty one, or dots, would name another operation. */
export function pathOf(template: string, values: Record<string, string>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (!value || value === '.' || value === '..') throw new TypeError(`${name} must be an id or a name`);
    return encodeURIComponent(value);
  });
}

/** Lists repeat the name; what is undefined or null is left out. */
export function urlOf(baseURL: string, path: string, query: Query): URL {
  const url = new URL(baseURL.replace(/\/+$/, '').replace(/\/v1$/, '') + path);
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) url.searchParams.append(name, String(item));
    }
  }
  return url;
}

/** Later ones win; null takes a header away. */
export function headersOf(layers: HeaderOptions[]): Headers {
  const headers = new Headers();
  for (const layer of layers) {
    for (const [name, value] of Object.entries(layer)) {
      if (value === null) headers.delete(name);
      else if (value !== undefined) headers.set(name, value);
    }
  }
  return headers;
}

/** A key for a header, without the white space that files and clipboards have around it. */
export function bearer(apiKey: string): string {
  const key = apiKey.trim();
  if (!/^[\x20-\x7e]*$/.test(key)) {
    throw new NovAIError('The API key has characters that no key has, such as letters with accents: copy it again.');
  }
  return `Bearer ${key}`;
}

/** Lines `Name: value`. */
export function headerLines(text: string): HeaderOptions {
  const headers: HeaderOptions = {};
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers[line.slice(0, colon).trim()] = line.slice(colon + 1).trim();
  }
  return headers;
}
