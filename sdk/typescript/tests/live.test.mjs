// Against a real NovAI, which `python -m tests.clients` starts: edge, workers, database, real weights.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import NovAI, * as novai from 'novai';
import { z } from 'zod';
import { collect } from './fault_server.mjs';

const { NOVAI_BASE_URL, NOVAI_ADMIN_KEY } = process.env;
const live = (name, run) => test(name, { skip: !NOVAI_BASE_URL && 'no NOVAI_BASE_URL', timeout: 120_000 }, run);
const CHAT = 'novai-tiny'; // real weights
const VECTORS = 'all-MiniLM-L6-v2';
const client = NOVAI_BASE_URL && new NovAI();
const admin = NOVAI_BASE_URL && new NovAI({ apiKey: NOVAI_ADMIN_KEY });
const user = (content) => [{ role: 'user', content }];
/** A model that does what its last user message says. */
const scripted = (...steps) => ({ model: 'scripted', messages: user(`script:${JSON.stringify(steps)}`) });

/** A client with the key of a new project. */
async function project(options) {
  const { id } = await admin.admin.projects.create({ name: `sdk ${crypto.randomUUID()}` });
  const { key } = await admin.admin.keys.create({ project: id, name: 'sdk' });
  return { id, client: new NovAI({ apiKey: key, ...options }) };
}

async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}

live('chat, whole and streamed, says the same', async () => {
  const ask = { model: CHAT, messages: user('How do I create an API key?'), temperature: 0, max_tokens: 24 };
  const whole = await client.chat.completions.create(ask);
  const chunks = await collect(
    await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } }),
  );
  const { content } = whole.choices[0].message;
  assert.ok(content);
  assert.equal(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join(''), content);
  assert.deepEqual(chunks.at(-1).usage.completion_tokens, whole.usage.completion_tokens);
  assert.match(whole._request_id, /^req_/);
  const final = await client.chat.completions.stream(ask).finalCompletion();
  assert.equal(final.choices[0].message.content, content);
});

live('what was answered may be sent back', async () => {
  const call = { call: { name: 'weather', arguments: { city: 'Oslo' } } };
  const { choices } = await client.chat.completions.create({
    ...scripted({ say: 'Let me see.' }, call),
    tools: [{ type: 'function', function: { name: 'weather' } }],
  });
  const answer = { role: 'tool', tool_call_id: choices[0].message.tool_calls[0].id, content: 'rain' };
  const next = scripted({ say: 'done' });
  const messages = [...user('weather?'), choices[0].message, answer, ...next.messages];
  assert.equal((await client.chat.completions.create({ ...next, messages })).choices[0].message.content, 'done');
});

live('an answer is held to a schema', async () => {
  const Ticket = z.object({ priority: z.enum(['low', 'high']), count: z.number().int().min(0).max(9) });
  const ask = { model: CHAT, messages: user('The login page is down.'), max_tokens: 200, response_format: Ticket };
  for (const answer of [client.chat.completions.parse(ask), client.chat.completions.stream(ask).finalCompletion()]) {
    Ticket.strict().parse((await answer).choices[0].message.parsed);
  }
  await assert.rejects(client.chat.completions.parse({ ...ask, max_tokens: 2 }), novai.LengthFinishReasonError);
});

live('every resource of a key', async () => {
  const models = await collect(client.models.list());
  assert.ok(models.some(({ id }) => id === CHAT));
  assert.equal((await client.models.retrieve(CHAT)).id, CHAT);
  const { choices } = await client.completions.create({ model: CHAT, prompt: 'An API key is', max_tokens: 4 });
  assert.equal(typeof choices[0].text, 'string');
  assert.equal(
    (await collect(await client.completions.create({ model: CHAT, prompt: 'An', max_tokens: 4, stream: true }))).at(-1)
      .object,
    'text_completion',
  );
  const { results } = await client.rerank.create({ model: VECTORS, query: 'a cat', documents: ['a car', 'a feline'] });
  assert.equal(results[0].index, 1);
  assert.ok(
    (await client.chat.completions.inputTokens.count({ model: CHAT, messages: user('hello') })).input_tokens > 0,
  );
  const { tokens } = await client.tokens.tokenize({ model: CHAT, prompt: 'hello' });
  assert.equal((await client.tokens.detokenize({ model: CHAT, tokens })).prompt, 'hello');
  const limits = await client.limits.retrieve({ model: CHAT });
  assert.equal(limits.object, 'limits');
  const message = { model: CHAT, messages: user('hello'), max_tokens: 4 };
  assert.equal((await client.messages.create(message)).type, 'message');
  assert.equal((await collect(await client.messages.create({ ...message, stream: true }))).at(-1).type, 'message_stop');
  assert.ok((await client.messages.countTokens(message)).input_tokens > 0);
  const { content } = await client.messages.stream(message).finalMessage();
  assert.equal(content[0].type, 'text');
});

