// The same program on every runtime: on what the web has and nothing else, on Node, and on Deno and Bun where they are.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createContext, runInContext } from 'node:vm';
import { bundled } from './everywhere.mjs';
import { chunk, DONE, event, json, refusal, serve, silence, stream } from './fault_server.mjs';

const { NOVAI_BASE_URL: LIVE, NOVAI_API_KEY } = process.env;
const PROGRAM = (baseURL) => `
import { APITimeoutError, APIUserAbortError, NovAI, toFile } from 'novai';
const client = new NovAI({ baseURL: '${baseURL}', apiKey: 'k' });
const ask = { model: 'm', messages: [], stream: true };
const ids = [];
for await (const { id } of client.models.list()) ids.push(id);
const said = [];
for await (const { choices } of await client.chat.completions.create(ask)) said.push(choices[0].delta.content);
for await (const _ of await client.chat.completions.create(ask)) break;
const late = await client.models.list({ timeout: 20, maxRetries: 0 }).catch((error) => error instanceof APITimeoutError);
const left = await client.models.list({ signal: AbortSignal.abort() }).catch((error) => error instanceof APIUserAbortError);
const { size } = await toFile('four', 'name');
console.log(JSON.stringify({ ids, said: said.join(''), late, left, size }));
`;
const EXPECTED = { ids: ['m'], said: 'Hello, wörld 👋', late: true, left: true, size: 4 };
const WEB = [
  'AbortController',
  'AbortSignal',
  'Blob',
  'File',
  'FormData',
  'Headers',
  'ReadableStream',
  'Response',
  'TextDecoder',
  'TextEncoder',
  'URL',
  'URLSearchParams',
  'clearTimeout',
  'crypto',
  'fetch',
  'setTimeout',
];
const WORDS = ['Hello, ', 'wörld 👋'].map((content) => event(chunk({ content })));

const answers = (t) =>
  serve(
    t,
    refusal(503, {}, { 'retry-after-ms': '1' }),
    json({ data: [{ id: 'm' }] }),
    stream([...WORDS, DONE]),
    stream(WORDS, { end: false }),
    silence,
  );

const RUNTIMES = { node: ['--input-type=module', '-e'], deno: ['eval'], bun: ['-e'] };

for (const [name, options] of Object.entries(RUNTIMES)) {
  test(name, { skip: !exists(name) && 'not installed' }, async (t) => {
    const { baseURL, requests } = await answers(t);
    const { stdout } = await promisify(execFile)(name, [...options, await bundled('', PROGRAM(baseURL))]);
    assert.deepEqual(JSON.parse(stdout), EXPECTED);
    await requests[3].left;
    assert.match(requests[0].headers['x-novai-runtime'], new RegExp(`^${name}/\\d`));
  });
}

for (const [name, options] of Object.entries(RUNTIMES)) {
  const skip = (!LIVE && 'no NOVAI_BASE_URL') || (!exists(name) && 'not installed');
  test(`${name}, with a NovAI`, { skip }, async () => {
    const given = JSON.stringify({ baseURL: LIVE, apiKey: NOVAI_API_KEY });
    const program = await bundled(`console.log(JSON.stringify(await everywhere(${given})));`);
    const { stdout } = await promisify(execFile)(name, [...options, program]);
    assert.deepEqual(JSON.parse(stdout), []);
  });
}

test('what the web has', async (t) => {
  const { baseURL, requests } = await answers(t);
  const program = `(async () => { ${await bundled('', PROGRAM(baseURL))} })()`;
  const printed = [];
  const globals = Object.fromEntries(WEB.map((name) => [name, globalThis[name]]));
  await runInContext(
    program,
    createContext({ ...globals, console: { log: (line) => printed.push(JSON.parse(line)) } }),
  );
  assert.deepEqual(printed, [EXPECTED]);
  await requests[3].left;
  assert.equal(requests[0].headers['x-novai-runtime'], 'browser');
});

function exists(program) {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
