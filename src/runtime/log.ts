import { createRequire } from 'node:module';
import { isatty } from 'node:tty';
import { pino, type Logger } from 'pino';

/**
 * The log: one JSON object a line on stdout, or the same in colours when stdout is a terminal. Lines are written
 * synchronously to file descriptor 1, so that worker threads need no help of the main thread and a crash loses none.
 */

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Fields first, then one plain sentence. An Error goes into `fields.error`. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A log whose every line carries `bindings` too. */
  child(bindings: object): Log;
}

export interface LogOptions {
  level: LogLevel;
  /** Who speaks: `engine`, `ingest`, `shard`, … */
  name: string;
  /** The worker thread's name, where it is not the main thread. */
  thread?: string;
  /** Colours and short lines instead of JSON; when absent, as stdout is a terminal or not. */
  pretty?: boolean;
  /** Takes whole lines; stdout when absent. */
  destination?: { write(line: string): void };
}

/** Loaded where somebody reads along: every thread has a log. */
const require = createRequire(import.meta.url);

export const REDACTED = '[redacted]';
const SECRET_KEY = /pass(?:word|wd|phrase)|secret|token|authorization|api[-_]?key|credential|cookie/i;
/** `scheme://user:password@host`: what stands between `//` and `@`. */
const URL_CREDENTIALS = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"\\]+@/gi;
/** What JSON leaves as it is and a terminal obeys: further control characters, and what turns the direction of a line. Whoever reads along sees them written out. */
const STEERING = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
/** Control characters as JSON writes them, behind no backslash of their own. Line ends and tabs are for stacks. */
const CONTROL_ESCAPE = /(?<!\\)((?:\\\\)*)\\(u00[0189][0-9a-f]|u007f|u20[26][0-9a-f]|[bfr])/g;
/** Log fields are shallow; what lies deeper is cut, so that a cyclic object cannot hang a thread. */
const FIELD_DEPTH_MAX = 6;

/**
 * Opens a log. Values of keys that look like secrets, and credentials inside URLs, are replaced in every line: fields,
 * bindings and message.
 */
export function createLog(options: LogOptions): Log {
  const bindings = options.thread === undefined ? {} : { thread: options.thread };
  return new PinoLog(
    pino(
      {
        name: options.name,
        level: options.level,
        base: bindings,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (level) => ({ level }), log: redactFields },
        hooks: { streamWrite: (line) => line.replace(URL_CREDENTIALS, `$1${REDACTED}@`).replace(STEERING, escaped) },
      },
      openDestination(options),
    ),
  );
}

class PinoLog implements Log {
  private readonly logger: Logger;

  constructor(logger: Logger) {
    this.logger = logger;
  }

  debug(fields: object, message: string): void {
    this.logger.debug(fields, message);
  }

  info(fields: object, message: string): void {
    this.logger.info(fields, message);
  }

  warn(fields: object, message: string): void {
    this.logger.warn(fields, message);
  }

  error(fields: object, message: string): void {
    this.logger.error(fields, message);
  }

  child(bindings: object): Log {
    // pino resets a bindings formatter in its children, so they are redacted here.
    return new PinoLog(this.logger.child(redactFields(bindings)));
  }
}

/** Says nothing; for tests. */
export const nullLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => nullLog,
};

function openDestination(options: LogOptions): { write(line: string): void } {
  const pretty = options.pretty ?? (options.destination === undefined && isatty(1));
  const lines = options.destination ?? pino.destination({ dest: 1, sync: true });
  if (!pretty) return lines;
  // In this thread, not as a pino transport: a transport is a worker of its own, and loses lines when the process dies.
  const { prettyFactory } = require('pino-pretty') as typeof import('pino-pretty');
  const prettify = prettyFactory({
    colorize: options.destination === undefined && isatty(1),
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    messageFormat: (entry, key) => String(entry[key]).replace(/\n+/g, ' '),
  });
  // Parsed, the escapes would be what they stand for.
  return { write: (line) => lines.write(prettify(line.replace(CONTROL_ESCAPE, '$1\\\\$2'))) };
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function redactFields(fields: object): Record<string, unknown> {
  return redact(fields, 0) as Record<string, unknown>;
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= FIELD_DEPTH_MAX) return '[deeper]';
  if (value instanceof Error) return redact(plainError(value), depth);
  if (value instanceof Date || value instanceof URL) return value.toJSON();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.map((element) => redact(element, depth + 1));
  const plain: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    plain[key] = SECRET_KEY.test(key) ? REDACTED : redact(inner, depth + 1);
  }
  return plain;
}

function plainError(error: Error): object {
  // Own fields such as `code` and `retryable` first: a field called `message` must not hide the error's.
  return { ...error, type: error.name, message: error.message, stack: error.stack, cause: error.cause };
}
