// The Responses API of the official SDK: whole, streamed, with tools, with a schema, and from turn to turn.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CHAT, SCRIPTED, client, collect, script } from './novai.mjs';

const openai = client();
const TEXT = 'Hello, wörld 👋';
const HELLO = { model: SCRIPTED, input: script({ say: TEXT }) };
const CALL = { call: { name: 'weather', arguments: { city: 'Zürich' } } };
const TOOLS = [{ type: 'function', name: 'weather', parameters: { type: 'object' }, strict: false }];

test('a response', async () => {
  const response = await openai.responses.create(HELLO);
  assert.match(response.id, /^resp_/);
  assert.deepEqual([response.status, response.output_text], ['completed', TEXT]);
  assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
  assert.match(response._request_id, /^req_/);
});

test('a stream counts its events, and its helper makes the whole of them', async () => {
  const events = await collect(await openai.responses.create({ ...HELLO, stream: true }));
  assert.deepEqual(events.map((event) => event.sequence_number), events.map((_, at) => at));
  assert.deepEqual([events[0].type, events.at(-1).type], ['response.created', 'response.completed']);
  const deltas = events.filter((event) => event.type === 'response.output_text.delta').map((event) => event.delta);
  assert.equal(deltas.join(''), TEXT);
  const final = await openai.responses.stream(HELLO).finalResponse();
  assert.equal(final.output_text, TEXT);
});

test('a tool call goes back by the id of its response', async () => {
  const asked = { model: SCRIPTED, input: script(CALL), tools: TOOLS };
  for (const first of [await openai.responses.create(asked), await openai.responses.stream(asked).finalResponse()]) {
    const [call] = first.output.filter((item) => item.type === 'function_call');
    assert.deepEqual(JSON.parse(call.arguments), CALL.call.arguments);
    const second = await openai.responses.create({
      ...asked,
      previous_response_id: first.id,
      input: [
        { type: 'function_call_output', call_id: call.call_id, output: 'sunny' },
        { role: 'user', content: script({ say: TEXT }) },
      ],
    });
    assert.equal(second.output_text, TEXT);
  }
});

test('an answer is parsed into the schema it was held to', async () => {
  const Ticket = z.object({ priority: z.enum(['low', 'high']), open: z.boolean() });
  const { output_parsed } = await openai.responses.parse({
    model: CHAT,
    input: 'The login page is down.',
    text: { format: zodTextFormat(Ticket, 'ticket') },
  });
  assert.deepEqual(Ticket.parse(output_parsed), output_parsed);
});

test('errors', async () => {
  await assert.rejects(openai.responses.create({ ...HELLO, model: 'nope' }), OpenAI.NotFoundError);
  await assert.rejects(openai.responses.create({ ...HELLO, temperature: 3 }), OpenAI.BadRequestError);
  const stream = await openai.responses.create({
    model: SCRIPTED,
    input: script({ say: 'one ' }, { wait_ms: 100 }, { fail: 'broken' }),
    stream: true,
  });
  const types = [];
  await assert.rejects(async () => {
    for await (const event of stream) types.push(event.type);
  }, OpenAI.APIError);
  assert.ok(types.includes('response.output_text.delta'));
});
