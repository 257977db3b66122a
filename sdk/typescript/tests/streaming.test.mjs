// Streams as bytes: cut anywhere, broken off, too slow, left early.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  APIConnectionError,
  APIError,
  APIResponseValidationError,
  APITimeoutError,
  APIUserAbortError,
  NovAIError,
  Stream,
} from 'novai';
import { SSEDecoder } from '../dist/esm/runtime/sse.js';
import { chunk, collect, DONE, drop, event, HELLO, refusal, serve, stream } from './fault_server.mjs';

const GOLDEN = new URL('../../../tests/sdk/golden/', import.meta.url);
const STREAMED = { ...HELLO, stream: true };
const WORDS = ['Hello, ', 'wörld ', '👋'].map((content) => event(chunk({ content })));
const text = (chunks) => chunks.map((one) => one.choices[0].delta.content).join('');

function decoded(...pieces) {
  const decoder = new SSEDecoder();
  return pieces.flatMap((piece) => decoder.push(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece));
}

for (const name of readdirSync(GOLDEN)) {
  test(`${name} is the same wherever it is cut`, () => {
    const bytes = readFileSync(new URL(name, GOLDEN));
    const whole = decoded(bytes);
    assert.ok(whole.length > 2);
    for (const { data } of whole) if (data !== '[DONE]') JSON.parse(data);
    for (let at = 0; at <= bytes.length; at++) {
      assert.deepEqual(decoded(bytes.subarray(0, at), bytes.subarray(at)), whole);
    }
    assert.deepEqual(decoded(...Array.from(bytes, (byte) => Uint8Array.of(byte))), whole);
  });
}

test('lines end with LF, CR or CRLF, wherever they are cut', () => {
  const expected = [
    { event: null, data: 'a\nb' },
    { event: 'x', data: 'ü' },
  ];
  for (const end of ['\n', '\r', '\r\n']) {
    const lines = [
      '\uFEFF: alive',
      'data: a',
      'data:b',
      '',
      '',
      'event: x',
      'data: ü',
      'id: 1',
      'retry: 5',
      'other',
      '',
      '',
    ];
    const bytes = new TextEncoder().encode(lines.join(end));
    for (let at = 0; at <= bytes.length; at++) {
      assert.deepEqual(decoded(bytes.subarray(0, at), bytes.subarray(at)), expected, `${JSON.stringify(end)} at ${at}`);
    }
  }
});

test('events without data are none, and an event without its end is none', () => {
  assert.deepEqual(decoded('event: ping\n\n: x\n\nretry: 1\n\ndata: 1\n\ndata: 2'), [{ event: null, data: '1' }]);
});

test('one event may be as long as it likes', () => {
  const decoder = new SSEDecoder();
  const piece = new Uint8Array(65_536).fill(97);
  decoder.push(new TextEncoder().encode('data: '));
  for (let n = 0; n < 512; n++) assert.deepEqual(decoder.push(piece), []);
  const [{ data }] = decoder.push(new TextEncoder().encode('\n\n'));
  assert.equal(data.length, 512 * 65_536);
});

test('chunks come one by one, while the stream is open', async (t) => {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  const { client, requests } = await serve(t, stream([WORDS[0], () => released, WORDS[1], DONE]));
  const items = (await client().chat.completions.create(STREAMED))[Symbol.asyncIterator]();
  assert.equal(text([(await items.next()).value]), 'Hello, ');
  release();
  assert.equal(text([(await items.next()).value]), 'wörld ');
  assert.equal((await items.next()).done, true);
  assert.equal(requests[0].headers.accept, 'text/event-stream');
});

test('comments are no items, and what follows [DONE] is not read', async (t) => {
  const { client } = await serve(t, stream([': keepalive\n\n', ...WORDS, DONE, 'data: not JSON\n\n']));
  assert.equal(text(await collect(await client().chat.completions.create(STREAMED))), 'Hello, wörld 👋');
});

test("Anthropic's streams end with message_stop", async (t) => {
  const { client } = await serve(t, stream(['event: message_stop\ndata: {"type": "message_stop"}\n\n']));
  const items = await collect(await client().messages.create({ ...STREAMED, max_tokens: 1 }));
  assert.deepEqual(items, [{ type: 'message_stop' }]);
});

test('a stream that breaks off, or ends before its end, is an error after its items', async (t) => {
  for (const end of [[], [(answer) => new Promise((resolve) => answer.write(' ', () => resolve(drop(answer))))]]) {
    const { client, requests } = await serve(t, stream([WORDS[0], ...end]));
    const items = [];
    await assert.rejects(async () => {
      for await (const item of await client().chat.completions.create(STREAMED)) items.push(item);
    }, APIConnectionError);
    assert.equal(text(items), 'Hello, ');
    assert.equal(requests.length, 1); // what was begun is not begun again
  }
});

test('an error within a stream', async (t) => {
  const { client } = await serve(
    t,
    stream([WORDS[0], event({ error: { message: 'bröken', type: 'server_error', code: 'upstream_error' } })]),
  );
  await assert.rejects(client().chat.completions.create(STREAMED).then(collect), (error) => {
    assert.ok(error instanceof APIError);
    assert.deepEqual([error.message, error.type, error.code], ['bröken', 'server_error', 'upstream_error']);
    return true;
  });
});

test('an event that is no JSON', async (t) => {
  const { client } = await serve(t, stream(['data: {\n\n']));
  await assert.rejects(client().chat.completions.create(STREAMED).then(collect), APIResponseValidationError);
});

