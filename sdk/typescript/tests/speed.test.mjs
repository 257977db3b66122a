// A gigabyte in little memory, and no slower than the official SDK.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chunk, DONE, event, serve } from './fault_server.mjs';

const GIGABYTE = 2 ** 30;
const EVENT = event(chunk({ content: 'x'.repeat(2_000) }));
const BLOCK = EVENT.repeat(32);
const MOST_GROWTH_BYTES = 64 * 2 ** 20;
const OFFICIAL = new URL('../../../tests/clients/node_modules/openai', import.meta.url);

// Reads a stream; says how many chunks it had, and by how much the process grew after its first tenth.
const READER = `
import NovAI from 'novai';
const [baseURL, expected] = process.argv.slice(-2);
const ask = { model: 'm', messages: [], stream: true };
let seen = 0, early;
for await (const chunk of await new NovAI({ baseURL, apiKey: 'k' }).chat.completions.create(ask)) {
  if (++seen === Math.floor(expected / 10)) early = process.memoryUsage.rss();
}
console.log(JSON.stringify({ seen, growth: process.memoryUsage.rss() - early }));
`;

test('a stream of a gigabyte takes no more memory than a tenth of it', { timeout: 300_000 }, async (t) => {
  const blocks = Math.ceil(GIGABYTE / BLOCK.length);
  const { baseURL } = await serve(t, async (answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let n = 0; n < blocks; n++) if (!answer.write(BLOCK)) await once(answer, 'drain');
    answer.end(DONE);
  });
  const chunks = blocks * 32;
  const options = ['--max-old-space-size=48', '--input-type=module', '-e', READER, '--', baseURL, String(chunks)];
  const { stdout } = await promisify(execFile)(process.execPath, options, {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  });
  const { seen, growth } = JSON.parse(stdout);
  t.diagnostic(`${growth} bytes more`);
  assert.equal(seen, chunks);
  assert.ok(growth < MOST_GROWTH_BYTES, `${growth}`);
});

test(
  'chunks come as fast as with the official SDK',
  { timeout: 300_000, skip: !existsSync(OFFICIAL) && 'tests/clients is not installed' },
  (t) => {
    const line = execFileSync(process.execPath, [fileURLToPath(new URL('../bench/chunks.mjs', import.meta.url))], {
      encoding: 'utf8',
    });
    t.diagnostic(line.trim());
    assert.ok(JSON.parse(line).ratio >= 1, line);
  },
);
