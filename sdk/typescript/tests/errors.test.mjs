// Each status and code as its class, and what the classes tell.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import * as novai from 'novai';
import { collect, HELLO, json, refusal, serve } from './fault_server.mjs';

const STOP = { 'x-should-retry': 'false' };

for (const [status, error, name] of [
  [400, {}, 'BadRequestError'],
  [400, { code: 'context_length_exceeded' }, 'ContextLengthExceededError'],
  [401, {}, 'AuthenticationError'],
  [402, { type: 'billing_error', details: { error_code: 'insufficient_quota' } }, 'InsufficientQuotaError'],
  [403, {}, 'PermissionDeniedError'],
  [404, {}, 'NotFoundError'],
  [405, {}, 'APIStatusError'],
  [409, {}, 'ConflictError'],
  [413, {}, 'APIStatusError'],
  [422, {}, 'UnprocessableEntityError'],
  [429, { code: 'rate_limit_exceeded' }, 'RateLimitError'],
  [429, { code: 'insufficient_quota' }, 'InsufficientQuotaError'],
  [429, { type: 'insufficient_quota', code: 'credit_balance_exhausted' }, 'InsufficientQuotaError'],
  [500, {}, 'InternalServerError'],
  [504, {}, 'InternalServerError'],
]) {
  test(`${status} ${JSON.stringify(error)} is ${name}`, async (t) => {
    const { client } = await serve(t, refusal(status, error, STOP));
    const failure = await client()
      .models.retrieve('m')
      .catch((raised) => raised);
    assert.equal(failure.constructor, novai[name]);
    assert.ok(
      failure instanceof novai.APIStatusError &&
        failure instanceof novai.APIError &&
        failure instanceof novai.NovAIError,
    );
    assert.equal(failure.message, `${status} no`);
    assert.equal(failure.name, name);
    assert.equal(failure.status, status);
    assert.equal(failure.requestId, 'req_1');
  });
}

test('an error tells what the server told', async (t) => {
  const wait = { 'retry-after': '3', 'retry-after-ms': '2500', ...STOP };
  const { client } = await serve(
    t,
    refusal(429, { type: 'tokens', code: 'rate_limit_exceeded', param: 'messages[0]' }, wait),
  );
  const failure = await client()
    .chat.completions.create(HELLO)
    .catch((raised) => raised);
  assert.deepEqual(
    [failure.type, failure.code, failure.param, failure.retryAfter],
    ['tokens', 'rate_limit_exceeded', 'messages[0]', 2.5],
  );
  assert.equal(failure.body.error.message, 'no');
  assert.equal(failure.headers.get('retry-after'), '3');
});

test("Anthropic's form of an error", async (t) => {
  const error = {
    type: 'invalid_request_error',
    message: 'no',
    details: { error_code: 'context_length_exceeded', param: 'messages' },
  };
  const { client } = await serve(t, json({ type: 'error', error, request_id: 'req_1' }, 400));
  const failure = await client()
    .messages.create({ ...HELLO, max_tokens: 1 })
    .catch((raised) => raised);
  assert.ok(failure instanceof novai.ContextLengthExceededError);
  assert.deepEqual([failure.code, failure.param, failure.retryAfter], ['context_length_exceeded', 'messages', null]);
});

test('errors in the forms of other servers', async (t) => {
  const bodies = [{ error: 'nope' }, { detail: 'Not Found' }, { error: null }];
  const { client } = await serve(t, ...bodies.map((body) => json(body, 404)));
  const messages = [];
  for (const _ of bodies) messages.push((await client().models.retrieve('m').catch((raised) => raised)).message);
  assert.deepEqual(messages, ['404 nope', '404 {"detail":"Not Found"}', '404 {"error":null}']);
});

test('errors without JSON, and without anything', async (t) => {
  const { client } = await serve(t, json('<html>', 404), json('', 404));
  assert.equal(
    (
      await client()
        .models.retrieve('m')
        .catch((raised) => raised)
    ).message,
    '404 <html>',
  );
  assert.equal(
    (
      await client()
        .models.retrieve('m')
        .catch((raised) => raised)
    ).message,
    '404 without a reason',
  );
});

for (const [type, body] of [
  ['text/html', '<html>'],
  ['application/json', ''],
  ['application/json', 'null'],
  ['application/json', '[]'],
  ['application/json', '"hello"'],
]) {
  test(`${JSON.stringify(body)} as ${type} is no answer of this API`, async (t) => {
    const { client } = await serve(t, (answer) => answer.writeHead(200, { 'content-type': type }).end(body));
    const calls = [
      () => client().models.retrieve('m'),
      () => client().models.list(),
      () => client().batches.wait('batch_1'), // which would never see it end
      async () => collect(await client().chat.completions.create({ ...HELLO, stream: true })),
    ];
    for (const call of calls) await assert.rejects(call, novai.APIResponseValidationError);
  });
}

test('nobody there', async () => {
  const server = createServer().listen(0);
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  const client = new novai.NovAI({ baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'k', maxRetries: 0 });
  await assert.rejects(client.models.list(), (error) => {
    assert.ok(error instanceof novai.APIConnectionError && !(error instanceof novai.APITimeoutError));
    assert.match(error.message, new RegExp(`^Connection to http://127.0.0.1:${port} failed: .*ECONNREFUSED`));
    assert.ok(error.cause);
    return true;
  });
});

test('every error is on the client, too', () => {
  const errors = Object.entries(novai).filter(
    ([, each]) => each === novai.NovAIError || each.prototype instanceof novai.NovAIError,
  );
  assert.ok(errors.length > 15);
  for (const [name, error] of errors) assert.equal(novai.NovAI[name], error, name);
});
