// Where NovAI is, and what several files of tests need.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

export const { NOVAI_BASE_URL: baseURL, NOVAI_API_KEY: apiKey, NOVAI_ADMIN_KEY: adminKey } = process.env;
export const CHAT = 'novai-tiny'; // real weights
export const SCRIPTED = 'scripted'; // does what its last user message says
export const VECTORS = 'all-MiniLM-L6-v2';

/** The official SDK. It tries once, unless a test says otherwise. */
export const client = (options) => new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000, ...options });

export const user = (content) => [{ role: 'user', content }];
export const script = (...steps) => `script:${JSON.stringify(steps)}`;
export const scripted = (...steps) => ({ model: SCRIPTED, messages: user(script(...steps)) });

export async function collect(stream) {
  const items = [];
  for await (const item of stream) items.push(item);
  return items;
}

/** A `fetch` that keeps the status and the retry count of every try. */
export function recording() {
  const tries = [];
  const recorded = async (url, init) => {
    const answer = await fetch(url, init);
    tries.push({ status: answer.status, retry: new Headers(init.headers).get('x-stainless-retry-count') });
    return answer;
  };
  return { tries, fetch: recorded };
}

/** A call of what the SDKs do not know. */
export async function call(method, url, key, body) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.text();
  assert.equal(answer.status, 200, `${method} ${url}: ${answer.status} ${said}`);
  return JSON.parse(said);
}

const manage = (method, path, body) => call(method, baseURL.replace(/v1$/, 'admin/v1') + path, adminKey, body);

/** The key of a new project that has these limits, once they are in force. */
export async function limitedKey(...limits) {
  const project = await manage('POST', '/projects', { name: `clients ${crypto.randomUUID()}` });
  const { key } = await manage('POST', '/keys', { project: project.id, name: 'limited' });
  await manage('PUT', '/limits', { project: project.id, limits });
  await until(async () => {
    const standing = (await call('GET', `${baseURL}/limits?model=${SCRIPTED}`, key)).limits;
    return limits.every(({ name, limit }) => standing.some((row) => row.name === name && row.limit === limit));
  });
  return key;
}

/** Waits for what another process brings about. */
export async function until(condition, limitMs = 20_000) {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
