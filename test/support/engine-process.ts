import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';

/** Real engines and `seg` commands as processes of their own, each stopped by its own pid. */

export const REPOSITORY = resolve(import.meta.dirname, '../..');
const MAIN = join(REPOSITORY, 'src/seg.mjs');
const QUICK_PASSWORD_HASHES = 'quick-password-hashes.mjs';

/** Two cores shared with other suites: a start takes one second on them alone, ten of those when they are busy. */
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;

export interface LogLine {
  level: string;
  name: string;
  msg: string;
  thread?: string;
  ports?: EnginePorts;
  [field: string]: unknown;
}

export interface EnginePorts {
  ingest: number;
  http: number;
  ops: number;
}

export interface CommandEnd {
  /** Exit code; null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

/** SEG_ variables by name without the prefix: `{ SHARDS: '3' }`. */
export type Settings = Readonly<Record<string, string>>;

export interface EngineOptions {
  dataDir?: string;
  settings?: Settings;
  /** Passwords are hashed at a fraction of the cost: where a test is of something else, and no `seg` command and no other engine has to do with these passwords. */
  quickPasswordHashes?: boolean;
  /** Modules of this directory that each of its threads loads first. */
  preloads?: readonly string[];
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'seg-e2e-'));
}

export function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** A port that nobody listens on at this moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Runs `seg` with these arguments to its end. `cwd` keeps a seg.config.json of the repository out. */
export async function seg(args: readonly string[], options: { env?: Readonly<Record<string, string>>; cwd?: string } = {}): Promise<CommandEnd> {
  const child = spawnSeg(args, options);
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout: stdout.join(''), stderr: stderr.join('') };
}

/** One `seg start` and what it said. Its log level must be info, the default: the line that says "ready" carries the ports. */
export class EngineProcess {
  readonly dataDir: string;
  /** What stdout held, line by line, parsed. Lines that are not JSON end up in `strayLines`. */
  readonly lines: LogLine[] = [];
  readonly strayLines: string[] = [];
  /** Zeros until it is ready. */
  ports: EnginePorts = { ingest: 0, http: 0, ops: 0 };
  exitCode: number | null = null;
  private readonly child: ChildProcess;
  private readonly stderrChunks: string[];
  private readonly ended: Promise<void>;
  private readonly waiters = new Set<() => void>();
  private over = false;

  private constructor({ dataDir = temporaryDirectory(), settings = {}, quickPasswordHashes = false, preloads = [] }: EngineOptions) {
    this.dataDir = dataDir;
    const env: Record<string, string> = { SEG_AUTH: 'off', SEG_INGEST_PORT: '0', SEG_HTTP_PORT: '0', SEG_OPS_PORT: '0', SEG_LOG_PRETTY: 'off', SEG_DATA_DIR: dataDir };
    for (const [name, value] of Object.entries(settings)) env[`SEG_${name}`] = value;
    const loadedFirst = quickPasswordHashes ? [QUICK_PASSWORD_HASHES, ...preloads] : preloads;
    if (loadedFirst.length > 0) env.NODE_OPTIONS = [process.env.NODE_OPTIONS ?? '', ...loadedFirst.map((name) => `--import=${pathToFileURL(join(import.meta.dirname, name)).href}`)].join(' ');
    this.child = spawnSeg(['start'], { env, cwd: tmpdir() });
    this.stderrChunks = collect(this.child.stderr!);
    let partial = '';
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const whole = (partial + text).split('\n');
      partial = whole.pop()!;
      for (const line of whole) this.take(line);
      this.wake();
    });
    this.ended = once(this.child, 'close').then(([code]) => {
      this.exitCode = code as number | null;
      this.over = true;
      this.wake();
    });
  }

  /** Starts an engine without waiting for it. */
  static spawn(options: EngineOptions = {}): EngineProcess {
    return new EngineProcess(options);
  }

  /** Starts an engine and waits until it is ready. */
  static async start(options: EngineOptions = {}): Promise<EngineProcess> {
    const engine = EngineProcess.spawn(options);
    try {
      await engine.ready();
    } catch (error) {
      await engine.kill9();
      throw error;
    }
    return engine;
  }

  get pid(): number {
    return this.child.pid!;
  }

  get stderr(): string {
    return this.stderrChunks.join('');
  }

  ingestUrl(): string {
    return `http://127.0.0.1:${this.ports.ingest}`;
  }

  apiUrl(path = ''): string {
    return `http://127.0.0.1:${this.ports.http}${path}`;
  }

  opsUrl(path = ''): string {
    return `http://127.0.0.1:${this.ports.ops}${path}`;
  }

  async ready(): Promise<void> {
    const line = await this.line(({ msg }) => msg.startsWith('ready:'), 'it is ready', READY_TIMEOUT_MS);
    this.ports = line.ports!;
  }

  /** The first log line, so far or to come, that `matches`. */
  async line(matches: (line: LogLine) => boolean, what: string, timeoutMs: number): Promise<LogLine> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const found = this.lines.find(matches);
      if (found !== undefined) return found;
      if (this.over || Date.now() > deadline) throw new Error(`the engine ${this.over ? `ended (${this.exitCode})` : 'was waited for'} before ${what}; it said:\n${this.transcript()}`);
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, Math.max(1, deadline - Date.now()));
        this.waiters.add(() => {
          clearTimeout(timer);
          wake();
        });
      });
    }
  }

  /** Resolves with the exit code once the process is gone. */
  async exited(): Promise<number | null> {
    await this.ended;
    return this.exitCode;
  }

  /** Asks for an orderly stop and waits for it; null when it had to be killed. */
  async stop(): Promise<number | null> {
    if (this.over) return this.exitCode;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.ended;
    clearTimeout(timer);
    return this.exitCode;
  }

  /** As a crash of the machine would: no word of goodbye. Resolves when the process is gone. */
  async kill9(): Promise<void> {
    if (!this.over) this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Kills what is left and removes the data directory. */
  async dispose(): Promise<void> {
    await this.kill9();
    removeDirectory(this.dataDir);
  }

  transcript(): string {
    return [...this.lines.slice(-20).map((line) => JSON.stringify(line)), ...this.strayLines, this.stderr].join('\n');
  }

  private take(text: string): void {
    try {
      this.lines.push(JSON.parse(text) as LogLine);
    } catch {
      this.strayLines.push(text);
    }
  }

  private wake(): void {
    for (const waiter of this.waiters) waiter();
    this.waiters.clear();
  }
}

/** Asks until the answer satisfies; fails with the last answer after `timeoutMs`. */
export async function eventually<T>(ask: () => Promise<T>, satisfied: (answer: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (satisfied(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain; the last answer was ${JSON.stringify(answer).slice(0, 2_000)}`);
    await sleep(50);
  }
}

function spawnSeg(args: readonly string[], options: { env?: Readonly<Record<string, string>>; cwd?: string }): ChildProcess {
  // Settings of whoever runs the tests must not reach the engines under test.
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEG_')));
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...inherited, ...options.env }, cwd: options.cwd ?? tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
  // A suite that is cut short must leave no engine behind.
  const killLeftOver = (): void => void child.kill('SIGKILL');
  process.once('exit', killLeftOver);
  child.once('exit', () => process.off('exit', killLeftOver));
  return child;
}

function collect(stream: NodeJS.ReadableStream): string[] {
  const chunks: string[] = [];
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => chunks.push(text));
  return chunks;
}
