// The snippets of the README compile strictly, and run against a real NovAI.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(join(HERE, 'README.md'), 'utf8');
const SNIPPETS = [...README.matchAll(/## ([^\n]*)\n|```ts\n([^]*?)```/g)].reduce((found, [, title, code]) => {
  if (title) found.title = title;
  else found.push([found.title, code]);
  return found;
}, []);
const TOLD = process.env.NOVAI_BASE_URL;

test('the snippets of the README', { timeout: 300_000 }, async (t) => {
  assert.ok(SNIPPETS.length >= 8);
  const folder = mkdtempSync(join(HERE, 'tests/readme-')); // below the package, so that they import it by its name
  t.after(() => rmSync(folder, { recursive: true }));
  const files = SNIPPETS.map(([, code], n) => join(folder, `${n}.mts`));
  files.forEach((file, n) => writeFileSync(file, SNIPPETS[n][1]));
  const tsc = join(HERE, 'node_modules/typescript/bin/tsc');
  const options = ['--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node', '--skipLibCheck'];
  execFileSync(process.execPath, [tsc, ...options, ...files], { cwd: HERE, stdio: 'inherit' });
  for (const [n, [title]] of SNIPPETS.entries()) {
    await t.test(title, { skip: !TOLD && 'no NOVAI_BASE_URL' }, () => {
      execFileSync(process.execPath, [join(folder, `${n}.mjs`)], { stdio: ['ignore', 'ignore', 'inherit'] });
    });
  }
});
