// Structured output and strict tools of the official SDK, on real weights that are held to them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodFunction, zodResponseFormat } from 'openai/helpers/zod';
import { z } from 'zod';
import { CHAT, client, user } from './novai.mjs';

const openai = client();
const Ticket = z.object({
  priority: z.enum(['low', 'high']),
  open: z.boolean(),
  count: z.number().int().min(0).max(99),
  tags: z.array(z.enum(['bug', 'question'])).max(3),
});
const asked = { model: CHAT, messages: user('The login page is down.'), max_tokens: 300 };
const Weather = zodFunction({ name: 'weather', parameters: z.object({ unit: z.enum(['C', 'F']), days: z.number().int() }) });

test('an answer is parsed into the schema it was held to', async () => {
  for (const seed of [1, 2, 3]) {
    const { choices } = await openai.chat.completions.parse({
      ...asked,
      seed,
      response_format: zodResponseFormat(Ticket, 'ticket'),
    });
    assert.equal(choices[0].finish_reason, 'stop');
    assert.deepEqual(Ticket.parse(choices[0].message.parsed), choices[0].message.parsed);
  }
});

test('a stream is parsed on the way and at its end', async () => {
  const stream = openai.chat.completions.stream({ ...asked, response_format: zodResponseFormat(Ticket, 'ticket') });
  const snapshots = [];
  stream.on('content.delta', ({ parsed }) => snapshots.push(parsed));
  const { message } = (await stream.finalChatCompletion()).choices[0];
  Ticket.parse(message.parsed);
  assert.ok(snapshots.some((snapshot) => snapshot && Object.keys(snapshot).length > 0));
});

test('an answer that was cut is not parsed', async () => {
  const cut = { ...asked, max_tokens: 3, response_format: zodResponseFormat(Ticket, 'ticket') };
  await assert.rejects(openai.chat.completions.parse(cut), OpenAI.LengthFinishReasonError ?? /length/i);
});

test('a schema that cannot be held is refused by name', async () => {
  const schema = { type: 'object', properties: { x: { type: 'string', pattern: '(?=a)b' } } };
  const format = { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } };
  await assert.rejects(openai.chat.completions.create({ ...asked, response_format: format }), (error) => {
    assert.ok(error instanceof OpenAI.BadRequestError);
    assert.match(error.error.message, /^Invalid schema for response_format/);
    return true;
  });
});

test('JSON without a schema is JSON', async () => {
  const { choices } = await openai.chat.completions.create({
    model: CHAT,
    messages: user('Give me JSON with the keys name and age: Anna is 30.'),
    temperature: 0,
    response_format: { type: 'json_object' },
  });
  assert.equal(typeof JSON.parse(choices[0].message.content), 'object');
});

for (const choice of ['required', { type: 'function', function: { name: 'weather' } }]) {
  test(`a strict tool is called when ${JSON.stringify(choice)} says so, whole and streamed`, async () => {
    const body = { ...asked, seed: 1, tools: [Weather], tool_choice: choice, parallel_tool_calls: false };
    const whole = await openai.chat.completions.parse(body);
    const streamed = await openai.chat.completions.stream(body).finalChatCompletion();
    for (const { message, finish_reason } of [whole.choices[0], streamed.choices[0]]) {
      assert.equal(finish_reason, 'tool_calls');
      const [{ function: called }] = message.tool_calls;
      assert.equal(called.name, 'weather');
      assert.ok(['C', 'F'].includes(called.parsed_arguments.unit));
      assert.ok(Number.isInteger(called.parsed_arguments.days));
    }
  });
}
