// The official SDK as its users write it: only base URL and key differ.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { CHAT, SCRIPTED, VECTORS, apiKey, baseURL, client, collect, script, scripted, until, user } from './novai.mjs';

const HELLO = scripted({ say: 'Hello, wörld 👋' });
const TEXT = 'Hello, wörld 👋';
const WEATHER = { name: 'weather', arguments: { city: 'Zürich' } };
const TOOLS = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
const openai = client();

test('a completion', async () => {
  const { data, response, request_id } = await openai.chat.completions.create(HELLO).withResponse();
  const [choice] = data.choices;
  assert.deepEqual([choice.message.role, choice.message.content, choice.finish_reason], ['assistant', TEXT, 'stop']);
  assert.equal(data.object, 'chat.completion');
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.match(request_id, /^req_/);
  assert.equal(data._request_id, request_id);
  assert.equal(response.headers.get('content-type'), 'application/json');
});

test('a stream: one id, the role once, the usage last', async () => {
  const stream = await openai.chat.completions.create({
    ...HELLO,
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await collect(stream);
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.equal(choices.map((choice) => choice.delta.content ?? '').join(''), TEXT);
  assert.equal(new Set(chunks.map((chunk) => chunk.id)).size, 1);
  assert.deepEqual(choices.map((choice) => choice.delta.role).filter(Boolean), ['assistant']);
  assert.deepEqual(choices.map((choice) => choice.finish_reason).filter(Boolean), ['stop']);
  assert.deepEqual(chunks.at(-1).choices, []);
  assert.equal(chunks.at(-1).usage.completion_tokens, 3);
  assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
});

test('streamed and whole are the same answer of real weights', async () => {
  const body = { model: CHAT, messages: user('What is NovAI?'), temperature: 0 };
  const whole = await openai.chat.completions.create(body);
  const streamed = await openai.chat.completions.stream(body).finalChatCompletion();
  assert.equal(streamed.choices[0].message.content, whole.choices[0].message.content);
  assert.equal(streamed.choices[0].finish_reason, 'stop');
});

test('the stream helper tells every piece, and the whole', async () => {
  const pieces = [];
  const stream = openai.chat.completions.stream({ ...HELLO, stream_options: { include_usage: true } });
  stream.on('content', (delta) => pieces.push(delta));
  const final = await stream.finalChatCompletion();
  assert.equal(pieces.join(''), TEXT);
  assert.equal(await stream.finalContent(), TEXT);
  assert.deepEqual(final.choices[0].message.content, TEXT);
  assert.equal((await stream.totalUsage()).completion_tokens, 3);
});

test('several choices, whole and streamed', async () => {
  const whole = await openai.chat.completions.create({ ...HELLO, n: 3 });
  assert.deepEqual(whole.choices.map((choice) => [choice.index, choice.message.content]), [0, 1, 2].map((i) => [i, TEXT]));
  const streamed = await openai.chat.completions.stream({ ...HELLO, n: 3 }).finalChatCompletion();
  assert.deepEqual(streamed.choices.map((choice) => choice.message.content), [TEXT, TEXT, TEXT]);
});

test('logprobs are those of the text, whole and streamed', async () => {
  const body = { model: CHAT, messages: user('Hello'), temperature: 0, max_tokens: 8, logprobs: true, top_logprobs: 2 };
  const [whole] = (await openai.chat.completions.create(body)).choices;
  assert.equal(whole.logprobs.content.map((entry) => entry.token).join(''), whole.message.content);
  for (const { logprob, top_logprobs } of whole.logprobs.content) {
    assert.ok(logprob <= 0);
    assert.equal(top_logprobs.length, 2);
  }
  const [streamed] = (await openai.chat.completions.stream(body).finalChatCompletion()).choices;
  assert.deepEqual(
    streamed.logprobs.content.map((entry) => entry.token),
    whole.logprobs.content.map((entry) => entry.token),
  );
});

test('a tool call comes in pieces and its result goes back', async () => {
  const asked = scripted({ say: 'Let me see. ' }, { call: WEATHER });
  const stream = openai.chat.completions.stream({ ...asked, tools: TOOLS });
  const deltas = [];
  stream.on('tool_calls.function.arguments.delta', (event) => deltas.push(event.arguments_delta));
  const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
  assert.equal(finish_reason, 'tool_calls');
  assert.equal(message.content, 'Let me see. ');
  const [call] = message.tool_calls;
  assert.match(call.id, /^call_/);
  assert.equal(call.function.name, 'weather');
  assert.deepEqual(JSON.parse(call.function.arguments), WEATHER.arguments);
  assert.equal(deltas.join(''), call.function.arguments);
  const history = [...asked.messages, message, { role: 'tool', tool_call_id: call.id, content: 'sunny' }];
  const again = await openai.chat.completions.create({
    model: SCRIPTED,
    messages: [...history, ...HELLO.messages],
    tools: TOOLS,
  });
  assert.equal(again.choices[0].message.content, TEXT);
});

test('the tool runner runs to the end', async () => {
  const seen = [];
  const weather = {
    type: 'function',
    function: {
      name: 'weather',
      description: 'The weather of a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } } },
      parse: JSON.parse,
      // The script asks for the same call every time: the last word belongs to the runner's own bound.
      function: ({ city }) => seen.push(city) && 'sunny',
    },
  };
  const runner = openai.chat.completions.runTools(
    { ...scripted({ call: WEATHER }), stream: true, tools: [weather] },
    { maxChatCompletions: 2 },
  );
  await runner.done();
  assert.deepEqual(seen, ['Zürich', 'Zürich']);
});

const ERRORS = [
  ['a field that is wrong', OpenAI.BadRequestError, 400, null, { ...HELLO, temperature: 3 }],
  ['a context that is full', OpenAI.BadRequestError, 400, 'context_length_exceeded', { model: CHAT, messages: user('word '.repeat(20_000)) }],
  ['a model that is not there', OpenAI.NotFoundError, 404, 'model_not_found', { ...HELLO, model: 'org/other' }],
  ['a worker that breaks', OpenAI.InternalServerError, 502, 'upstream_error', scripted({ fail: 'broken' })],
];
for (const [name, kind, status, code, body] of ERRORS) {
  for (const stream of [false, true]) {
    test(`${name} is the SDK's own class, ${stream ? 'streamed' : 'whole'}`, async () => {
      await assert.rejects(openai.chat.completions.create({ ...body, stream }), (error) => {
        assert.ok(error instanceof kind, `${error}`);
        assert.equal(error.status, status);
        if (code) assert.equal(error.code, code);
        assert.match(error.requestID, /^req_/);
        assert.ok(error.error.message);
        return true;
      });
    });
  }
}

test('a wrong key', async () => {
  await assert.rejects(client({ apiKey: 'sk-novai-wrong' }).models.list(), (error) => {
    assert.ok(error instanceof OpenAI.AuthenticationError);
    assert.equal(error.code, 'invalid_api_key');
    assert.match(error.requestID, /^req_/);
    return true;
  });
});

test('what breaks after the first token ends the stream with an error', async () => {
  const stream = await openai.chat.completions.create({
    ...scripted({ say: 'one ' }, { wait_ms: 100 }, { fail: 'broken' }),
    stream: true,
  });
  const texts = [];
  await assert.rejects(
    async () => {
      for await (const chunk of stream) texts.push(chunk.choices[0].delta.content);
    },
    (error) => error instanceof OpenAI.APIError && error.code === 'upstream_error',
  );
  assert.ok(texts.includes('one '));
});

test('whoever leaves in the middle is settled as that', async () => {
  const { data: stream, request_id } = await openai.chat.completions
    .create({ ...scripted({ say: 'one ' }, { hang: true }), stream: true })
    .withResponse();
  for await (const chunk of stream) if (chunk.choices[0].delta.content) stream.controller.abort();
  const bill = async () => {
    const answer = await fetch(`${baseURL}/usage/requests/${request_id}`, {
      headers: { authorization: `Bearer ${apiKey}` },
    });
    return answer.ok ? answer.json() : undefined;
  };
  await until(async () => (await bill())?.state === 'settled');
  const { used } = await bill();
  assert.deepEqual([used.outcome, used.output_tokens], ['client_left', 1]);
});

test('an aborted request that has no answer yet', async () => {
  const controller = new AbortController();
  const asked = openai.chat.completions.create(scripted({ hang: true }), { signal: controller.signal });
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(asked, OpenAI.APIUserAbortError);
});

test('a timeout of the client', async () => {
  const asked = openai.chat.completions.create(scripted({ hang: true }), { timeout: 200 });
  await assert.rejects(asked, OpenAI.APIConnectionTimeoutError);
});

test('embeddings are the same in base64, which the SDK asks for by itself, and as numbers', async () => {
  const input = ['The cat sat on the mat.', 'Ein Kätzchen 🐈'];
  const packed = await openai.embeddings.create({ model: VECTORS, input });
  const plain = await openai.embeddings.create({ model: VECTORS, input, encoding_format: 'float' });
  for (const index of [0, 1]) {
    assert.equal(packed.data[index].index, index);
    assert.equal(packed.data[index].embedding.length, 384);
    packed.data[index].embedding.forEach((value, at) => {
      assert.ok(Math.abs(value - plain.data[index].embedding[at]) < 1e-6);
    });
  }
  assert.equal(packed.usage.total_tokens, packed.usage.prompt_tokens);
  const raw = await openai.embeddings.create({ model: VECTORS, input: 'x', encoding_format: 'base64' });
  assert.equal(Buffer.from(raw.data[0].embedding, 'base64').length, 384 * 4);
});

test('models', async () => {
  const names = (await collect(openai.models.list())).map((model) => model.id);
  assert.deepEqual(names.sort(), [VECTORS, CHAT, SCRIPTED].sort());
  assert.equal((await openai.models.retrieve(CHAT)).owned_by, 'novai');
  await assert.rejects(openai.models.retrieve('org/other'), OpenAI.NotFoundError);
});

test('unknown fields are named', async () => {
  const { response } = await openai.chat.completions.create({ ...HELLO, brand_new: 1 }).withResponse();
  assert.equal(response.headers.get('x-novai-ignored-params'), 'brand_new');
});
