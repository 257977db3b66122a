// A server that answers as a test says: each request takes the next of the answers, the last one for ever.
import { once } from 'node:events';
import { createServer } from 'node:http';
import NovAI from 'novai';

/** Closed by the test `t`. `requests` is what came: method, url, headers, body, and whether its client left. */
export async function serve(t, ...answers) {
  const requests = [];
  const server = createServer(async (incoming, outgoing) => {
    const seen = {
      method: incoming.method,
      url: incoming.url,
      headers: incoming.headers,
      body: '',
      left: once(outgoing, 'close'),
    };
    requests.push(seen);
    for await (const piece of incoming) seen.body += piece;
    await (answers.length > 1 ? answers.shift() : answers[0])(outgoing, seen);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
  return { baseURL, requests, client: (options) => new NovAI({ baseURL, apiKey: 'sk-test', ...options }) };
}

export const json =
  (body, status = 200, headers = {}) =>
  (answer) => {
    answer.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_1', ...headers });
    answer.end(typeof body === 'string' ? body : JSON.stringify(body));
  };

export const refusal = (status, error = {}, headers = {}) =>
  json({ error: { message: 'no', type: 't', param: null, code: null, ...error } }, status, headers);

/** The connection ends without an answer. */
export const drop = (answer) => answer.destroy();

/** Half of an answer, and the connection ends. */
export const cut = (answer) => {
  answer.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
  answer.write('{"id":', () => answer.destroy());
};

/** Never an answer. */
export const silence = () => {};

/** A stream of these pieces. A function among them is awaited; without `end` it stays open. */
export const stream =
  (pieces, { end = true } = {}) =>
  async (answer) => {
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) {
      if (typeof piece === 'function') await piece(answer);
      else answer.write(piece);
    }
    if (end) answer.end();
  };

export const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
export const DONE = 'data: [DONE]\n\n';

export const chunk = (delta, finish_reason = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  service_tier: 'default',
  system_fingerprint: null,
  choices: [{ index: 0, delta, logprobs: null, finish_reason }],
});

export const HELLO = { model: 'm', messages: [{ role: 'user', content: 'hello' }] };

export async function collect(items) {
  const found = [];
  for await (const item of items) found.push(item);
  return found;
}
