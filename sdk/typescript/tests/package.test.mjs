// The package as it is published: what is in it, how it loads, and how small it is.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { VERSION } from 'novai';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const MOST_BYTES = 15_000; // of a program that only chats: minified, compressed
const USE = `
const client = new NovAI({ apiKey: 'k', baseURL: 'http://127.0.0.1:1', maxRetries: 0 });
client.models.list().catch((error) => console.log(error instanceof APIConnectionError, error.name));
`;
const LOADED = {
  'esm.mjs': `import NovAI, { APIConnectionError } from 'novai'; ${USE}`,
  'cjs.cjs': `const { default: NovAI, APIConnectionError } = require('novai'); ${USE}`,
};
const TYPED =
  "import NovAI from 'novai'; export const id: Promise<string> = new NovAI().models.retrieve('m').then((model) => model.id);";

test('what npm packs loads as ESM and CommonJS, with types', { timeout: 120_000 }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'novai-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const run = (command, ...args) =>
    execFileSync(command, args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const [{ filename, files }] = JSON.parse(run('npm', 'pack', HERE, '--json', '--ignore-scripts'));
  const names = files.map(({ path }) => path);
  for (const name of ['README.md', 'api.md', 'dist/esm/index.js', 'dist/cjs/index.js', 'dist/cjs/package.json'])
    assert.ok(names.includes(name), name);
  assert.deepEqual(
    names.filter((name) => !/^(dist|src)\/|^(README|api)\.md$|^package\.json$/.test(name)),
    [],
  );
  const target = join(folder, 'node_modules/novai');
  mkdirSync(target, { recursive: true });
  run('tar', '-xzf', filename, '--strip-components=1', '-C', target);
  for (const [name, source] of Object.entries(LOADED)) {
    writeFileSync(join(folder, name), source);
    assert.equal(run(process.execPath, name), 'true APIConnectionError\n');
  }
  for (const name of ['typed.mts', 'typed.cts']) writeFileSync(join(folder, name), TYPED);
  const tsc = join(HERE, 'node_modules/typescript/bin/tsc');
  for (const module of ['nodenext', 'preserve']) {
    run(
      process.execPath,
      tsc,
      '--strict',
      '--noEmit',
      '--target',
      'es2022',
      '--module',
      module,
      'typed.mts',
      'typed.cts',
    );
  }
});

test('it depends on nothing, and imports nothing of Node', async () => {
  const description = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
  assert.equal(description.dependencies, undefined);
  assert.equal(description.version, VERSION);
  const { metafile } = await bundle("export * from 'novai'");
  const foreign = Object.values(metafile.inputs).flatMap(({ imports }) => imports.filter(({ external }) => external));
  assert.deepEqual(foreign, []);
});

test('a program that chats is small', async (t) => {
  const { outputFiles } = await bundle(
    "import NovAI from 'novai'; await new NovAI().chat.completions.create({ model: 'm', messages: [] });",
  );
  const size = gzipSync(outputFiles[0].contents).length;
  t.diagnostic(`${size} bytes`);
  assert.ok(size <= MOST_BYTES, `${size}`);
});

const bundle = (contents) =>
  build({
    stdin: { contents, resolveDir: HERE },
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    metafile: true,
  });
