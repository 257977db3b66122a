// An operation that is added to the spec is in the package by generating it, and by nothing else.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chunk, collect, DONE, event, json, serve, stream } from './fault_server.mjs';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const ROOT = join(HERE, '../..');
const PYTHON = process.env.PYTHON ?? join(ROOT, '.venv/bin/python');
const ADDED = `
  /v1/poems/{poem_id}/verses:
    post:
      operationId: createVerse
      tags: [Chat]
      summary: Add a verse
      x-novai-resource: poems.verses
      x-novai-method: create_one
      x-novai-stream-item: ChatCompletionChunk
      parameters:
        - {name: poem_id, in: path, required: true, schema: {type: string}}
      requestBody:
        required: true
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Verse"}
      responses:
        "200":
          description: It.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/ChatCompletion"}
            text/event-stream:
              schema: {$ref: "#/components/schemas/ChatCompletionEvent"}
    get:
      operationId: listVerses
      tags: [Chat]
      summary: List verses
      x-novai-resource: poems.verses
      x-novai-method: list
      x-novai-page: last_id
      parameters:
        - {name: poem_id, in: path, required: true, schema: {type: string}}
        - {name: limit, in: query, schema: {type: integer}}
        - {name: after, in: query, schema: {type: string}}
      responses:
        "200":
          description: They.
          content:
            application/json:
              schema: {$ref: "#/components/schemas/ModelList"}
`;
const SCHEMA = `
    Verse:
      type: object
      additionalProperties: true
      required: [mood]
      properties:
        mood: {type: string, enum: [glad, sad]}
        stream: {type: boolean, x-novai-stream-flag: true}
`;
const USE = `
import NovAI, { type ChatCompletion, type ChatCompletionChunk, type Stream } from './index.js';
const { poems } = new NovAI();
export const whole: Promise<ChatCompletion> = poems.verses.createOne('p', { mood: 'glad', more: 1 });
export const streamed: Promise<Stream<ChatCompletionChunk>> = poems.verses.createOne('p', { mood: 'sad', stream: true });
// @ts-expect-error a mood that there is not
poems.verses.createOne('p', { mood: 'mad' });
`;

test('an operation that is added to the spec is in the package', { timeout: 180_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'novai-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const spec = readFileSync(join(ROOT, 'openapi/spec.yaml'), 'utf8');
  writeFileSync(
    join(folder, 'spec.yaml'),
    spec.replace('\npaths:\n', `\npaths:${ADDED}`).replace('\n  schemas:\n', `\n  schemas:${SCHEMA}`),
  );
  for (const name of ['src', 'package.json', 'tsconfig.json'])
    cpSync(join(HERE, name), join(folder, name), { recursive: true });
  rmSync(join(folder, 'src/generated'), { recursive: true });
  symlinkSync(join(HERE, 'node_modules'), join(folder, 'node_modules'));
  const run = (command, ...args) =>
    execFileSync(command, args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'] });
  run(PYTHON, join(ROOT, 'openapi/codegen/sdk.py'), 'typescript', 'spec.yaml', '.');
  writeFileSync(join(folder, 'src/use.ts'), USE);
  run(process.execPath, join(HERE, 'node_modules/typescript/bin/tsc'), '-p', '.');

  const { baseURL, requests } = await serve(
    t,
    json({ ok: true }),
    stream([event(chunk({ content: 'o' })), DONE]),
    json({ data: [{ id: 'v' }] }),
  );
  const { NovAI } = await import(pathToFileURL(join(folder, 'dist/esm/index.js')));
  const { poems } = new NovAI({ baseURL, apiKey: 'k' });
  assert.deepEqual(await poems.verses.createOne('a b', { mood: 'glad' }), { ok: true });
  const [first] = await collect(await poems.verses.createOne('p', { mood: 'sad', stream: true }));
  assert.equal(first.choices[0].delta.content, 'o');
  assert.deepEqual(await collect(poems.verses.list('p', { limit: 1 })), [{ id: 'v' }]);
  assert.deepEqual(
    requests.map(({ method, url }) => `${method} ${url}`),
    ['POST /v1/poems/a%20b/verses', 'POST /v1/poems/p/verses', 'GET /v1/poems/p/verses?limit=1'],
  );
  assert.match(readFileSync(join(folder, 'api.md'), 'utf8'), /client\.poems\.verses/);
});

test('generating again changes nothing', { timeout: 180_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'novai-'));
  t.after(() => rmSync(folder, { recursive: true }));
  cpSync(join(HERE, 'src/helpers'), join(folder, 'src/helpers'), { recursive: true });
  execFileSync(PYTHON, [join(ROOT, 'openapi/codegen/sdk.py'), 'typescript', join(ROOT, 'openapi/spec.yaml'), folder]);
  for (const name of [
    'api.md',
    ...['client', 'operations', 'params', 'types'].map((part) => `src/generated/${part}.ts`),
  ]) {
    assert.equal(readFileSync(join(folder, name), 'utf8'), readFileSync(join(HERE, name), 'utf8'), name);
  }
});
