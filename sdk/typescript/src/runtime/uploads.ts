// Bodies that are not JSON.
import { NovAIError } from './errors.js';

/** What a file can be made from. Streams of `node:fs` are async iterables. */
export type FileSource = Blob | ArrayBuffer | Uint8Array | string | Response | AsyncIterable<Uint8Array | string>;

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
export function formOf(body: object): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(body)) append(form, name, value);
  return form;
}

function append(form: FormData, name: string, value: unknown): void {
  if (value === undefined || value === null) return;
  if (value instanceof Blob) form.append(name, value);
  else if (Array.isArray(value)) for (const item of value) append(form, `${name}[]`, item);
  else if (typeof value === 'object')
    for (const [key, item] of Object.entries(value)) append(form, `${name}[${key}]`, item);
  else if (typeof value === 'function') throw new NovAIError(`${name} cannot be sent in a form`);
  else form.append(name, String(value));
}