live('vectors that travel as base64 are the same as those that do not', async () => {
  const ask = { model: VECTORS, input: ['a cat', 'a feline'] };
  const { data } = await client.embeddings.create(ask);
  const plain = await client.embeddings.create({ ...ask, encoding_format: 'float' });
  assert.equal(data.length, 2);
  for (const [n, { embedding }] of data.entries()) {
    assert.equal(embedding.length, 384);
    embedding.forEach((value, at) => assert.ok(Math.abs(value - plain.data[n].embedding[at]) < 1e-6));
  }
});

live('files: there, listed, read, gone', async () => {
  const file = await novai.toFile('wörds', 'a.txt');
  const { id, filename, bytes } = await client.files.create({ file, purpose: 'user_data' });
  assert.deepEqual([filename, bytes], ['a.txt', 6]);
  assert.deepEqual(await client.files.waitForProcessing(id), await client.files.retrieve(id));
  assert.ok((await collect(client.files.list({ purpose: 'user_data', limit: 1 }))).some((each) => each.id === id));
  assert.equal(await (await client.files.content(id)).text(), 'wörds');
  assert.equal((await client.files.delete(id)).deleted, true);
  await assert.rejects(client.files.retrieve(id), novai.NotFoundError);
});

live('batches: lines from a file, their results, and one that is cancelled', async () => {
  const line = (custom_id, say) => ({ custom_id, method: 'POST', url: '/v1/chat/completions', body: scripted(say) });
  const lines = [line('a', { say: 'one' }), line('b', { say: 'two' })].map((each) => JSON.stringify(each)).join('\n');
  const { id: input_file_id } = await client.files.create({
    file: await novai.toFile(lines, 'lines.jsonl'),
    purpose: 'batch',
  });
  const made = await client.batches.create({
    input_file_id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
  });
  assert.ok((await collect(client.batches.list({ limit: 1 }))).some(({ id }) => id === made.id));
  const ended = await client.batches.wait(made.id, { interval: 100, maxWait: 100_000 });
  assert.deepEqual(ended, await client.batches.retrieve(made.id));
  assert.deepEqual([ended.status, ended.request_counts.completed], ['completed', 2]);
  const said = {};
  for await (const { custom_id, response } of client.batches.results(made.id))
    said[custom_id] = response.body.choices[0].message.content;
  assert.deepEqual(said, { a: 'one', b: 'two' });
  const hanging = await client.batches.create({ inputs: [{ body: scripted({ hang: true }) }] });
  assert.match((await client.batches.cancel(hanging.id)).status, /^cancell/);
});

live('administration of keys, money and limits', async () => {
  const { projects, keys, prices, budgets, credits, limits, tiers } = admin.admin;
  const name = `sdk-${crypto.randomUUID()}`;
  const { id } = await projects.create({ name });
  const { info } = await keys.create({ project: id, name: 'alice' });
  const successor = await keys.rotate(info.id, { overlap_s: 60 });
  const ids = (await collect(keys.list({ project: id }))).map((key) => key.id);
  assert.deepEqual(ids.toSorted(), [info.id, successor.info.id].toSorted());
  assert.equal((await keys.revoke(info.id)).state, 'revoked');

  const usd = { input_usd_per_mtok: 1, cached_usd_per_mtok: 0.5, output_usd_per_mtok: 4.000000001 };
  const price = await prices.set({ model: name, ...usd });
  assert.deepEqual(
    (await collect(prices.list())).find(({ model }) => model === name),
    price,
  );
  assert.equal((await budgets.set({ project: id, kind: 'month', limit_usd: 5 })).left_usd, 5);
  assert.equal((await collect(budgets.list({ project: id }))).length, 1);
  assert.equal((await budgets.clear({ project: id })).cleared, true);
  assert.equal((await credits.add({ project: id, amount_usd: 3 })).left_usd, 3);
  assert.equal((await collect(credits.list({ project: id }))).length, 1);

  const rules = [{ name: 'requests_per_minute', limit: 60 }];
  const limited = (all) => all.some(({ limit }) => limit === 60);
  assert.equal((await tiers.set(name, { limits: [{ name: 'requests_per_minute', limit: 7 }] })).name, name);
  assert.ok((await collect(tiers.list())).some((tier) => tier.name === name));
  assert.equal((await projects.assignTier(id, { tier: name })).tier, name);
  assert.ok(limited((await limits.set({ project: id, limits: rules })).data));
  assert.ok(limited(await collect(limits.list({ project: id }))));
  assert.ok(!limited((await limits.clear({ project: id })).data));
  assert.equal((await projects.archive(id)).id, id);
});

live('models of hosts', async () => {
  const { models } = admin.admin;
  const ids = (await collect(models.list())).map(({ id }) => id);
  assert.ok(ids.includes(CHAT) && ids.includes(VECTORS));
  assert.equal((await models.load(CHAT)).state, 'ready'); // it is, already
  assert.deepEqual(
    (await models.status(CHAT)).hosts.map(({ state }) => state),
    ['ready'],
  );
  assert.equal((await models.endpoint(CHAT)).path, '/v1/chat/completions');
  await assert.rejects(models.unload('nobody'), novai.NotFoundError);
  await assert.rejects(models.download({ source: 'owner/name' }), novai.BadRequestError);
});

