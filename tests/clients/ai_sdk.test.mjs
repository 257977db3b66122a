// The AI SDK with its providers: Chat Completions by both, and Responses, which `openai(model)` takes by itself.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embed, embedMany, generateText, isStepCount, streamText, tool } from 'ai';
import { z } from 'zod';
import { CHAT, SCRIPTED, VECTORS, apiKey, baseURL, collect, script } from './novai.mjs';

const compatible = createOpenAICompatible({
  name: 'novai',
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const official = createOpenAI({ baseURL, apiKey });
const PROVIDERS = {
  '@ai-sdk/openai-compatible': { chat: compatible, vectors: compatible.embeddingModel(VECTORS) },
  '@ai-sdk/openai, chat': { chat: official.chat, vectors: official.embedding(VECTORS) },
  '@ai-sdk/openai, responses': { chat: official, vectors: official.embedding(VECTORS) },
};
const Ticket = z.object({ priority: z.enum(['low', 'high']), open: z.boolean() });
const CALL = { call: { name: 'weather', arguments: { city: 'Zürich' } } };

for (const [name, { chat, vectors }] of Object.entries(PROVIDERS)) {
  suite(name, () => {
    const said = (...steps) => ({ model: chat(SCRIPTED), prompt: script(...steps), maxRetries: 0 });

    test('a text', async () => {
      const { text, usage, finishReason, response } = await generateText(said({ say: 'Hello, wörld 👋' }));
      assert.deepEqual([text, finishReason], ['Hello, wörld 👋', 'stop']);
      assert.equal(usage.outputTokens, 3);
      assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
      assert.match(response.id, /^(chatcmpl-|resp_)/);
    });

    test('a stream', async () => {
      const result = streamText(said({ say: 'Hello, wörld 👋' }));
      assert.equal((await collect(result.textStream)).join(''), 'Hello, wörld 👋');
      assert.equal(await result.finishReason, 'stop');
      assert.equal((await result.usage).outputTokens, 3);
    });

    test('real weights', async () => {
      const { text } = await generateText({ model: chat(CHAT), prompt: 'How do I create an API key?', temperature: 0 });
      assert.match(text, /novai keys create/);
    });

    test('a tool is called, whole and streamed, and its result sent back', async () => {
      const cities = [];
      const weather = tool({
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => cities.push(city) && { sky: 'blue' },
      });
      const options = { ...said({ say: 'Let me see. ' }, CALL), tools: { weather }, stopWhen: isStepCount(2) };
      const whole = await generateText(options);
      assert.deepEqual(whole.steps.map((step) => step.finishReason), ['tool-calls', 'tool-calls']);
      const streamed = streamText(options);
      const parts = await collect(streamed.fullStream);
      assert.deepEqual(parts.filter((part) => part.type === 'error'), []);
      const pieces = parts.filter((part) => part.type === 'tool-input-delta').map((part) => part.delta);
      assert.deepEqual(pieces.join(''), '{"city":"Zürich"}'.repeat(2));
      assert.deepEqual(cities, ['Zürich', 'Zürich', 'Zürich', 'Zürich']);
    });

    test('a tool that must be called is called', async () => {
      const weather = tool({ inputSchema: z.object({ unit: z.enum(['C', 'F']) }) });
      const { toolCalls } = await generateText({
        model: chat(CHAT),
        prompt: 'Hello',
        tools: { weather },
        toolChoice: 'required',
        seed: 1,
        maxOutputTokens: 300,
      });
      assert.ok(toolCalls.length > 0);
      for (const call of toolCalls) assert.ok(['C', 'F'].includes(call.input.unit));
    });

    test('an object, whole and streamed', async () => {
      const options = { model: chat(CHAT), prompt: 'The login page is down.', output: Output.object({ schema: Ticket }) };
      Ticket.parse((await generateText(options)).output);
      const streamed = streamText(options);
      const snapshots = await collect(streamed.partialOutputStream);
      Ticket.parse(await streamed.output);
      Ticket.parse(snapshots.at(-1));
    });

    test('an error before the first token', async () => {
      await assert.rejects(generateText({ model: chat('nope'), prompt: 'x', maxRetries: 0 }), (error) => {
        assert.ok(APICallError.isInstance(error), `${error}`);
        assert.deepEqual([error.statusCode, error.isRetryable], [404, false]);
        assert.match(error.message, /does not exist/);
        assert.match(error.responseHeaders['x-request-id'], /^req_/);
        return true;
      });
      await assert.rejects(generateText(said({ fail: 'broken' })), (error) => error.statusCode === 502 && error.isRetryable);
    });

    test('an error after the first token is a part of the stream', async () => {
      const heard = [];
      const { fullStream } = streamText({
        ...said({ say: 'one ' }, { wait_ms: 100 }, { fail: 'broken' }),
        onError: ({ error }) => heard.push(error),
      });
      const parts = await collect(fullStream);
      assert.ok(parts.some((part) => part.type === 'text-delta' && part.text === 'one '));
      assert.equal(parts.filter((part) => part.type === 'error').length, 1);
      assert.equal(heard.length, 1);
    });

    test('an abort in the middle', async () => {
      const controller = new AbortController();
      const { fullStream } = streamText({ ...said({ say: 'one ' }, { hang: true }), abortSignal: controller.signal });
      const kinds = [];
      for await (const part of fullStream) {
        kinds.push(part.type);
        if (part.type === 'text-delta') controller.abort();
      }
      assert.equal(kinds.at(-1), 'abort');
    });

    test('embeddings', async () => {
      const { embeddings, usage } = await embedMany({ model: vectors, values: ['one', 'two', 'three'] });
      const { embedding } = await embed({ model: vectors, value: 'two' });
      assert.equal(embeddings.length, 3);
      assert.ok(usage.tokens > 0);
      embedding.forEach((value, at) => assert.ok(Math.abs(value - embeddings[1][at]) < 1e-5));
    });
  });
}
