import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An engine as users run it: `seg start` in a process of its own, on free ports, with default settings. */

const MAIN = fileURLToPath(new URL('../../src/seg.mjs', import.meta.url));
/** A million meters have 5 s to come back (DESIGN). Far above that, so that a slow engine gives a figure and only one that hangs gives none. */
const READY_DEADLINE_MS = 300_000;
/** The finest that time until ready is known to, once the ports are. */
const READY_POLL_MS = 10;
const HOST = '127.0.0.1';
/** Above the engine's own limit for an orderly stop (15 s). */
const STOP_DEADLINE_MS = 30_000;

export interface EnginePorts {
  ingest: number;
  http: number;
  ops: number;
}

/** Memory of the process in MiB: all of it, what is its own, and what is LMDB's file in the page cache, mapped. */
export interface ResidentMemory {
  rssMb: number;
  anonMb: number;
  fileMb: number;
}

/** A directory for an engine's data. The caller removes it. */
export function makeDataDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'seg-bench-'));
}

export function removeDataDirectory(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true });
}

/** Room that an engine's files take on the disk, by their blocks. */
export interface DiskUse {
  /** Segments of the log. */
  logBytes: number;
  /** All else: closed windows and snapshots, mostly. */
  storeBytes: number;
}

/** What the files below `directory` take; those that go meanwhile are left out. */
export async function diskUseOf(directory: string): Promise<DiskUse> {
  const use: DiskUse = { logBytes: 0, storeBytes: 0 };
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => null);
    use[LOG_SEGMENT.test(entry.parentPath) ? 'logBytes' : 'storeBytes'] += (found?.blocks ?? 0) * STAT_BLOCK_BYTES;
  }
  return use;
}

/** V8's, as `npm start` gives them (bench/RESULTS.md says why). */
export const V8_ARGUMENTS = ['--single-threaded-gc', '--max-semi-space-size=4'];
/** Of `blocks` in stat(2), whatever the file system's own are. */
const STAT_BLOCK_BYTES = 512;
/** Directory of a segment (lmdb-segments.ts). */
const LOG_SEGMENT = /\blog-\d+$/;

export class EngineProcess {
  readonly ports: EnginePorts;
  /** From spawn until /ready answered 200. */
  readonly readyMs: number;
  private readonly output: readonly string[];
  private readonly child: ChildProcess;
  private readonly exited: Promise<void>;

  private constructor(child: ChildProcess, exited: Promise<void>, output: readonly string[], ports: EnginePorts, readyMs: number) {
    this.child = child;
    this.output = output;
    this.exited = exited;
    this.ports = ports;
    this.readyMs = readyMs;
  }

  /** Rejects with what the engine printed when it does not become ready. */
  static async start(directory: string, flags: readonly string[] = []): Promise<EngineProcess> {
    const startedMs = performance.now();
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SEG_')));
    // As npm start does.
    const args = [...V8_ARGUMENTS, MAIN, 'start', '--data-dir', join(directory, 'data'), '--ingest-port', '0', '--http-port', '0', '--ops-port', '0', '--log-pretty', 'off', '--auth', 'off', ...flags];
    // In its own directory, so that no seg.config.json of the user's changes what is measured.
    const child = spawn(process.execPath, args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    const output: string[] = [];
    const ports = await new Promise<EnginePorts>((resolve, reject) => {
      const over = new AbortController();
      const giveUp = (reason: string): void => {
        clearTimeout(deadline);
        over.abort();
        child.kill('SIGKILL');
        reject(new Error(`the engine ${reason}:\n${output.join('\n')}`));
      };
      const deadline = setTimeout(() => giveUp('was not ready in time'), READY_DEADLINE_MS);
      const endedEarly = (code: number | null): void => giveUp(`ended with ${code}`);
      child.once('exit', endedEarly);
      child.once('error', (error) => giveUp(`could not be started: ${error.message}`));
      createInterface({ input: child.stderr! }).on('line', (line) => keepLine(output, line));
      createInterface({ input: child.stdout! }).on('line', (line) => {
        keepLine(output, line);
        const found = portsOf(line);
        if (found === null) return;
        void untilReady(found.ops, over.signal).then(() => {
          clearTimeout(deadline);
          child.off('exit', endedEarly);
          resolve(found);
        });
      });
    });
    return new EngineProcess(child, exited, output, ports, performance.now() - startedMs);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** The last lines of its log. */
  lastLines(): string {
    return this.output.join('\n');
  }

  /** Linux only: NaN elsewhere. */
  memory(): ResidentMemory {
    let status = '';
    try {
      status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    } catch {
      // No /proc: nothing is known.
    }
    const mb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN) / 1_024;
    return { rssMb: mb('VmRSS'), anonMb: mb('RssAnon'), fileMb: mb('RssFile') };
  }

  /** Orderly; rejects when it does not end. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  /** As a power cut of the process: nothing is written any more. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  private async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.child.kill(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.child.kill('SIGKILL');
        reject(new Error('the engine did not stop in time and was killed'));
      }, STOP_DEADLINE_MS);
    });
    await Promise.race([this.exited, late]).finally(() => clearTimeout(timer));
  }
}

/** Lines kept for the message of a failed start. */
const LINES_KEPT = 50;

/** Resolves when the engine says that it is ready, or when nobody waits for it any more. */
async function untilReady(opsPort: number, over: AbortSignal): Promise<void> {
  const isReady = (): Promise<boolean> => fetch(`http://${HOST}:${opsPort}/ready`).then((response) => response.ok, () => false);
  while (!over.aborted && !(await isReady())) await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
}

function keepLine(output: string[], line: string): void {
  output.push(line);
  if (output.length > LINES_KEPT) output.shift();
}

function portsOf(line: string): EnginePorts | null {
  if (!line.includes('"msg":"ready')) return null;
  return (JSON.parse(line) as { ports: EnginePorts }).ports;
}
