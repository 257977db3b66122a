// Schemas of zod and others, as far as answers and tools need them. No library is imported for it.
import type { ResponseFormatJsonSchema } from '../generated/params.js';
import { APIResponseValidationError, NovAIError } from './errors.js';

type JSONSchema = Record<string, unknown>;
type Validated<T> = { readonly value: T; readonly issues?: undefined } | { readonly issues: ReadonlyArray<Issue> };
interface Issue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/**
 * What zod, valibot, arktype and others implement (https://standardschema.dev), if it can also say itself as a JSON
 * Schema: by `~standard.jsonSchema`, or by a method `toJSONSchema`.
 */
export interface Schema<T = unknown> {
  readonly '~standard': {
    readonly version: 1;
    readonly validate: (value: unknown) => Validated<T> | Promise<Validated<T>>;
    readonly types?: { readonly input: unknown; readonly output: T } | undefined;
    readonly jsonSchema?: { readonly input: (options: { readonly target: 'draft-2020-12' }) => JSONSchema } | undefined;
  };
  readonly toJSONSchema?: unknown;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

export function isSchema(format: unknown): format is Schema {
  return typeof format === 'object' && format !== null && '~standard' in format;
}

/** `response_format` for a schema. `parse` and `stream` take the schema itself; a name helps some models. */
export function responseFormat(schema: Schema, name = 'answer'): ResponseFormatJsonSchema {
  return { type: 'json_schema', json_schema: { name, schema: jsonSchema(schema), strict: true } };
}

/** The JSON Schema of what `schema` accepts; its objects have no properties but those it names. */
export function jsonSchema(schema: Schema): JSONSchema {
  const { jsonSchema } = schema['~standard'];
  if (jsonSchema) return closed(jsonSchema.input({ target: 'draft-2020-12' }));
  if (typeof schema.toJSONSchema === 'function') return closed(schema.toJSONSchema() as JSONSchema);
  throw new NovAIError(
    'This schema cannot say itself as a JSON Schema; give `response_format` one, and call `create`.',
  );
}

function closed<T>(node: T): T {
  if (Array.isArray(node)) return node.map(closed) as T;
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  return (copy.type === 'object' && copy.properties ? { additionalProperties: false, ...copy } : copy) as T;
}

/** JSON text as what the schema makes of it. Throws APIResponseValidationError. */
export async function parseText<T>(schema: Schema<T>, text: string): Promise<T> {
  const result = await schema['~standard'].validate(json(text));
  if (!result.issues) return result.value;
  throw new APIResponseValidationError(
    `The answer does not match the schema: ${result.issues.map(told).join('; ')}`,
    text,
  );
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new APIResponseValidationError('The answer is not JSON.', text, { cause });
  }
}

function told({ message, path = [] }: Issue): string {
  const place = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return place ? `${place}: ${message}` : message;
}
