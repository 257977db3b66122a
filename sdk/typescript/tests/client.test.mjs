// Settings, headers, queries, bodies, logs, and the forms of an answer.
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { test } from 'node:test';
import { NovAI, NovAIError, toFile, VERSION } from 'novai';
import { collect, HELLO, json, refusal, serve, silence } from './fault_server.mjs';

const ENV = ['API_KEY', 'BASE_URL', 'ORG_ID', 'PROJECT_ID', 'CUSTOM_HEADERS', 'LOG'].map((name) => `NOVAI_${name}`);

/** The environment, until the test ends. */
function env(t, values = {}) {
  const before = Object.fromEntries(ENV.map((name) => [name, process.env[name]]));
  for (const name of ENV) delete process.env[name];
  Object.assign(process.env, values);
  t.after(() => {
    for (const name of ENV) delete process.env[name];
    for (const [name, value] of Object.entries(before)) if (value !== undefined) process.env[name] = value;
  });
}

test('without a key there is no client', (t) => {
  env(t);
  assert.throws(
    () => new NovAI(),
    (error) => error instanceof NovAIError && /NOVAI_API_KEY/.test(error.message),
  );
  assert.equal(new NovAI({ apiKey: 'k' }).baseURL, 'http://127.0.0.1:8000/v1');
});

test('settings come from the environment', async (t) => {
  const { baseURL, requests } = await serve(t, json({}));
  const lines = 'X-One: 1\n X-Two : a: b \nnonsense';
  env(t, {
    NOVAI_API_KEY: 'sk-env',
    NOVAI_BASE_URL: `${baseURL}/`,
    NOVAI_ORG_ID: 'o',
    NOVAI_PROJECT_ID: 'p',
    NOVAI_CUSTOM_HEADERS: lines,
  });
  await new NovAI().models.retrieve('m');
  const { headers, url } = requests[0];
  assert.equal(url, '/v1/models/m');
  assert.equal(headers.authorization, 'Bearer sk-env');
  assert.deepEqual(
    [headers['openai-organization'], headers['openai-project'], headers['x-one'], headers['x-two']],
    ['o', 'p', '1', 'a: b'],
  );
});

test('what every request says of itself', async (t) => {
  const { client, requests } = await serve(t, json({}));
  await client({ timeout: 1500 }).models.retrieve('m');
  const { headers } = requests[0];
  assert.equal(headers['user-agent'], `novai-typescript/${VERSION}`);
  assert.equal(headers['x-novai-package-version'], VERSION);
  assert.equal(headers['x-novai-runtime'], `node/${process.versions.node}`);
  assert.equal(headers['x-novai-timeout'], '1.5');
  assert.equal(headers.accept, 'application/json');
});

test('a key is sent without what is around it, and not at all when no header can have it', async (t) => {
  const { client, requests } = await serve(t, json({}));
  await client({ apiKey: ' sk-1\n' }).models.retrieve('m');
  assert.equal(requests[0].headers.authorization, 'Bearer sk-1');
  await assert.rejects(client({ apiKey: 'sk-ü€' }).models.retrieve('m'), NovAIError);
  assert.equal(requests.length, 1);
});

test('a key may be asked for before every try', async (t) => {
  const { client, requests } = await serve(t, refusal(503, {}, { 'retry-after-ms': '1' }), json({}));
  let asked = 0;
  await client({ apiKey: async () => `sk-${++asked}` }).models.retrieve('m');
  assert.deepEqual(
    requests.map((one) => one.headers.authorization),
    ['Bearer sk-1', 'Bearer sk-2'],
  );
});

test('a call has options of its own', async (t) => {
  const { client, requests } = await serve(t, json({}));
  const novai = client({ defaultHeaders: { 'x-a': '1', 'x-b': '1' }, defaultQuery: { q: '1' } });
  const headers = { 'x-a': '2', 'x-b': null, 'x-c': undefined };
  await novai.chat.completions.create(HELLO, { headers, query: { r: ['1', '2'], s: null }, body: { more: true } });
  const [{ url, body, headers: sent }] = requests;
  assert.equal(url, '/v1/chat/completions?q=1&r=1&r=2');
  assert.deepEqual(JSON.parse(body), { ...HELLO, more: true });
  assert.deepEqual(
    [sent['x-a'], sent['x-b'], sent['x-c'], sent['content-type']],
    ['2', undefined, undefined, 'application/json'],
  );
});

test("a fetch of one's own, and what it is given", async (t) => {
  const { client } = await serve(t, json({}));
  const given = [];
  const own = (url, init) => (given.push([init.cache, init.keepalive]), fetch(url, init));
  const novai = client({ fetch: own, fetchOptions: { cache: 'no-store', keepalive: false } });
  await novai.models.retrieve('m', { fetchOptions: { keepalive: true } });
  assert.deepEqual(given, [['no-store', true]]);
});

