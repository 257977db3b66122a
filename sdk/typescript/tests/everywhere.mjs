// What has to work wherever the package runs, with a NovAI and its demo models: a program, bundled for the web.
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const PROGRAM = `
import { NovAI, toFile } from 'novai';

/** The names of what does not work. */
export async function everywhere(options) {
  const client = new NovAI(options);
  const ask = { model: 'novai-tiny', messages: [{ role: 'user', content: 'How do I create an API key?' }] };
  const short = { ...ask, temperature: 0, max_tokens: 12 };
  const { data: whole, request_id } = await client.chat.completions.create(short).withResponse();
  const { content } = whole.choices[0].message;
  let streamed = '';
  for await (const { choices } of await client.chat.completions.create({ ...short, stream: true })) {
    streamed += choices[0]?.delta.content ?? '';
  }
  for await (const _ of await client.chat.completions.create({ ...ask, stream: true })) break;
  const final = await client.chat.completions.stream(short).finalCompletion();
  const message = await client.messages.stream({ ...ask, max_tokens: 4 }).finalMessage();
  const { data } = await client.embeddings.create({ model: 'all-MiniLM-L6-v2', input: ['a cat', 'a feline'] });
  const models = [];
  for await (const { id } of client.models.list()) models.push(id);
  const { id } = await client.files.create({ file: await toFile('wörds', 'a.txt'), purpose: 'user_data' });
  const file = await (await client.files.content(id)).text();
  const failed = (call) => call.then(() => null, (error) => error);
  const gone = await failed(client.models.retrieve('none'));
  const foreign = await failed(client.withOptions({ apiKey: 'sk-novai-wrong' }).models.list());
  const aborted = await failed(client.models.list({ signal: AbortSignal.abort() }));
  const works = {
    chat: content.length > 0,
    'the same streamed': streamed === content && final.choices[0].message.content === content,
    message: message.usage.output_tokens > 0,
    vectors: data.every(({ embedding }) => embedding.length === 384 && embedding.every(Number.isFinite)),
    models: models.includes(ask.model),
    files: file === 'wörds' && (await client.files.delete(id)).deleted,
    headers: [request_id, gone.requestId, foreign.requestId].every((id) => /^req_/.test(id)),
    errors:
      gone instanceof NovAI.NotFoundError &&
      gone.code === 'model_not_found' &&
      foreign instanceof NovAI.AuthenticationError &&
      aborted instanceof NovAI.APIUserAbortError,
  };
  return Object.keys(works).filter((name) => !works[name]);
}
`;

/** `after` is what uses `everywhere(options)`. One module, which imports nothing. */
export async function bundled(after, program = PROGRAM) {
  const stdin = { contents: `${program}\n${after}`, resolveDir: fileURLToPath(new URL('..', import.meta.url)) };
  const made = await build({
    stdin,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
  });
  return made.outputFiles[0].text;
}
