// Streams as events, schemas, tools: on transcripts and answers that a test writes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  APIError,
  APIResponseValidationError,
  ChatCompletionAccumulator,
  ContentFilterFinishReasonError,
  LengthFinishReasonError,
  NovAIError,
  outputText,
  responseFormat,
  tool,
} from 'novai';
import { z } from 'zod';
import { chunk, collect, DONE, event, HELLO, json, serve, stream } from './fault_server.mjs';

const golden = (name) => stream([readFileSync(new URL(`../../../tests/sdk/golden/${name}.sse`, import.meta.url))]);
const completion = (message, finish_reason = 'stop') => ({
  id: 'chatcmpl-1',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: null, refusal: null, ...message },
      logprobs: null,
      finish_reason,
    },
  ],
});
const City = z.object({ city: z.string(), size: z.number().int() });

test('a stream of text as events, and the completion it comes to', async (t) => {
  const { client, requests } = await serve(t, golden('chat_text'));
  const answer = client().chat.completions.stream(HELLO);
  const listened = [];
  answer.on('content.delta', ({ delta }) => listened.push(delta));
  const events = await collect(answer);
  const deltas = events.filter(({ type }) => type === 'content.delta');
  const final = await answer.finalCompletion();
  const { content, parsed } = final.choices[0].message;
  assert.ok(content.startsWith('Hello, wörld 👋'));
  assert.equal(parsed, null);
  assert.equal(listened.join(''), content);
  assert.equal(deltas.at(-1).snapshot, content);
  assert.deepEqual(
    events.filter(({ type }) => type === 'content.done'),
    [{ type: 'content.done', choice: 0, content }],
  );
  assert.ok(final.usage.total_tokens > 0);
  assert.equal(final.choices[0].finish_reason, 'stop');
  assert.equal(final.object, 'chat.completion');
  const { stream: streamed, stream_options } = JSON.parse(requests[0].body);
  assert.deepEqual([streamed, stream_options], [true, { include_usage: true }]);
});

test('calls of tools as events', async (t) => {
  const { client } = await serve(t, golden('chat_calls'));
  const answer = client().chat.completions.stream(HELLO);
  const done = (await collect(answer)).filter(({ type }) => type.endsWith('.done'));
  assert.deepEqual(
    done.map(({ type, index, name }) => [type, index, name]),
    [
      ['content.done', undefined, undefined],
      ['tool_calls.function.arguments.done', 0, 'weather'],
      ['tool_calls.function.arguments.done', 1, 'weather'],
    ],
  );
  assert.deepEqual(JSON.parse(done[2].arguments), { city: 'Zürich', note: 'a\nb: c' });
  const [{ message }] = (await answer.finalCompletion()).choices;
  assert.equal(message.tool_calls.length, 2);
  assert.equal(message.tool_calls[1].function.arguments, done[2].arguments);
});

test('several choices, reasoning, refusals and logprobs are put together', () => {
  const accumulator = new ChatCompletionAccumulator();
  assert.equal(accumulator.snapshot, undefined);
  const token = (name) => ({ token: name, logprob: -1, bytes: null, top_logprobs: [] });
  const part = (index, delta, more) => ({
    ...chunk({}),
    choices: [{ index, delta, logprobs: null, finish_reason: null, ...more }],
  });
  const events = [
    part(0, { role: 'assistant', reasoning_content: 'hm' }),
    part(1, { refusal: 'I ' }),
    part(0, { content: 'a' }, { logprobs: { content: [token('a')], refusal: null } }),
    part(1, { refusal: 'cannot' }, { finish_reason: 'content_filter' }),
    part(0, { content: 'b' }, { logprobs: { content: [token('b')], refusal: null }, finish_reason: 'length' }),
  ].flatMap((one) => accumulator.add(one));
  assert.deepEqual(
    events
      .map(({ type, choice }) => (choice === undefined ? type : `${type} ${choice}`))
      .filter((type) => type !== 'chunk'),
    [
      'reasoning.delta 0',
      'refusal.delta 1',
      'reasoning.done 0',
      'content.delta 0',
      'logprobs.content.delta 0',
      'refusal.delta 1',
      'refusal.done 1',
      'content.delta 0',
      'logprobs.content.delta 0',
      'content.done 0',
      'logprobs.content.done 0',
    ],
  );
  const [first, second] = accumulator.snapshot.choices;
  assert.deepEqual(
    [first.message.reasoning_content, first.message.content, first.finish_reason],
    ['hm', 'ab', 'length'],
  );
  assert.deepEqual(
    first.logprobs.content.map((one) => one.token),
    ['a', 'b'],
  );
  assert.deepEqual([second.message.refusal, second.message.content], ['I cannot', null]);
});

