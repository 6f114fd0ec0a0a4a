import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import { OperationalError } from './errors.ts';
import { damageOf, type PageFinding } from './lmdb-pages.ts';
import { THREAD_ARGUMENTS } from './thread-arguments.ts';

/**
 * A walk over the pages of an LMDB data file (lmdb-pages.ts) on a thread of its own, while another reads what was walked already. Whoever reads a table waits
 * for that table's pages, and whoever writes waits for all: no page is looked at by LMDB before it is known to be sound. But for tables that are so large that nobody can wait for
 * them: they are used as they are, and `rest` says later whether they were sound. LMDB may end the process meanwhile over a damaged page of theirs.
 */

/** What the thread is told, and how it tells how far it is. */
export interface PageCheckTask {
  path: string;
  last: readonly string[];
  /** Of `last`, so many at its end are walked once GATE is 1. */
  early: number;
  /** Two Int32: UNWALKED, tables of `last` that are walked, WHOLE, or DAMAGED, after what was found is in the port; and whether the walk may go on to the early ones. */
  progress: SharedArrayBuffer;
  findings: MessagePort;
}

export const WALKED = 0;
export const GATE = 1;

export const UNWALKED = -1;
export const WHOLE = 0x7fffffff;
export const DAMAGED = -2;

/** A thread that makes no progress for so long is gone, ms. A table of 100 GB on a disk of 200 MB/s takes as much. */
const TABLE_WALK_MS_MAX = 10 * 60_000;

export class PageCheck {
  private readonly path: string;
  private readonly last: readonly string[];
  private readonly early: readonly string[];
  private readonly exited: Promise<void>;
  private readonly progress = new Int32Array(new SharedArrayBuffer(8));
  private readonly findings: MessagePort;
  private found: OperationalError | null = null;

  /** `last`: tables that are walked after all others, in this order; those at its end that are in `early`, too, are used without waiting for them, and walked after `goOn`. */
  constructor(path: string, last: readonly string[], early: readonly string[] = []) {
    this.path = path;
    this.last = last;
    this.early = early;
    this.progress[WALKED] = UNWALKED;
    const { port1, port2 } = new MessageChannel();
    this.findings = port1;
    port1.unref();
    const task: PageCheckTask = { path, last, early: early.length, progress: this.progress.buffer as SharedArrayBuffer, findings: port2 };
    const thread = new Worker(new URL('./page-check-thread.ts', import.meta.url), { workerData: task, transferList: [port2], execArgv: THREAD_ARGUMENTS });
    // It says itself what it finds; one that cannot even start is missed by whoever waits.
    thread.on('error', () => {});
    this.exited = new Promise((resolve) => thread.once('exit', () => resolve()));
    thread.unref();
  }

  /** Some tables are used before they are walked. */
  get goesOn(): boolean {
    return this.early.length > 0;
  }

  get isWhole(): boolean {
    return Atomics.load(this.progress, WALKED) === WHOLE;
  }

  /** The reader has what it waited for: tables that are used early are walked from here on. */
  goOn(): void {
    Atomics.store(this.progress, GATE, 1);
    Atomics.notify(this.progress, GATE);
  }

  /** Blocks this thread until the pages of a table are walked, and LMDB's own. Throws OperationalError `corrupt` when anything was found. */
  waitForTable(name: string): void {
    if (!this.early.includes(name)) this.waitFor(this.last.indexOf(name) + 1);
  }

  /** … until all pages are, but for those of tables that are used early. */
  waitForAll(): void {
    this.waitFor(this.goesOn ? this.last.length - this.early.length : WHOLE);
    if (!this.goesOn) this.findings.close();
  }

  /** Resolves when every page is walked, some time after `goOn` where tables are used early. Rejects with OperationalError `corrupt` when anything was found, or `storage_failed` when the walk came to no end. */
  async rest(): Promise<void> {
    await this.exited;
    const walked = Atomics.load(this.progress, WALKED);
    if (walked === DAMAGED) throw this.damage();
    if (walked !== WHOLE) throw this.unfinished();
    this.findings.close();
  }

  private waitFor(wanted: number): void {
    for (;;) {
      const walked = Atomics.load(this.progress, WALKED);
      if (walked === DAMAGED) throw this.damage();
      if (walked >= wanted) return;
      if (Atomics.wait(this.progress, WALKED, walked, TABLE_WALK_MS_MAX) === 'timed-out') throw this.unfinished();
    }
  }

  private unfinished(): OperationalError {
    return new OperationalError('storage_failed', `the walk over the pages of ${this.path} came to no end`);
  }

  private damage(): OperationalError {
    if (this.found !== null) return this.found;
    const received = receiveMessageOnPort(this.findings) as { message: PageFinding[] } | undefined;
    return (this.found = damageOf(this.path, received?.message ?? [{ page: 0, table: '', problem: 'could not be walked' }]));
  }
}
