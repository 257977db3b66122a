// When a call is tried again, after how long, and what stays the same over its tries.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as novai from 'novai';
import { delayMs, retryAfterMs, statusIsRetried } from '../dist/esm/runtime/retries.js';
import { cut, drop, HELLO, json, refusal, serve, silence } from './fault_server.mjs';

const NOW = { 'retry-after-ms': '1' };
const headers = (fields) => new Headers(fields);

test('each status is retried or not', () => {
  const retried = [400, 401, 403, 404, 405, 408, 409, 413, 422, 429, 500, 502, 503, 504].filter((status) =>
    statusIsRetried(status, headers()),
  );
  assert.deepEqual(retried, [408, 409, 429, 500, 502, 503, 504]);
});

test('x-should-retry overrides the status', () => {
  assert.equal(statusIsRetried(400, headers({ 'x-should-retry': 'true' })), true);
  assert.equal(statusIsRetried(503, headers({ 'x-should-retry': 'false' })), false);
  assert.equal(statusIsRetried(503, headers({ 'x-should-retry': 'perhaps' })), true);
});

test('who is told to wait for longer than two minutes is told so', () => {
  assert.equal(statusIsRetried(429, headers({ 'retry-after': '120' })), true);
  assert.equal(statusIsRetried(429, headers({ 'retry-after': '121' })), false);
  assert.equal(statusIsRetried(429, headers({ 'retry-after': '121', 'x-should-retry': 'true' })), false);
  assert.equal(statusIsRetried(429, headers({ 'retry-after-ms': '120001' })), false);
  assert.equal(statusIsRetried(429, headers({ 'retry-after': 'soon' })), true);
});

test('pauses double from half a second up to eight, less a quarter at most', () => {
  const longest = [0, 1, 2, 3, 4, 5, 20].map((retries) => delayMs(retries, undefined, () => 0));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
  assert.equal(
    delayMs(1, undefined, () => 1),
    750,
  );
});

test('the pause that the server asks for, up to two minutes', () => {
  const asked = (fields) => delayMs(0, headers(fields), () => 0);
  assert.equal(asked({ 'retry-after-ms': '12.5', 'retry-after': '9' }), 12.5);
  assert.equal(asked({ 'retry-after': '0' }), 0);
  assert.equal(asked({ 'retry-after': '60' }), 60_000);
  assert.equal(asked({ 'retry-after': '120' }), 120_000);
  assert.equal(asked({ 'retry-after': '121' }), 500);
  assert.equal(asked({ 'retry-after': '-1' }), 500);
  assert.equal(asked({ 'retry-after': '' }), 500);
  assert.equal(asked({ 'retry-after': 'soon' }), 500);
  assert.equal(asked({ 'retry-after-ms': 'soon', 'retry-after': '2' }), 2000);
  const inTen = new Date(Date.now() + 10_000).toUTCString();
  const wait = retryAfterMs(headers({ 'retry-after': inTen }));
  assert.ok(wait > 8_000 && wait <= 10_000, `${wait}`);
});

for (const [name, fault] of Object.entries({
  'a dropped connection': drop,
  'half an answer': cut,
  'a 429 with retry-after-ms': refusal(429, {}, NOW),
  'a 429 with retry-after': refusal(429, {}, { 'retry-after': '0' }),
  'a 429 with a date': refusal(429, {}, { 'retry-after': new Date(0).toUTCString(), ...NOW }),
  'a 408': refusal(408, {}, NOW),
  'a 409': refusal(409, {}, NOW),
  'a 503': refusal(503, {}, NOW),
  'a 400 that says so': refusal(400, {}, { 'x-should-retry': 'true', ...NOW }),
  'an error that is no JSON': (answer) => answer.writeHead(502, NOW).end('<html>'),
})) {
  test(`after ${name} the call is tried again, as the same one`, async (t) => {
    const { client, requests } = await serve(t, fault, json({ ok: true }));
    assert.deepEqual(await client().chat.completions.create(HELLO), { ok: true });
    assert.deepEqual(
      requests.map((one) => one.headers['x-novai-retry-count']),
      ['0', '1'],
    );
    const [first, second] = requests;
    assert.equal(second.body, first.body);
    assert.match(first.headers['idempotency-key'], /^novai-[0-9a-f]{32}$/);
    assert.equal(second.headers['idempotency-key'], first.headers['idempotency-key']);
  });
}

