// What differs between Node, Deno, Bun and browsers. Nothing else in this package knows where it runs.
interface Globals {
  process?: { env?: Record<string, string | undefined>; versions?: { node?: string } };
  Deno?: { env: { get(name: string): string | undefined }; version: { deno: string } };
  Bun?: { version: string };
}

const here = globalThis as Globals;

export function env(name: string): string | undefined {
  const value = here.Deno ? here.Deno.env.get(name) : here.process?.env?.[name];
  return value?.trim() || undefined;
}

/** `node/22.1.0`. */
export function runtime(): string {
  if (here.Deno) return `deno/${here.Deno.version.deno}`;
  if (here.Bun) return `bun/${here.Bun.version}`;
  if (here.process?.versions?.node) return `node/${here.process.versions.node}`;
  return 'browser';
}

/** 128 random bits in hex. `crypto.randomUUID` is not there on pages without TLS. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
