// What the types promise. tsc is the test: an `@ts-expect-error` without an error is one.
import NovAI, {
  type APIPromise,
  type ChatCompletion,
  type ChatCompletionChunk,
  type ChatStreamEvent,
  type Message,
  type MessageStreamEvent,
  type Model,
  type ModelList,
  type Page,
  type params,
  type ParsedChatCompletion,
  type Response as NovAIResponse,
  type ResponseStreamEvent,
  type Stream,
  tool,
} from 'novai';
import { z } from 'zod';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles where the value is of exactly the type: `is<Type>()(value)`. */
const is =
  <Expected>() =>
  <Actual>(_: Actual, ..._same: Same<Actual, Expected> extends true ? [] : [never]): void => {};

const client = new NovAI();
const ask = { model: 'm', messages: [{ role: 'user', content: 'hello' }] } satisfies params.ChatCompletionRequest;
const City = z.object({ city: z.string(), size: z.number().optional() });
type City = { city: string; size?: number | undefined };
declare const perhaps: boolean;

export async function streams(): Promise<void> {
  is<APIPromise<ChatCompletion>>()(client.chat.completions.create(ask));
  is<APIPromise<ChatCompletion>>()(client.chat.completions.create({ ...ask, stream: false }));
  is<APIPromise<Stream<ChatCompletionChunk>>>()(client.chat.completions.create({ ...ask, stream: true }));
  is<APIPromise<ChatCompletion | Stream<ChatCompletionChunk>>>()(
    client.chat.completions.create({ ...ask, stream: perhaps }),
  );
  is<Stream<ResponseStreamEvent>>()(await client.responses.create({ model: 'm', input: 'x', stream: true }));
  is<NovAIResponse>()(await client.responses.create({ model: 'm', input: 'x' }));
  is<Stream<MessageStreamEvent>>()(await client.messages.create({ ...ask, max_tokens: 1, stream: true }));
  is<Message>()(await client.messages.create({ ...ask, max_tokens: 1 }));
  for await (const event of client.chat.completions.stream(ask)) {
    is<ChatStreamEvent>()(event);
    if (event.type === 'content.delta') is<string>()(event.snapshot);
  }
  client.chat.completions
    .stream(ask)
    .on('tool_calls.function.arguments.done', (event) => is<string>()(event.arguments));
}

export async function answers(): Promise<void> {
  const { data, request_id } = await client.models.list().withResponse();
  is<Page<Model> & ModelList>()(data);
  is<string | null>()(request_id);
  for await (const model of client.models.list()) is<Model>()(model);
  for await (const model of data) is<Model>()(model);
  is<Response>()(await client.models.list().asResponse());
  is<unknown>()(await client.get('/v1/other'));
  is<{ a: 1 }>()(await client.post<{ a: 1 }>('/v1/other'));
}

export async function schemas(): Promise<void> {
  const answer = await client.chat.completions.parse({ ...ask, response_format: City });
  is<ParsedChatCompletion<City>>()(answer);
  is<City | null | undefined>()(answer.choices[0]?.message.parsed);
  const final = await client.chat.completions.stream({ ...ask, response_format: City }).finalCompletion();
  is<City | null | undefined>()(final.choices[0]?.message.parsed);
  is<City | null>()((await client.responses.parse({ model: 'm', input: 'x', text: { format: City } })).output_parsed);
  tool({ name: 'x', parameters: City, run: (args) => is<City>()(args) });
}

export async function conversations(): Promise<void> {
  const messages: params.ChatMessage[] = [...ask.messages];
  const { choices } = await client.chat.completions.create({ ...ask, messages });
  if (choices[0]) messages.push(choices[0].message); // what was answered may be sent back
  messages.push({ role: 'tool', tool_call_id: 'call_1', content: 'x' });
  const input: params.ResponseInputItem[] = [{ role: 'user', content: 'x' }];
  input.push(...(await client.responses.create({ model: 'm', input })).output);
}

export function mistakes(): void {
  // @ts-expect-error a role that there is not
  client.chat.completions.create({ model: 'm', messages: [{ role: 'boss', content: 'x' }] });
  // @ts-expect-error the answer of a tool to no call
  client.chat.completions.create({ model: 'm', messages: [{ role: 'tool', content: 'x' }] });
  // @ts-expect-error a misspelt field
  client.chat.completions.create({ ...ask, temprature: 1 });
  // @ts-expect-error a choice that there is not
  client.chat.completions.create({ ...ask, tool_choice: 'maybe' });
  // @ts-expect-error no model
  client.chat.completions.create({ messages: ask.messages });
  // @ts-expect-error a method that there is not
  client.models.create({});
  // @ts-expect-error an option that there is not
  client.models.list({ retries: 1 });
  // @ts-expect-error null is no number of retries
  new NovAI({ maxRetries: null });
}