live('responses: a conversation, its items by the page, its end', async () => {
  const first = await client.responses.create({
    model: CHAT,
    input: ['one', 'two', 'three'].map((content) => ({ role: 'user', content })),
    max_output_tokens: 16,
  });
  assert.ok(novai.outputText(first));
  const second = client.responses.stream({
    model: CHAT,
    input: 'And?',
    previous_response_id: first.id,
    max_output_tokens: 16,
  });
  const { id, previous_response_id } = await second.finalResponse();
  assert.equal(previous_response_id, first.id);
  const pages = await collect(
    (await client.responses.inputItems.list(first.id, { limit: 2, order: 'asc' })).iterPages(),
  );
  assert.deepEqual(
    pages.map(({ data }) => data.length),
    [2, 1],
  );
  await assert.rejects(client.responses.cancel(id), novai.BadRequestError); // it has ended
  for (const each of [first.id, id]) assert.equal((await client.responses.delete(each)).deleted, true);
  await assert.rejects(client.responses.retrieve(id), novai.NotFoundError);
});

live('what was asked is explained by its request id, and listed by the page', async () => {
  const { id, client: own } = await project();
  const { request_id } = await own.chat.completions.create(scripted({ say: 'a b c' })).withResponse();
  const explained = await own.usage.requests.retrieve(request_id);
  assert.equal(explained.request_id ?? explained.id, request_id);
  await until(async () => (await collect(own.usage.list({ group_by: 'model' }))).length > 0);
  assert.ok((await collect(admin.admin.audit.list({ limit: 1 }))).some(({ target }) => target === id));
  assert.ok((await collect(admin.admin.projects.list())).some((each) => each.id === id));
});

live('a rate limit is waited for, and told where it is not', async () => {
  const { id, client: own } = await project();
  await admin.admin.limits.set({ project: id, limits: [{ name: 'requests_per_minute', limit: 60, burst: 1 }] });
  await until(async () =>
    (await own.limits.retrieve()).limits.some(({ name, limit }) => name === 'requests_per_minute' && limit === 60),
  );
  const hello = scripted({ say: 'hello' });
  for (let n = 0; n < 2; n++)
    assert.equal((await own.chat.completions.create(hello)).choices[0].message.content, 'hello');
  await assert.rejects(own.chat.completions.create(hello, { maxRetries: 0 }), (error) => {
    assert.ok(error instanceof novai.RateLimitError && !(error instanceof novai.InsufficientQuotaError));
    assert.ok(error.retryAfter > 0 && error.retryAfter <= 1);
    return true;
  });
});

live('refusals by their class', async () => {
  const { client: own } = await project();
  const long = { model: CHAT, messages: user('word '.repeat(20_000)) };
  await assert.rejects(own.chat.completions.create(long), novai.ContextLengthExceededError);
  await assert.rejects(own.models.retrieve('nope'), novai.NotFoundError);
  await assert.rejects(own.admin.projects.list(), novai.PermissionDeniedError);
  await assert.rejects(own.withOptions({ apiKey: 'sk-novai-wrong' }).models.list(), novai.AuthenticationError);
  await assert.rejects(own.chat.completions.create({ ...scripted({ say: 'x' }), n: 0 }), (error) => {
    return error instanceof novai.BadRequestError && error.param === 'n';
  });
});

live('a failure within a stream', async () => {
  const items = [];
  await assert.rejects(
    async () => {
      const ask = scripted({ say: 'one ' }, { wait_ms: 100 }, { fail: 'bröken' });
      for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) items.push(chunk);
    },
    (error) => error instanceof novai.APIError && error.code === 'upstream_error',
  );
  assert.ok(items.length > 0);
});

live('who leaves a stream stops it', async () => {
  const { client: own } = await project();
  const endless = { ...scripted({ say: 'one two' }, { hang: true }), stream: true };
  const { data, request_id } = await own.chat.completions.create(endless).withResponse();
  for await (const chunk of data) if (chunk.choices[0]?.delta.content) break;
  const settled = () =>
    own.usage.requests.retrieve(request_id).then(Boolean, (error) => !(error instanceof novai.NotFoundError));
  await until(settled); // one that runs has no usage yet
});

live('the same idempotency key gets the same answer', async () => {
  const options = { idempotencyKey: `sdk ${crypto.randomUUID()}` };
  const ask = { model: CHAT, messages: user('hello'), max_tokens: 4, temperature: 1 };
  const first = await client.chat.completions.create(ask, options);
  const { data, response } = await client.chat.completions.create(ask, options).withResponse();
  assert.equal(data.id, first.id);
  assert.equal(response.headers.get('idempotent-replayed'), 'true');
});