test('a stream that is left, fails or is aborted has no final completion', async (t) => {
  const { client, requests } = await serve(
    t,
    stream([event(chunk({ content: 'a' }))], { end: false }),
    golden('chat_failure'),
  );
  const left = client().chat.completions.stream(HELLO);
  for await (const { type } of left) if (type === 'chunk') break;
  assert.equal(left.snapshot.choices[0].message.content, 'a');
  await assert.rejects(left.finalCompletion(), NovAIError);
  await requests[0].left;
  await assert.rejects(
    client().chat.completions.stream(HELLO).finalCompletion(),
    (error) => error instanceof APIError && error.code === 'upstream_error',
  );
});

test('an answer is made into what the schema says', async (t) => {
  const { client, requests } = await serve(t, json(completion({ content: '{"city":"Oslo","size":7}' })));
  const answer = client().chat.completions.parse({ ...HELLO, response_format: City });
  assert.deepEqual((await answer).choices[0].message.parsed, { city: 'Oslo', size: 7 });
  const { json_schema } = JSON.parse(requests[0].body).response_format;
  assert.deepEqual(
    [json_schema.name, json_schema.strict, json_schema.schema.additionalProperties],
    ['answer', true, false],
  );
  assert.deepEqual(json_schema.schema.required, ['city', 'size']);
  assert.equal((await answer.withResponse()).request_id, 'req_1');
});

test('a stream is made into what the schema says', async (t) => {
  const pieces = ['{"city":', '"Oslo","size":7}'].map((content) => event(chunk({ content })));
  const { client } = await serve(t, stream([...pieces, event(chunk({}, 'stop')), DONE]));
  const final = await client()
    .chat.completions.stream({ ...HELLO, response_format: City })
    .finalCompletion();
  assert.deepEqual(final.choices[0].message.parsed, { city: 'Oslo', size: 7 });
});

for (const [what, answer, error] of [
  ['does not match', completion({ content: '{"city":"Oslo","size":"big"}' }), APIResponseValidationError],
  ['is no JSON', completion({ content: 'Oslo' }), APIResponseValidationError],
  ['was cut', completion({ content: '{"city"' }, 'length'), LengthFinishReasonError],
  ['was withheld', completion({ content: '' }, 'content_filter'), ContentFilterFinishReasonError],
]) {
  test(`an answer that ${what} is not parsed`, async (t) => {
    const { client } = await serve(t, json(answer));
    await assert.rejects(client().chat.completions.parse({ ...HELLO, response_format: City }), error);
  });
}

test('refusals and calls of tools are not parsed', async (t) => {
  const call = { id: 'call_1', type: 'function', function: { name: 'x', arguments: '{}' } };
  const { client } = await serve(
    t,
    json(completion({ refusal: 'no' })),
    json(completion({ content: '', tool_calls: [call] }, 'tool_calls')),
  );
  for (let n = 0; n < 2; n++) {
    const { choices } = await client().chat.completions.parse({ ...HELLO, response_format: City });
    assert.equal(choices[0].message.parsed, null);
  }
});

