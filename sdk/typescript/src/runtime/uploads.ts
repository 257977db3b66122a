// Bodies that are not JSON.
import { NovAIError } from './errors.js';

/** What a file can be made from. Streams of `node:fs` are async iterables. */
export type FileSource = Blob | ArrayBuffer | Uint8Array | string | Response | AsyncIterable<Uint8Array | string>;

/** What a field that is a file takes: streams of `node:fs` tell its name. */
export type Uploadable = Blob | Response | AsyncIterable<Uint8Array | string>;

/** A `File` for the fields of requests that take one. */
export async function toFile(source: FileSource, name: string, options?: FilePropertyBag): Promise<File> {
  return new File(await parts(source), name, options);
}

async function parts(source: FileSource): Promise<BlobPart[]> {
  if (source instanceof Response) return [await source.blob()];
  if (typeof source === 'string' || source instanceof Blob || !(Symbol.asyncIterator in source))
    return [source as BlobPart];
  const pieces: BlobPart[] = [];
  for await (const piece of source) pieces.push(piece as BlobPart);
  return pieces;
}

/** A form of the fields that are given; objects within go by `name[key]`, and lists repeat `name[]`. */
export async function formOf(body: object): Promise<FormData> {
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) await append(form, name, value);
  if ([...form.values()].some((value) => value instanceof Blob)) return form;
  throw new NovAIError('No field is a file: give a File, a Response, a stream, or what toFile() makes of the rest.');
}

async function append(form: FormData, name: string, value: unknown): Promise<void> {
  if (value === undefined || value === null) return;
  if (value instanceof Blob) form.append(name, value);
  else if (isUploadable(value)) form.append(name, await toFile(value, fileName(value)));
  else if (Array.isArray(value)) for (const item of value) await append(form, `${name}[]`, item);
  else if (typeof value === 'object')
    for (const [key, item] of Object.entries(value)) await append(form, `${name}[${key}]`, item);
  else if (typeof value === 'function') throw new NovAIError(`${name} cannot be sent in a form`);
  else form.append(name, String(value));
}

function isUploadable(value: unknown): value is Uploadable {
  return value instanceof Response || (typeof value === 'object' && value !== null && Symbol.asyncIterator in value);
}

/** The last part of a stream's path or a response's address. */
function fileName(value: Uploadable & { path?: unknown; url?: string }): string {
  const place = String(value.path ?? value.url ?? '').split(/[?#]/)[0] ?? '';
  return place.split(/[\\/]/).pop() || 'upload';
}