test('what waiting does not help is not tried again', async (t) => {
  for (const fault of [refusal(400), refusal(401), refusal(404), refusal(429, {}, { 'x-should-retry': 'false' })]) {
    const { client, requests } = await serve(t, fault);
    await assert.rejects(client().chat.completions.create(HELLO), novai.APIStatusError);
    assert.equal(requests.length, 1);
  }
});

test('two more tries, or as many as were asked for', async (t) => {
  for (const [options, perCall, tries] of [
    [{}, {}, 3],
    [{ maxRetries: 0 }, {}, 1],
    [{}, { maxRetries: 1 }, 2],
    [{ maxRetries: 0 }, { maxRetries: 3 }, 4],
  ]) {
    const { client, requests } = await serve(t, refusal(503, {}, NOW));
    await assert.rejects(client(options).models.list(perCall), novai.InternalServerError);
    assert.equal(requests.length, tries);
  }
  assert.throws(() => new novai.NovAI({ apiKey: 'k', maxRetries: -1 }), novai.NovAIError);
  assert.throws(() => new novai.NovAI({ apiKey: 'k', maxRetries: 0.5 }), novai.NovAIError);
});

test('bodies that broke off count as tries', async (t) => {
  const { client, requests } = await serve(t, cut);
  await assert.rejects(client({ maxRetries: 1 }).models.retrieve('m'), novai.APIConnectionError);
  assert.equal(requests.length, 2);
});

test('a time that runs out is tried again, then told', async (t) => {
  const { client } = await serve(t, silence);
  let tries = 0;
  const counted = (...args) => (tries++, fetch(...args));
  await assert.rejects(
    client({ timeout: 30, maxRetries: 1, fetch: counted }).models.retrieve('m'),
    novai.APITimeoutError,
  );
  assert.equal(tries, 2);
});

test('the time runs until the end of the body', async (t) => {
  const { client } = await serve(t, (answer) => {
    answer.writeHead(200, { 'content-type': 'application/json' });
    answer.write('{');
  });
  await assert.rejects(client({ timeout: 50, maxRetries: 0 }).models.retrieve('m'), novai.APITimeoutError);
});

test('a body that can be read once is sent once', async (t) => {
  const { client, requests } = await serve(t, refusal(503, {}, NOW));
  const body = new Blob(['{}']).stream();
  await assert.rejects(client().post('/v1/x', { body }), novai.InternalServerError);
  assert.deepEqual(
    requests.map((one) => one.body),
    ['{}'],
  );
});

test('the caller chooses the idempotency key; streams have none of their own, GETs never', async (t) => {
  const { client, requests } = await serve(t, json({}));
  await client().chat.completions.create(HELLO, { idempotencyKey: 'mine' });
  await client()
    .chat.completions.create({ ...HELLO, stream: true })
    .asResponse();
  await client()
    .chat.completions.create({ ...HELLO, stream: true }, { idempotencyKey: 'mine' })
    .asResponse();
  await client().models.retrieve('m');
  assert.deepEqual(
    requests.map((one) => one.headers['idempotency-key']),
    ['mine', undefined, 'mine', undefined],
  );
});

test('the caller can end a call while it waits for the next try', async (t) => {
  const { client, requests } = await serve(t, refusal(503, {}, { 'retry-after': '50' }));
  const controller = new AbortController();
  const call = client().models.retrieve('m', { signal: controller.signal });
  while (!requests.length) await new Promise((resolve) => setTimeout(resolve, 5));
  await requests[0].left;
  controller.abort();
  await assert.rejects(call, novai.APIUserAbortError);
});
