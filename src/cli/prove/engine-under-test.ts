import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OperationalError } from '../../runtime/errors.ts';

/** An engine in a process of its own, as `seg start` runs it, that may be broken. */

const MAIN = fileURLToPath(new URL('../../seg.mjs', import.meta.url));
/** A start takes a second; ten of those are a machine that is busy with others. */
const READY_TIMEOUT_MS = 60_000;
/** Above the engine's own limit for an orderly stop (15 s). */
const STOP_TIMEOUT_MS = 30_000;
/** Lines of its log that are kept for a message. */
const LINES_MAX = 30;
const POLL_MS = 20;
/** A control call of the engine has 2 s; a thread that is away is back within a few restarts. */
const FAULT_ATTEMPTS_MAX = 100;

export interface EngineSettings {
  dataDir: string;
  ingestPort: number;
  shards: number;
  ingestThreads: number;
}

/** How an engine's life ended. */
export interface EngineEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

interface Ports {
  ingest: number;
  http: number;
  ops: number;
}

export class EngineUnderTest {
  readonly settings: EngineSettings;
  readonly ended: Promise<EngineEnd>;
  /** Set by who ends it on purpose, before. */
  endIsWanted = false;
  end: EngineEnd | null = null;
  private readonly child: ChildProcess;
  private readonly lines: string[] = [];
  private ports: Ports | null = null;

  constructor(settings: EngineSettings) {
    this.settings = settings;
    this.child = spawnSeg('start', settings);
    this.ended = once(this.child, 'close').then(([code, signal]) => (this.end = { code: code as number | null, signal: signal as NodeJS.Signals | null }));
    this.follow(this.child.stdout!);
    this.follow(this.child.stderr!);
    const killLeftOver = (): void => void this.child.kill('SIGKILL');
    process.once('exit', killLeftOver);
    this.child.once('exit', () => process.off('exit', killLeftOver));
  }

  /** The last lines of its log and of stderr. */
  get transcript(): string {
    return this.lines.join('\n');
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.ports?.http ?? 0}`;
  }

  /** False when it ended before; throws OperationalError `engine_silent` when it does neither. */
  async becomesReady(): Promise<boolean> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (this.ports === null && this.end === null) {
      if (Date.now() > deadline) throw new OperationalError('engine_silent', `the engine was not ready within ${READY_TIMEOUT_MS} ms; it said:\n${this.transcript}`);
      await Promise.race([sleep(POLL_MS), this.ended]);
    }
    return this.end === null;
  }

  /** Waits until every thread is up (again), or the engine has ended. */
  async becomesWhole(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (this.end === null && !(await this.isWhole())) {
      if (Date.now() > deadline) throw new OperationalError('engine_silent', `the engine was not whole within ${READY_TIMEOUT_MS} ms; it said:\n${this.transcript}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until a thread is missing or the engine has ended; gives up after `timeLimitMs`, because a restart may be too quick to be seen. */
  async becomesBroken(timeLimitMs: number): Promise<void> {
    const deadline = Date.now() + timeLimitMs;
    while (this.end === null && Date.now() < deadline && (await this.isWhole())) await sleep(POLL_MS);
  }

  kill9(): Promise<EngineEnd> {
    this.endIsWanted = true;
    this.child.kill('SIGKILL');
    return this.ended;
  }

  /** Sends SIGTERM and does not wait. */
  askToStop(): void {
    this.endIsWanted = true;
    this.child.kill('SIGTERM');
  }

  /** Throws OperationalError `engine_silent` when it does not end, and kills it. */
  async stop(): Promise<EngineEnd> {
    this.askToStop();
    const late = await Promise.race([this.ended.then(() => false), sleep(STOP_TIMEOUT_MS, true, { ref: false })]);
    if (late) {
      await this.kill9();
      throw new OperationalError('engine_silent', `the engine did not stop within ${STOP_TIMEOUT_MS} ms; it said:\n${this.transcript}`);
    }
    return this.ended;
  }

  /** POST /fault. A thread that is away at the moment is asked again. */
  async fault(request: { thread: string; fault: string } | { clockOffsetMs: number }): Promise<void> {
    for (let attempt = 0; this.end === null; attempt++) {
      const answer = await fetch(`http://127.0.0.1:${this.ports!.ops}/fault`, { method: 'POST', body: JSON.stringify(request) }).catch(() => null);
      if (answer?.status === 202) return;
      const text = answer === null ? 'no answer' : `${answer.status}: ${await answer.text()}`;
      if (attempt >= FAULT_ATTEMPTS_MAX || (answer !== null && answer.status < 500)) throw new OperationalError('fault_refused', `the engine did not take the fault ${JSON.stringify(request)}: ${text}`);
      await sleep(POLL_MS);
    }
  }

  private async isWhole(): Promise<boolean> {
    if (this.ports === null) return false;
    const answer = await fetch(`http://127.0.0.1:${this.ports.ops}/ready`).catch(() => null);
    await answer?.arrayBuffer();
    return answer?.status === 200;
  }

  private follow(stream: NodeJS.ReadableStream): void {
    let partial = '';
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => {
      const whole = (partial + text).split('\n');
      partial = whole.pop()!;
      for (const line of whole) this.take(line);
    });
  }

  private take(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.shift();
    if (line.includes('"msg":"ready:')) this.ports = (JSON.parse(line) as { ports: Ports }).ports;
  }
}

/** Runs `seg verify` on the engine's files to its end; true when it found faults and said so. */
export async function verifyOffline(settings: EngineSettings): Promise<{ found: boolean; firstFault: string }> {
  const child = spawnSeg('verify', settings);
  let text = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { found: code === 1 && /fault|corrupt|checksum|cannot/.test(text), firstFault: text.split('\n').slice(0, 2).join(' ') };
}

function spawnSeg(command: 'start' | 'verify', settings: EngineSettings): ChildProcess {
  const inherited = Object.entries(process.env).filter((entry): entry is [string, string] => !entry[0].startsWith('SEG_') && entry[1] !== undefined);
  const env: Record<string, string> = {
    ...Object.fromEntries(inherited),
    SEG_DATA_DIR: settings.dataDir,
    SEG_AUTH: 'off',
    SEG_INGEST_PORT: String(settings.ingestPort),
    SEG_HTTP_PORT: '0',
    SEG_OPS_PORT: '0',
    SEG_SHARDS: String(settings.shards),
    SEG_INGEST_THREADS: String(settings.ingestThreads),
    SEG_LOG_PRETTY: 'off',
    SEG_FAULT_INJECTION: 'on',
    // Windows close, pages are written and the log is trimmed within every round.
    SEG_LATENESS: '1s',
    SEG_CHECKPOINT_INTERVAL: '1s',
    SEG_CORRECTION_HORIZON: '365d',
  };
  // A settings file of whoever runs this must not reach the engine.
  return spawn(process.execPath, [MAIN, command], { env, cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A port that nobody listens on at this moment: several ingest threads need a number. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
