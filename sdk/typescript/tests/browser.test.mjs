// The package in a page of a browser, at an origin that NovAI knows (CORS_ORIGINS), and at one that it does not.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { bundled } from './everywhere.mjs';

const { NOVAI_BASE_URL, NOVAI_API_KEY, CORS_ORIGINS: KNOWN } = process.env;
const UNKNOWN = 'http://elsewhere.novai.test'; // in a frame of the known one's page
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const CHROMIUM = process.env.PATH.split(delimiter)
  .flatMap((folder) => NAMES.map((name) => join(folder, name)))
  .find(existsSync);
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
const skip = (!NOVAI_BASE_URL && 'no NOVAI_BASE_URL') || (!CHROMIUM && 'no Chromium is installed');

/** Serves the page, and resolves with what both origins say they saw. */
async function pages(t, html) {
  const saw = {};
  const server = createServer(async (incoming, outgoing) => {
    if (incoming.method === 'GET') return outgoing.writeHead(200, { 'content-type': 'text/html' }).end(html);
    let report = '';
    for await (const piece of incoming) report += piece;
    outgoing.end();
    saw[incoming.headers.origin] = JSON.parse(report);
    if (Object.keys(saw).length === 2) server.emit('seen', saw);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: server.address().port, seen: once(server, 'seen') };
}

/** Opens the page. Rejects when the browser ends before the test does. */
function browse(t, port) {
  const profile = mkdtempSync(join(tmpdir(), 'novai-browser-'));
  const options = [`--user-data-dir=${profile}`, `--host-resolver-rules=MAP *.novai.test 127.0.0.1:${port}`];
  const browser = spawn(CHROMIUM, [...QUIET, ...options, KNOWN], { stdio: 'ignore' });
  t.after(async () => {
    const gone = once(browser, 'exit');
    browser.kill();
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });
  return once(browser, 'exit').then(() => assert.fail('the browser ended'));
}

test('a browser', { skip, timeout: 120_000 }, async (t) => {
  const options = JSON.stringify({ baseURL: NOVAI_BASE_URL, apiKey: NOVAI_API_KEY, maxRetries: 0 });
  const program = await bundled(`
    const saw = await everywhere(${options}).catch((error) => \`\${error.name}: \${error.message}\`);
    await fetch('/', { method: 'POST', body: JSON.stringify(saw) });`);
  const html = `<!doctype html><meta charset="utf-8"><script type="module">${program}</script>
    <script>if (origin !== '${UNKNOWN}') document.write('<iframe src="${UNKNOWN}"></iframe>')</script>`;
  const { port, seen } = await pages(t, html);
  const [saw] = await Promise.race([seen, browse(t, port)]);
  assert.deepEqual(saw[KNOWN], []);
  assert.match(saw[UNKNOWN], /^APIConnectionError: Connection to http:.* failed: Failed to fetch/);
});