test('only what was given is sent, null included', async (t) => {
  const { client, requests } = await serve(t, json({}));
  await client().chat.completions.create({ ...HELLO, temperature: undefined, stop: null });
  assert.deepEqual(JSON.parse(requests[0].body), { ...HELLO, stop: null });
});

test('a client with other options', async (t) => {
  const { client } = await serve(t, silence);
  const novai = client();
  const other = novai.withOptions({ timeout: 20, maxRetries: 0 });
  assert.ok(other instanceof NovAI);
  assert.deepEqual([other.baseURL, other.timeout, other.maxRetries, novai.maxRetries], [novai.baseURL, 20, 0, 2]);
  await assert.rejects(other.models.list());
});

test('names in paths are encoded, and may not be empty or dots', async (t) => {
  const { client, requests } = await serve(t, json({}));
  await client().models.retrieve('a/b c?');
  assert.equal(requests[0].url, '/v1/models/a%2Fb%20c%3F');
  for (const other of ['', '.', '..']) assert.throws(() => client().models.retrieve(other), TypeError);
});

test('operations that have no method', async (t) => {
  const { client, requests } = await serve(t, json({ ok: true }));
  const novai = client();
  for (const verb of ['get', 'post', 'put', 'patch', 'delete'])
    assert.deepEqual(await novai[verb]('/v1/other', { query: { a: 1 } }), { ok: true });
  assert.deepEqual(
    requests.map(({ method, url }) => `${method} ${url}`),
    ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((verb) => `${verb} /v1/other?a=1`),
  );
  await novai.post('/v1/other', { body: { a: 1 } });
  assert.equal(requests.at(-1).body, '{"a":1}');
});

test('files are sent as forms', async (t) => {
  const { client, requests } = await serve(t, json({}));
  for (const source of [
    'text',
    new Uint8Array([116]),
    new Blob(['t']),
    new Response('t'),
    createReadStream(new URL(import.meta.url)),
  ]) {
    const file = await toFile(source, 'lines.jsonl', { type: 'application/jsonl' });
    await client().request('POST', '/v1/files', {
      body: { file, purpose: 'batch', tags: ['a', 'b'], expires: { seconds: 5 } },
      form: true,
    });
  }
  assert.match(requests[0].headers['content-type'], /^multipart\/form-data; boundary=/);
  assert.match(
    requests[0].body,
    /name="file"; filename="lines.jsonl"\r\nContent-Type: application\/jsonl\r\n\r\ntext\r\n/,
  );
  assert.match(requests[0].body, /name="tags\[\]"\r\n\r\nb\r\n[^]*name="expires\[seconds\]"\r\n\r\n5/);
  assert.match(requests.at(-1).body, /Settings, headers, queries/);
});

test('a stream, a response or a File may be given as it is', async (t) => {
  const { client, requests } = await serve(t, refusal(503, {}, { 'retry-after-ms': '1' }), json({}));
  for (const [file, sent] of [
    [createReadStream(new URL(import.meta.url)), /filename="client.test.mjs"[^]*Settings, headers, queries/],
    [new Response('t'), /filename="upload"\r\n[^]*\r\n\r\nt\r\n/],
    [new File(['t'], 'a.txt'), /filename="a.txt"\r\n[^]*\r\n\r\nt\r\n/],
  ]) {
    await client().files.create({ file, purpose: 'batch' });
    assert.match(requests.at(-1).body, sent);
  }
  assert.equal(requests[0].body.length, requests[1].body.length);
  await assert.rejects(client().files.create({ file: 'lines.jsonl', purpose: 'batch' }), /toFile/);
});

test('settings that cannot be meant', () => {
  for (const baseURL of ['localhost:8000/v1', 'http://localhost:80a/v1', 'http://[::1/v1']) {
    assert.throws(() => new NovAI({ apiKey: 'k', baseURL }), /must begin with http/);
  }
  const client = new NovAI({ apiKey: 'k' });
  assert.throws(() => client.models.list({ maxRetries: -1 }), /whole number/);
});

test('the answer, with its response, or the response alone', async (t) => {
  const { client } = await serve(t, json({ id: 'm' }));
  const { data, response, request_id } = await client().models.retrieve('m').withResponse();
  assert.deepEqual(data, { id: 'm' });
  assert.equal(data._request_id, 'req_1');
  assert.equal(JSON.stringify(data), '{"id":"m"}');
  assert.deepEqual([response.status, request_id], [200, 'req_1']);
  const raw = await client().models.retrieve('m').asResponse();
  assert.equal(await raw.text(), '{"id":"m"}');
});

