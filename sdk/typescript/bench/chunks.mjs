// Chunks a second that this package and the official `openai` read from the same stream, in turns; one line of JSON.
// Needs tests/clients installed (`make test-clients`), and the Node that it brings.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import NovAI from 'novai';

const CHUNKS = 60_000; // in one stream
const ROUNDS = 5; // the best of which counts
const PIECE = 16_384; // bytes of one write, as a fast server's
const ASK = { model: 'm', messages: [{ role: 'user', content: 'x' }], stream: true };

if (process.send) await answer();
else console.log(JSON.stringify(await measure()));

/** The server, in a process of its own. */
async function answer() {
  const chunk = (n) => ({
    id: 'chatcmpl-0123456789abcdef',
    object: 'chat.completion.chunk',
    created: 1_800_000_000,
    model: 'm',
    service_tier: 'default',
    system_fingerprint: null,
    choices: [{ index: 0, delta: { content: ` wörd${n % 10}` }, logprobs: null, finish_reason: null }],
  });
  const events = Array.from({ length: CHUNKS }, (_, n) => `data: ${JSON.stringify(chunk(n))}\n\n`);
  const bytes = Buffer.from(`${events.join('')}data: [DONE]\n\n`);
  const server = createServer(async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let at = 0; at < bytes.length; at += PIECE) {
      if (!response.write(bytes.subarray(at, at + PIECE))) await once(response, 'drain');
    }
    response.end();
  });
  server.listen(0, '127.0.0.1', () => process.send(server.address().port));
}

async function measure() {
  const { default: OpenAI } = await import('../../../tests/clients/node_modules/openai/index.mjs');
  const server = fork(fileURLToPath(import.meta.url));
  const [port] = await once(server, 'message');
  const options = { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'k' };
  const clients = { novai: new NovAI(options), openai: new OpenAI(options) };
  const best = { novai: 0, openai: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, client] of Object.entries(clients)) best[name] = Math.max(best[name], await rate(client));
  }
  server.kill();
  const { novai, openai } = best;
  return {
    bench: 'sdk_typescript_chunks',
    node: process.version,
    novai_chunks_per_s: novai,
    openai_chunks_per_s: openai,
    ratio: round2(novai / openai),
  };
}

async function rate(client) {
  const began = performance.now();
  let seen = 0;
  for await (const { choices } of await client.chat.completions.create(ASK)) seen += choices.length;
  if (seen !== CHUNKS) throw new Error(`${seen} of ${CHUNKS} chunks`);
  return Math.round((seen / (performance.now() - began)) * 1000);
}

function round2(number) {
  return Math.round(number * 100) / 100;
}
