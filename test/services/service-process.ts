import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Server programs of others (PostgreSQL, Kafka) as processes of their own, each ended by its own pid, with what they keep on disk. */

/** A start takes one to five seconds alone, ten times that when every suite wants the same two cores. */
const READY_TIMEOUT_MS = 120_000;
/** After it an orderly stop becomes a kill. */
const STOP_TIMEOUT_MS = 30_000;
/** For the children of a killed process to be gone. */
const GONE_TIMEOUT_MS = 10_000;
/** Of what a server says, the end is kept: enough for the reason of a failed start. */
const OUTPUT_CHARS_MAX = 20_000;

/**
 * Below the range (32768 and up on Linux) from which a client's own end of a connection gets its port. A client that keeps asking for a
 * server that is down would otherwise be given that very port one day, and be connected to itself.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 30_000;
const PORT_TRIES_MAX = 100;

export interface ServiceCommand {
  /** In messages: `PostgreSQL`. */
  name: string;
  command: string;
  args: readonly string[];
  /** In place of this process's environment, apart from PATH. */
  env: Readonly<Record<string, string>>;
  /** Whom to run as; this process's user without it. */
  user?: SystemUser;
  cwd: string;
  /** Text of its output that means it can be used. */
  readyText: string;
  stopSignal: NodeJS.Signals;
}

export interface SystemUser {
  uid: number;
  gid: number;
}

const running = new Set<ServiceProcess>();
const directories = new Set<string>();

// A suite that is cut short leaves neither servers nor their data behind.
process.once('exit', () => {
  for (const service of running) service.signalTree('SIGKILL');
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
});

/** One run of a server program, from its start to its end. */
export class ServiceProcess {
  exitCode: number | null = null;
  private readonly options: ServiceCommand;
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private output = '';
  private isReady = false;
  private over = false;
  private wake: () => void = () => {};

  private constructor(options: ServiceCommand) {
    this.options = options;
    const { command, args, env, user, cwd } = options;
    // A group of its own, or Ctrl-C in a terminal would reach it before its turn.
    this.child = spawn(command, args, { env: { PATH: process.env.PATH, ...env }, cwd, ...user, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this);
    for (const stream of [this.child.stdout!, this.child.stderr!]) stream.setEncoding('utf8').on('data', (text: string) => this.take(text));
    this.child.once('error', (error) => this.take(`${error.message}\n`));
    this.ended = once(this.child, 'close').then(
      ([code]) => this.end(code as number | null),
      () => this.end(null),
    );
  }

  /** Starts the program and resolves once it is ready; rejects with what it said when it ends before, or takes too long. */
  static async start(options: ServiceCommand): Promise<ServiceProcess> {
    const service = new ServiceProcess(options);
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!service.isReady && !service.over && Date.now() < deadline) {
      await new Promise<void>((wake) => {
        service.wake = wake;
        setTimeout(wake, deadline - Date.now()).unref();
      });
    }
    if (service.isReady && !service.over) return service;
    const failure = service.over ? `ended (${service.exitCode})` : `was not ready after ${READY_TIMEOUT_MS} ms`;
    await service.kill9();
    throw new Error(`${options.name} ${failure}; it said:\n${service.output}`);
  }

  get pid(): number {
    return this.child.pid!;
  }

  get isUp(): boolean {
    return !this.over;
  }

  /** The end of what it has said. */
  transcript(): string {
    return this.output;
  }

  /** Asks for an orderly stop and waits for it; kills it when that takes too long. A paused one is resumed first. */
  async stop(timeoutMs = STOP_TIMEOUT_MS): Promise<void> {
    if (this.over) return;
    this.resume();
    this.child.kill(this.options.stopSignal);
    const timer = setTimeout(() => this.signalTree('SIGKILL'), timeoutMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** As a crash of its machine would, children included. Resolves when all are gone. */
  async kill9(): Promise<void> {
    const killed = this.over ? [] : this.signalTree('SIGKILL');
    await this.ended;
    const deadline = Date.now() + GONE_TIMEOUT_MS;
    while (killed.some(isAlive)) {
      if (Date.now() > deadline) throw new Error(`processes of ${this.options.name} outlived SIGKILL: ${killed.filter(isAlive).join(', ')}`);
      await sleep(10);
    }
  }

  /** Holds it as it is: connections stay open, new ones are taken by the kernel alone, nothing answers. */
  pause(): void {
    this.signalTree('SIGSTOP');
  }

  resume(): void {
    this.signalTree('SIGCONT');
  }

  /** Sends a signal to it and its children (PostgreSQL has one for each connection) and returns whom it was sent to. */
  signalTree(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): number[] {
    const { pid } = this.child;
    if (this.over || pid === undefined) return [];
    // Held first, so that no child is born between the list and the signals.
    send(pid, 'SIGSTOP');
    const pids = [pid, ...childrenOf(pid)];
    // A parent that sees its children come to life or die before it does may act on it.
    for (const one of pids) send(one, signal);
    return pids;
  }

  private take(text: string): void {
    const seen = this.output + text;
    if (seen.includes(this.options.readyText)) this.isReady = true;
    this.output = seen.slice(-OUTPUT_CHARS_MAX);
    if (this.isReady) this.wake();
  }

  private end(code: number | null): void {
    this.exitCode = code;
    this.over = true;
    running.delete(this);
    this.wake();
  }
}

/** A new directory under the system's temporary one; removed by `removeServiceDirectory`, or when this process ends. */
export function serviceDirectory(name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `seg-${name}-`));
  directories.add(directory);
  return directory;
}

export function removeServiceDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  directories.delete(directory);
}

/** A port of 127.0.0.1 that nobody listens on at this moment, and that no outgoing connection will be given. */
export async function servicePort(): Promise<number> {
  for (let tries = 0; tries < PORT_TRIES_MAX; tries++) {
    const port = randomInt(PORT_MIN, PORT_MAX);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${PORT_MIN} to ${PORT_MAX} in ${PORT_TRIES_MAX} tries`);
}

export interface ToolOptions {
  env?: Readonly<Record<string, string>>;
  user?: SystemUser;
  cwd?: string;
  /** What it reads on its standard input; nothing without it. */
  input?: string;
  signal?: AbortSignal;
}

/** Runs a program to its end and resolves to its standard output; rejects with all it said when it fails. */
export async function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const { env, user, cwd, input, signal } = options;
  const child = spawn(command, args, { env: { ...process.env, ...env }, cwd, ...user, signal, stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout: string[] = [];
  const stderr: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
  // A program that does not read its input to the end says why on stderr.
  child.stdin.on('error', () => {});
  child.stdin.end(input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} ${args[0] ?? ''} ended with ${code}; it said:\n${stdout.join('')}${stderr.join('')}`);
  return stdout.join('');
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port, '127.0.0.1');
  try {
    await once(probe, 'listening');
  } catch {
    return false;
  }
  probe.close();
  await once(probe, 'close');
  return true;
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function childrenOf(pid: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  return rows.map((row) => row.trim().split(/\s+/).map(Number)).filter(([, parent]) => parent === pid).map(([child]) => child);
}

/** A dead process that its new parent has not asked after is gone, too: all that is left of it is a row in a table. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return false;
    // Without /proc the first question has answered it, unless the process ended between the two.
    return code === 'ENOENT' && process.platform !== 'linux';
  }
}