test('any Standard Schema will do, if it can say itself', () => {
  const standard = { version: 1, vendor: 'test', validate: (value) => ({ value }) };
  const schema = { type: 'object', properties: { a: { type: 'array', items: { type: 'object', properties: {} } } } };
  const closed = {
    ...schema,
    additionalProperties: false,
    properties: { a: { type: 'array', items: { type: 'object', properties: {}, additionalProperties: false } } },
  };
  for (const one of [
    { '~standard': standard, toJSONSchema: () => schema },
    { '~standard': { ...standard, jsonSchema: { input: () => schema } } },
  ]) {
    assert.deepEqual(responseFormat(one, 'thing').json_schema, { name: 'thing', schema: closed, strict: true });
  }
  assert.throws(() => responseFormat({ '~standard': standard }), NovAIError);
});

test('tools are run until the model answers', async (t) => {
  const calls = [
    ['weather', '{"city":"Oslo"}'],
    ['weather', '{"city":7}'],
    ['nothing', '{}'],
  ].map(([name, args], n) => {
    return { id: `call_${n}`, type: 'function', function: { name, arguments: args } };
  });
  const { client, requests } = await serve(
    t,
    json(completion({ tool_calls: calls }, 'tool_calls')),
    json(completion({ content: 'Rain.' })),
  );
  const weather = tool({
    name: 'weather',
    description: 'Now',
    parameters: z.object({ city: z.string() }),
    run: ({ city }) => ({ city, sky: 'rain' }),
  });
  const { completion: last, messages } = await client().chat.completions.runTools({ ...HELLO, tools: [weather] });
  assert.equal(last.choices[0].message.content, 'Rain.');
  assert.deepEqual(
    messages.map(({ role }) => role),
    ['user', 'assistant', 'tool', 'tool', 'tool', 'assistant'],
  );
  const told = JSON.parse(requests[1].body).messages.slice(2);
  assert.deepEqual(told[0], { role: 'tool', tool_call_id: 'call_0', content: '{"city":"Oslo","sky":"rain"}' });
  assert.match(told[1].content, /does not match the schema: city/);
  assert.match(told[2].content, /no tool nothing/);
  assert.deepEqual(Object.keys(JSON.parse(requests[0].body).tools[0]), ['type', 'function']);
});

test('a model that never stops calling is stopped', async (t) => {
  const call = { id: 'c', type: 'function', function: { name: 'x', arguments: '{}' } };
  const { client, requests } = await serve(t, json(completion({ tool_calls: [call] }, 'tool_calls')));
  const x = tool({ name: 'x', parameters: z.object({}), run: () => undefined });
  await assert.rejects(client().chat.completions.runTools({ ...HELLO, tools: [x] }, { maxRounds: 3 }), NovAIError);
  assert.equal(requests.length, 3);
});

test('a response as events, and what it comes to', async (t) => {
  const { client } = await serve(t, golden('response_text'));
  const answer = client().responses.stream({ model: 'm', input: 'hello' });
  const types = (await collect(answer)).map(({ type }) => type);
  assert.deepEqual([types[0], types.at(-1)], ['response.created', 'response.completed']);
  const response = await answer.finalResponse();
  assert.equal(response.status, 'completed');
  assert.ok(outputText(response).length > 0);
});

test('a response is made into what the schema says', async (t) => {
  const message = { type: 'message', content: [{ type: 'output_text', text: '{"city":"Oslo","size":7}' }] };
  const { client, requests } = await serve(
    t,
    json({ output: [message], incomplete_details: null }),
    json({ output: [], incomplete_details: { reason: 'max_output_tokens' } }),
  );
  const asked = { model: 'm', input: 'x', text: { format: City } };
  assert.deepEqual((await client().responses.parse(asked)).output_parsed, { city: 'Oslo', size: 7 });
  assert.equal(JSON.parse(requests[0].body).text.format.type, 'json_schema');
  await assert.rejects(client().responses.parse(asked), LengthFinishReasonError);
});
