// What the official SDK does with refusals: it goes by our headers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { client, limitedKey, recording, scripted } from './novai.mjs';

const HELLO = scripted({ say: 'hello' });

test('a rate limit is waited for, as long as it says', async () => {
  const apiKey = await limitedKey({ name: 'requests_per_minute', limit: 60, burst: 1 });
  const { tries, fetch } = recording();
  const openai = client({ apiKey, fetch, maxRetries: 2 });
  await openai.chat.completions.create(HELLO);
  const began = Date.now();
  await openai.chat.completions.create(HELLO);
  assert.deepEqual(tries, [
    { status: 200, retry: '0' },
    { status: 429, retry: '0' },
    { status: 200, retry: '1' },
  ]);
  assert.ok(Date.now() - began < 5_000); // one request a second
});

test('without retries a rate limit says how long to wait', async () => {
  const openai = client({ apiKey: await limitedKey({ name: 'requests_per_minute', limit: 6, burst: 1 }) });
  await openai.chat.completions.create(HELLO);
  await assert.rejects(openai.chat.completions.create(HELLO), (error) => {
    assert.ok(error instanceof OpenAI.RateLimitError);
    assert.equal(error.code, 'rate_limit_exceeded');
    const seconds = Number(error.headers.get('retry-after'));
    const exact = Number(error.headers.get('retry-after-ms'));
    assert.ok(exact > 0 && exact <= 10_000);
    assert.equal(seconds, Math.ceil(exact / 1000));
    return true;
  });
});

test('nobody waits for a limit of a day', async () => {
  const apiKey = await limitedKey({ name: 'requests_per_day', limit: 24, burst: 1 });
  const { tries, fetch } = recording();
  const openai = client({ apiKey, fetch, maxRetries: 2 });
  await openai.chat.completions.create(HELLO);
  await assert.rejects(openai.chat.completions.create(HELLO), (error) => {
    assert.equal(error.headers.get('x-should-retry'), 'false');
    return error instanceof OpenAI.RateLimitError;
  });
  assert.deepEqual(tries.map((one) => one.status), [200, 429]);
});

test('what we broke is tried again, what the caller broke is not', async () => {
  const { tries, fetch } = recording();
  const openai = client({ fetch, maxRetries: 1 });
  await assert.rejects(openai.chat.completions.create(scripted({ fail: 'broken' })), OpenAI.InternalServerError);
  await assert.rejects(openai.chat.completions.create({ ...HELLO, n: 0 }), OpenAI.BadRequestError);
  assert.deepEqual(tries, [
    { status: 502, retry: '0' },
    { status: 502, retry: '1' },
    { status: 400, retry: '0' },
  ]);
});