test('a call is a promise', async (t) => {
  const { client } = await serve(t, json({ id: 'm' }), refusal(404));
  const call = client().models.retrieve('m');
  assert.ok(call instanceof Promise);
  assert.deepEqual(await Promise.all([call, call.then((model) => model.id), call.finally(() => {})]), [
    { id: 'm' },
    'm',
    { id: 'm' },
  ]);
  assert.equal(
    await client()
      .models.retrieve('m')
      .catch(() => 'caught'),
    'caught',
  );
});

test('answers without a body, and as text', async (t) => {
  const { client } = await serve(
    t,
    (answer) => answer.writeHead(204).end(),
    (answer) => answer.writeHead(200, { 'content-type': 'text/csv' }).end('a,b'),
  );
  assert.equal(await client().delete('/v1/x'), undefined);
  assert.equal(await client().get('/v1/x'), 'a,b');
});

test('logs tell of calls, never a key nor what was said', async (t) => {
  const { client } = await serve(t, refusal(503, {}, { 'retry-after-ms': '1' }), json({ secret: 'answer' }));
  const lines = [];
  const keep = (...args) => lines.push(args.map((part) => JSON.stringify(part)).join(' '));
  const logger = { info: keep, debug: keep };
  await client({
    apiKey: 'sk-secret',
    logLevel: 'debug',
    logger,
    defaultHeaders: { 'x-api-key': 'secret' },
  }).chat.completions.create({ ...HELLO, user: 'secret' });
  const log = lines.join('\n');
  assert.match(log, /POST \/v1\/chat\/completions: 503 no; again in 1 ms/);
  assert.match(log, /POST \/v1\/chat\/completions 200 req_1/);
  assert.match(log, /"authorization":"\*\*\*"/);
  assert.doesNotMatch(log, /secret/);
  lines.length = 0;
  await client({ logLevel: 'info', logger }).models.retrieve('m');
  assert.equal(lines.length, 1);
  await client({ logger }).models.retrieve('m');
  assert.equal(lines.length, 1);
  env(t, { NOVAI_LOG: 'debug' });
  await client({ logger }).models.retrieve('m');
  assert.equal(lines.length, 3);
});

test('lists turn their own pages', async (t) => {
  const pages = [
    { object: 'list', data: [{ id: 'a' }, { id: 'b' }], has_more: true, last_id: 'b' },
    { object: 'list', data: [], has_more: true, last_id: 'c' },
    { object: 'list', data: [{ id: 'd' }], has_more: false, last_id: 'd' },
  ];
  const { client, requests } = await serve(
    t,
    ...pages.map((page) => json(page)),
    ...pages.map((page) => json(page)),
    json(pages[0]),
  );
  const list = () => client().responses.inputItems.list('resp_1', { limit: 2 }, { headers: { 'x-a': '1' } });
  assert.deepEqual(
    (await collect(list())).map((item) => item.id),
    ['a', 'b', 'd'],
  );
  assert.deepEqual(
    requests.map((one) => one.url.split('?')[1]),
    ['limit=2', 'limit=2&after=b', 'limit=2&after=c'],
  );
  assert.equal(requests[2].headers['x-a'], '1');
  const first = await list();
  assert.deepEqual(
    [first.object, first.data.length, first.hasNextPage(), first.nextPageInfo()],
    ['list', 2, true, { after: 'b' }],
  );
  const sizes = (await collect(first.iterPages())).map((page) => page.data.length);
  assert.deepEqual(sizes, [2, 0, 1]);
});

test('pages go on from an after that was given as an option', async (t) => {
  const list = (id, more) => json({ object: 'list', data: [{ id }], has_more: more, last_id: id });
  const { client, requests } = await serve(t, list('b', true), list('c', false));
  const items = await collect(client().responses.inputItems.list('resp_1', {}, { query: { after: 'a', order: 'asc' } }));
  assert.deepEqual(
    items.map((item) => item.id),
    ['b', 'c'],
  );
  assert.deepEqual(
    requests.map((one) => one.url.split('?')[1]),
    ['after=a&order=asc', 'after=b&order=asc'],
  );
});

test('a list of one page', async (t) => {
  const { client } = await serve(t, json({ object: 'list', data: [{ id: 'm' }] }));
  const page = await client().models.list();
  assert.deepEqual([page.hasNextPage(), page.nextPageInfo()], [false, null]);
  assert.throws(() => page.getNextPage(), NovAIError);
  assert.deepEqual((await client().models.list().withResponse()).data.data, [{ id: 'm' }]);
});
