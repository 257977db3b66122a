// Batches and files are waited for, and the lines of batches read while they come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { APITimeoutError, APIUserAbortError } from 'novai';
import { collect, json, serve } from './fault_server.mjs';

const batch = (status, files = {}) =>
  json({ id: 'batch_1', status, output_file_id: null, error_file_id: null, ...files });
const lines =
  (...values) =>
  (answer) => {
    answer.writeHead(200, { 'content-type': 'application/octet-stream' });
    answer.end(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
  };

for (const status of ['completed', 'failed', 'expired', 'cancelled']) {
  test(`a batch that has ${status} is over`, async (t) => {
    const { client, requests } = await serve(
      t,
      ...['validating', 'in_progress', 'cancelling', 'finalizing', status].map((each) => batch(each)),
    );
    assert.equal((await client().batches.wait('batch_1', { interval: 1 })).status, status);
    assert.equal(requests.length, 5);
  });
}

test('the caller can stop waiting', async (t) => {
  const { client, requests } = await serve(t, batch('in_progress'));
  const leaving = new AbortController();
  const waiting = client().batches.wait('batch_1', { signal: leaving.signal });
  while (!requests.length) await new Promise((resolve) => setTimeout(resolve, 5));
  await requests[0].left;
  leaving.abort();
  await assert.rejects(waiting, APIUserAbortError);
});

test('a batch that takes longer than it may', async (t) => {
  const { client } = await serve(t, batch('in_progress'));
  await assert.rejects(client().batches.wait('batch_1', { interval: 1, maxWait: 20 }), APITimeoutError);
});

for (const status of ['processed', 'error']) {
  test(`a file that is ${status} is waited for no longer`, async (t) => {
    const file = (now) => json({ id: 'file-1', status: now });
    const { client, requests } = await serve(t, file('uploaded'), file('uploaded'), file(status), file('uploaded'));
    assert.equal((await client().files.waitForProcessing('file-1', { pollInterval: 1 })).status, status);
    assert.equal(requests.length, 3);
    await assert.rejects(client().files.waitForProcessing('file-1', { pollInterval: 1, maxWait: 20 }), APITimeoutError);
  });
}

test('results are the lines of both files', async (t) => {
  const answered = { custom_id: 'ä', response: { status_code: 200, body: { ok: true } }, error: null };
  const failed = { custom_id: 'b', response: null, error: { code: 'batch_expired', message: 'late' } };
  const files = { output_file_id: 'file-1', error_file_id: 'file-2' };
  const { client, requests } = await serve(t, batch('expired', files), lines(answered), lines(failed));
  assert.deepEqual(await collect(client().batches.results('batch_1')), [answered, failed]);
  assert.deepEqual(
    requests.slice(1).map(({ url }) => url),
    ['/v1/files/file-1/content', '/v1/files/file-2/content'],
  );
});

test('before its end a batch has no results', async (t) => {
  const { client } = await serve(t, batch('in_progress'));
  await assert.rejects(collect(client().batches.results('batch_1')), /in_progress: wait\(\)/);
});

test('a batch without files has no results', async (t) => {
  const { client } = await serve(t, batch('failed'));
  assert.deepEqual(await collect(client().batches.results('batch_1')), []);
});