test('before its first byte a stream is tried again', async (t) => {
  const { client, requests } = await serve(
    t,
    drop,
    refusal(503, {}, { 'retry-after-ms': '1' }),
    stream([...WORDS, DONE]),
  );
  assert.equal(text(await collect(await client().chat.completions.create(STREAMED))), 'Hello, wörld 👋');
  assert.equal(requests.length, 3);
});

test('silence ends a stream, keep-alives are no silence, and the timeout is of its head', async (t) => {
  const slowly = Array.from({ length: 10 }, () => [
    () => new Promise((resolve) => setTimeout(resolve, 200)),
    ': alive\n\n',
  ]).flat();
  const { client } = await serve(t, stream([...slowly, ...WORDS, DONE]), stream(WORDS, { end: false }));
  const novai = client({ timeout: 1_800, streamIdleTimeout: 1_800 });
  assert.equal((await collect(await novai.chat.completions.create(STREAMED))).length, 3);
  await assert.rejects(
    novai.chat.completions.create(STREAMED, { streamIdleTimeout: 30 }).then(collect),
    APITimeoutError,
  );
});

test('a stream may be read long after it began', async (t) => {
  const { client } = await serve(t, stream([...WORDS, DONE]));
  const items = await client({ timeout: 1_000, streamIdleTimeout: 1_000 }).chat.completions.create(STREAMED);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.equal(text(await collect(items)), 'Hello, wörld 👋');
});

test('slow bytes, one at a time', async (t) => {
  const bytes = Buffer.from(WORDS.join('') + DONE);
  const { client } = await serve(
    t,
    stream(Array.from(bytes, (byte) => [Buffer.of(byte), () => new Promise(setImmediate)]).flat()),
  );
  assert.equal(text(await collect(await client().chat.completions.create(STREAMED))), 'Hello, wörld 👋');
});

test('leaving the loop closes the connection', { timeout: 10_000 }, async (t) => {
  const { client, requests } = await serve(t, stream(WORDS, { end: false }));
  for await (const _ of await client().chat.completions.create(STREAMED)) break;
  await requests[0].left;
});

test('the controller ends a stream quietly, the signal of the caller with an error', async (t) => {
  const { client, requests } = await serve(t, stream(WORDS, { end: false }));
  const items = await client().chat.completions.create(STREAMED);
  let seen = 0;
  for await (const _ of items) if (++seen === 3) items.controller.abort();
  await requests[0].left;
  const caller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of await client().chat.completions.create(STREAMED, { signal: caller.signal })) caller.abort();
  }, APIUserAbortError);
});

test("nothing listens to the caller's signal when a call is over", async (t) => {
  const signal = new AbortController().signal;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args) => (listeners++, addEventListener.apply(signal, args));
  signal.removeEventListener = (...args) => (listeners--, removeEventListener.apply(signal, args));
  const { client } = await serve(
    t,
    stream([...WORDS, DONE]),
    refusal(503, {}, { 'retry-after-ms': '1' }),
    refusal(400),
    stream(WORDS),
  );
  const novai = client();
  await collect(await novai.chat.completions.create(STREAMED, { signal }));
  await assert.rejects(novai.chat.completions.create(HELLO, { signal }));
  await assert.rejects(novai.chat.completions.create(STREAMED, { signal }).then(collect));
  for await (const _ of await novai.chat.completions.create(STREAMED, { signal })) break;
  assert.equal(listeners, 0);
});

test('a signal that was given before the call ends it at once', async (t) => {
  const { client, requests } = await serve(t, stream([DONE]));
  await assert.rejects(client().models.list({ signal: AbortSignal.abort() }), APIUserAbortError);
  assert.equal(requests.length, 0);
});

test('a browser that leaves while an item is awaited ends the stream', async (t) => {
  const { client, requests } = await serve(t, stream([WORDS[0]], { end: false }));
  const sent = (await client().chat.completions.create(STREAMED)).toReadableStream().getReader();
  await sent.read();
  const pending = sent.read();
  await sent.cancel();
  await requests[0].left;
  assert.equal((await pending).done, true);
});

test('when both of the two that tee made are left, the connection closes', async (t) => {
  const { client, requests } = await serve(t, stream(WORDS, { end: false }));
  const [one, two] = (await client().chat.completions.create(STREAMED)).tee();
  for await (const item of one) if (text([item])) break;
  const words = [];
  for await (const item of two) if (words.push(item) === WORDS.length) break; // the first one's leaving costs it nothing
  assert.equal(text(words), 'Hello, wörld 👋');
  await requests[0].left;
});

test('a stream is read once; tee makes two of it', async (t) => {
  const { client } = await serve(t, stream([...WORDS, DONE]));
  const items = await client().chat.completions.create(STREAMED);
  const [one, two] = items.tee();
  await assert.rejects(async () => collect(items), NovAIError);
  assert.equal(text(await collect(one)), 'Hello, wörld 👋');
  assert.equal(text(await collect(two)), 'Hello, wörld 👋');
});

test('a stream goes on as lines of JSON, and back', async (t) => {
  const { client } = await serve(t, stream([...WORDS, DONE]));
  const items = await client().chat.completions.create(STREAMED);
  assert.equal(text(await collect(Stream.fromReadableStream(items.toReadableStream()))), 'Hello, wörld 👋');
});
