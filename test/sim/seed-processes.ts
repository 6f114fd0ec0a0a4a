import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Finding } from './planted-bug.ts';
import type { SeedPiece, SeedTotals } from './seeds.ts';

/** Processes that run pieces of work, each one at a time: a planted bug is in one process alone. */

export type SeedWork = { kind: 'seeds'; piece: SeedPiece } | { kind: 'planted'; bug: number; steps: number };

interface Waiting {
  work: SeedWork;
  resolve(result: SeedTotals | Finding): void;
  reject(error: Error): void;
}

const PROCESS = fileURLToPath(new URL('./seed-process.ts', import.meta.url));

export class SeedProcesses {
  private readonly children: ChildProcess[];
  private readonly idle: ChildProcess[];
  private readonly waiting: Waiting[] = [];
  private readonly busy = new Map<ChildProcess, Waiting>();

  constructor(count: number) {
    this.children = Array.from({ length: count }, () => this.start());
    this.idle = [...this.children];
  }

  /** Rejects when the process that was at it ends. */
  run(work: SeedWork): Promise<SeedTotals | Finding> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ work, resolve, reject });
      this.next();
    });
  }

  end(): void {
    for (const child of this.children) child.disconnect();
  }

  private start(): ChildProcess {
    const child = fork(PROCESS, [], { execArgv: process.execArgv });
    child.on('message', (result) => {
      this.busy.get(child)?.resolve(result as SeedTotals | Finding);
      this.busy.delete(child);
      this.idle.push(child);
      this.next();
    });
    child.on('exit', (code, signal) => this.busy.get(child)?.reject(new Error(`a process of the simulator ended (${signal ?? code})`)));
    return child;
  }

  private next(): void {
    while (this.idle.length > 0 && this.waiting.length > 0) {
      const child = this.idle.pop()!;
      const waiting = this.waiting.shift()!;
      this.busy.set(child, waiting);
      child.send(waiting.work);
    }
  }
}
