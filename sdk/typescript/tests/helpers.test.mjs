// Streams as events, schemas, tools: on transcripts and answers that a test writes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  APIConnectionError,
  APIError,
  APIResponseValidationError,
  ChatCompletionAccumulator,
  ContentFilterFinishReasonError,
  LengthFinishReasonError,
  MessageAccumulator,
  NovAIError,
  outputText,
  ResponseAccumulator,
  responseFormat,
  tool,
} from 'novai';
import { z } from 'zod';
import { chunk, collect, DONE, event, HELLO, json, serve, stream } from './fault_server.mjs';

const read = (name) => readFileSync(new URL(`../../../tests/sdk/golden/${name}.sse`, import.meta.url), 'utf8');
const golden = (name) => stream([read(name)]);
/** Its events. */
const transcript = (name) =>
  read(name)
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)));
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

for (const name of ['response_text', 'response_function_call', 'response_reasoning']) {
  test(`${name} is put together as the server puts it together`, () => {
    const accumulator = new ResponseAccumulator();
    const last = transcript(name).pop();
    for (const one of transcript(name).slice(0, -1)) assert.deepEqual(accumulator.add(one), [one]);
    assert.deepEqual(accumulator.snapshot.output, last.response.output);
  });
}

test('the summary of a reasoning grows while it streams', () => {
  const accumulator = new ResponseAccumulator();
  const add = (type, more) => accumulator.add({ type, output_index: 0, ...more });
  add('response.created', { response: { output: [] } });
  add('response.output_item.added', { item: { type: 'reasoning', summary: [], content: [] } });
  add('response.reasoning_summary_part.added', { summary_index: 0, part: { type: 'summary_text', text: '' } });
  for (const delta of ['one ', 'two']) add('response.reasoning_summary_text.delta', { summary_index: 0, delta });
  assert.equal(accumulator.snapshot.output[0].summary[0].text, 'one two');
});

test('a stream of a response is made into what the schema says', async (t) => {
  const output = [{ type: 'message', content: [{ type: 'output_text', text: '{"city":"Oslo","size":7}' }] }];
  const response = { output, incomplete_details: null, error: null };
  const failed = { ...response, error: { code: 'server_error', message: 'broken' } };
  const { client, requests } = await serve(
    t,
    stream([event({ type: 'response.completed', response }), DONE]),
    stream([event({ type: 'response.failed', response: failed }), DONE]),
  );
  const asked = { model: 'm', input: 'x', text: { format: City } };
  assert.deepEqual((await client().responses.stream(asked).finalResponse()).output_parsed, { city: 'Oslo', size: 7 });
  const { stream: streamed, text } = JSON.parse(requests[0].body);
  assert.deepEqual([streamed, text.format.type], [true, 'json_schema']);
  await assert.rejects(
    client().responses.stream(asked).finalResponse(),
    (error) => error instanceof APIError && /broken/.test(error.message),
  );
});

test('a message as events, and what it comes to', async (t) => {
  const { client, requests } = await serve(t, golden('message'));
  const answer = client().messages.stream({ ...HELLO, max_tokens: 9 });
  const listened = [];
  answer.on('text', ({ text }) => listened.push(text));
  const events = await collect(answer);
  const delta = ['content_block_delta', 'text'];
  assert.deepEqual(
    events.map(({ type }) => type),
    [
      'message_start',
      'content_block_start',
      ...delta,
      ...delta,
      ...delta,
      'content_block_stop',
      'message_delta',
      'message_stop',
    ],
  );
  const final = await answer.finalMessage();
  assert.equal(listened.join(''), 'Hello, wörld 👋');
  assert.equal(await answer.finalText(), 'Hello, wörld 👋');
  assert.deepEqual(events.at(-3).content_block, final.content[0]);
  assert.deepEqual(events.at(-1).message, final);
  assert.deepEqual([final.stop_reason, final.usage.output_tokens], ['end_turn', 3]);
  assert.equal(JSON.parse(requests[0].body).stream, true);
});

test('thinking and calls of tools of a message are put together', () => {
  const accumulator = new MessageAccumulator();
  const start = (index, content_block) => ({ type: 'content_block_start', index, content_block });
  const part = (index, type, fields) => ({ type: 'content_block_delta', index, delta: { type, ...fields } });
  const stop = (index) => ({ type: 'content_block_stop', index });
  const call = { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} };
  const events = [
    { type: 'message_start', message: { id: 'msg_1', content: [], usage: {} } },
    start(0, { type: 'thinking', thinking: '', signature: '' }),
    part(0, 'thinking_delta', { thinking: 'h' }),
    part(0, 'thinking_delta', { thinking: 'm' }),
    part(0, 'signature_delta', { signature: 's' }),
    stop(0),
    start(1, call),
    part(1, 'input_json_delta', { partial_json: '{"city": ' }),
    part(1, 'input_json_delta', { partial_json: '"Oslo"}' }),
    stop(1),
    start(2, call),
    stop(2),
  ].flatMap((one) => accumulator.add(one));
  const snapshots = (wanted) => events.filter(({ type }) => type === wanted).map(({ snapshot }) => snapshot);
  assert.deepEqual(
    [snapshots('thinking'), snapshots('input_json')],
    [
      ['h', 'hm'],
      ['{"city": ', '{"city": "Oslo"}'],
    ],
  );
  assert.deepEqual(accumulator.snapshot.content, [
    { type: 'thinking', thinking: 'hm', signature: 's' },
    { ...call, input: { city: 'Oslo' } },
    call,
  ]);
});

test('a message that breaks off has no final one', async (t) => {
  const [first, second] = transcript('message');
  const { client } = await serve(t, stream([event(first), event(second)]));
  const answer = client().messages.stream({ ...HELLO, max_tokens: 9 });
  await assert.rejects(answer.finalMessage(), APIConnectionError);
  assert.equal(answer.snapshot.id, 'msg-0');
});

test('vectors travel as base64, unless the caller names a format', async (t) => {
  const vector = [0.5, -1.25, 3];
  const packed = Buffer.from(new Float32Array(vector).buffer).toString('base64');
  const answer = (embedding) => json({ data: [{ index: 0, embedding }] });
  const { client, requests } = await serve(t, answer(packed), answer(vector), answer(packed), answer(vector));
  const ask = { model: 'm', input: 'x' };
  const call = client().embeddings.create(ask);
  assert.deepEqual((await call).data[0].embedding, vector);
  assert.equal((await call.withResponse()).request_id, 'req_1');
  assert.deepEqual((await client().embeddings.create(ask)).data[0].embedding, vector); // a server without base64
  const own = await client().embeddings.create({ ...ask, encoding_format: 'base64' });
  assert.equal(own.data[0].embedding, packed);
  await client().embeddings.create({ ...ask, encoding_format: 'float' });
  assert.deepEqual(
    requests.map(({ body }) => JSON.parse(body).encoding_format),
    ['base64', 'base64', 'base64', 'float'],
  );
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
