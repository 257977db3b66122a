export type LogLevel = 'debug' | 'info' | 'off';
/** `console` is one. */
export interface Logger {
  info(message: string, details?: unknown): void;
  debug(message: string, details?: unknown): void;
}

const SECRET = new Set(['authorization', 'api-key', 'x-api-key', 'x-goog-api-key', 'cookie', 'set-cookie']);

/** Calls and their outcome. Never a key, and never what callers and models say to each other. */
export class Log {
  constructor(
    private readonly level: LogLevel,
    private readonly logger: Logger,
  ) {}

  sending(line: string, headers: Headers): void {
    if (this.level === 'debug') this.logger.debug(`novai: ${line}`, redacted(headers));
  }

  outcome(line: string): void {
    if (this.level !== 'off') this.logger.info(`novai: ${line}`);
  }
}

function redacted(headers: Headers): Record<string, string> {
  const shown: Record<string, string> = {};
  headers.forEach((value, name) => {
    shown[name] = SECRET.has(name) ? '***' : value;
  });
  return shown;
}
