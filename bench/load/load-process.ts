import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { LoadEvent } from './load-events.ts';
import type { LoadOptions, LoadResult } from './fixed-rate.ts';

/** A sender as a process of its own: a script of this folder that takes `--options <JSON>` and prints its result as the last line. */

export interface LoadProcess<Result> {
  /** Rejects with what the process said when it fails. */
  result: Promise<Result>;
  /** Begins a load that was started with `waitsForStart`. */
  begin(): void;
}

export interface LoadProcessHooks {
  /** What the process says before its result. */
  onEvent?(event: LoadEvent): void;
  /** Ends the process; `result` rejects. */
  signal?: AbortSignal;
}

/** Kept for the message of a process that failed. */
const STDERR_CHARS_MAX = 10_000;
/** How a line begins that is not the result. */
const EVENT_LINE = '{"event":';

/** Starts `script`; `options` must be plain JSON. */
export function startLoad<Result>(script: string, options: object, hooks: LoadProcessHooks = {}): LoadProcess<Result> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url)), '--options', JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'pipe'] });
  // A process that is gone no longer listens; its end says why.
  child.stdin.on('error', () => {});
  const stop = (): void => void child.kill('SIGKILL');
  hooks.signal?.addEventListener('abort', stop);
  if (hooks.signal?.aborted) stop();
  const result = resultOf<Result>(child, script, hooks).finally(() => hooks.signal?.removeEventListener('abort', stop));
  return { result, begin: () => void child.stdin.end('begin\n') };
}

/** Runs `script` to its end. */
export function runLoadProcess<Result>(script: string, options: object, hooks: LoadProcessHooks = {}): Promise<Result> {
  return startLoad<Result>(script, options, hooks).result;
}

/** Runs fixed-rate.ts in its own process. */
export function sendLoad(options: LoadOptions, hooks: LoadProcessHooks = {}): Promise<LoadResult> {
  return runLoadProcess<LoadResult>('fixed-rate.ts', options, hooks);
}

function resultOf<Result>(child: ChildProcess, script: string, hooks: LoadProcessHooks): Promise<Result> {
  let last = '';
  let complaints = '';
  child.stderr!.on('data', (chunk: Buffer) => (complaints = (complaints + chunk.toString()).slice(-STDERR_CHARS_MAX)));
  createInterface({ input: child.stdout! }).on('line', (line) => {
    if (line.startsWith(EVENT_LINE)) hooks.onEvent?.(JSON.parse(line) as LoadEvent);
    else last = line;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // After `exit`, lines may still be on their way; after `close` all were read.
    child.once('close', (code, signal) => {
      if (hooks.signal?.aborted) reject(new Error(`${script} was stopped`));
      else if (code === 0 && last !== '') resolve(JSON.parse(last) as Result);
      else reject(new Error(`${script} ended with ${code ?? signal}: ${complaints}`));
    });
  });
}
