import type { Piscina } from 'piscina';
import type { Issuer } from '../actors/tariffs/papers/issuer.ts';
import type { PaperLanguage } from '../actors/tariffs/papers/paper-words.ts';
import type { Invoice } from '../model/billing.ts';
import type { TimerHandle, Timers } from '../runtime/clock.ts';
import { OperationalError } from '../runtime/errors.ts';
import { THREAD_ARGUMENTS } from '../runtime/thread-arguments.ts';
import type { PrintTask } from './invoice-print-thread.ts';

/**
 * Prints invoices as PDF on threads of their own, which begin with the first invoice and end when nothing was printed for a while: an engine that prints none pays nothing for it. Printing
 * goes behind whatever else wants the processor.
 */

/** An invoice waits for its turn among so many at most: some seconds of work on a busy machine, less than a browser waits. */
export const PRINTS_WAITING_MAX = 64;
/** An invoice takes some 12 ms; what takes this long hangs, and its thread is ended. Includes waiting. */
export const PRINT_DEADLINE_MS = 25_000;
/** Threads without work are kept so long: who reads one bill often reads another. A thread takes some 40 MB. */
const IDLE_MS = 60_000;

type PrintPool = Piscina<PrintTask, Uint8Array<ArrayBuffer>>;

export interface InvoicePrinterOptions {
  issuer: Issuer;
  /** Invoices printed at once. */
  threads: number;
}

export interface InvoicePrinterModules {
  timers: Timers;
}

export interface PrintOptions {
  language: PaperLanguage;
  /** Numbers of the invoices that it names by id (`corrects`, `correctedBy`), as people know them by those. */
  numbers?: Readonly<Record<string, string>>;
}

export class InvoicePrinter {
  private readonly options: InvoicePrinterOptions;
  private readonly modules: InvoicePrinterModules;
  /** null: nothing is printed. */
  private pool: Promise<PrintPool> | null = null;
  private idle: TimerHandle | null = null;
  private waiting = 0;
  private isClosed = false;

  constructor(options: InvoicePrinterOptions, modules: InvoicePrinterModules) {
    this.options = options;
    this.modules = modules;
  }

  /**
   * The invoice as a PDF, whose bytes the caller owns; the same for the same invoice. Throws OperationalError `printer_busy` (retryable: too many wait, or it took too long), `printer_failed`,
   * `printer_closed`.
   */
  async print(invoice: Invoice, { language, numbers = {} }: PrintOptions): Promise<Uint8Array> {
    if (this.isClosed) throw closed();
    if (this.waiting >= PRINTS_WAITING_MAX) throw new OperationalError('printer_busy', `${this.waiting} invoices are waiting to be printed; try again in a moment`, { retryable: true });
    this.waiting++;
    this.idle?.cancel();
    this.idle = null;
    try {
      this.pool ??= this.start();
      const pool = await this.pool;
      return await pool.run({ invoice, language, numbers, issuer: this.options.issuer }, { signal: AbortSignal.timeout(PRINT_DEADLINE_MS) });
    } catch (error) {
      throw this.isClosed ? closed() : refusal(error as Error, invoice);
    } finally {
      this.waiting--;
      if (this.waiting === 0 && !this.isClosed) this.idle = this.modules.timers.after(IDLE_MS, () => void this.end());
    }
  }

  /** True while there are threads. */
  isRunning(): boolean {
    return this.pool !== null;
  }

  /** Ends the threads; what is being printed fails. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.idle?.cancel();
    await this.end();
  }

  /** The package is loaded with the first invoice, too. */
  private async start(): Promise<PrintPool> {
    const { threads } = this.options;
    const { Piscina } = await import('piscina');
    // `atomics: 'sync'`, the default, stops a waiting thread's own timers; fewer threads than the most would be ended and begun anew at every lull.
    return new Piscina({
      filename: new URL('./invoice-print-thread.ts', import.meta.url).href,
      minThreads: threads,
      maxThreads: threads,
      maxQueue: PRINTS_WAITING_MAX,
      atomics: 'async',
      execArgv: THREAD_ARGUMENTS,
    });
  }

  private async end(): Promise<void> {
    const { pool } = this;
    this.pool = null;
    // One that never came about has told who wanted to print.
    const started = await pool?.catch(() => null);
    await started?.destroy();
  }
}

function closed(): OperationalError {
  return new OperationalError('printer_closed', 'the engine is stopping and prints no more invoices', { retryable: true });
}

function refusal(error: Error, { number, id }: Invoice): OperationalError {
  if (error.name === 'AbortError' || error.name === 'TimeoutError') {
    return new OperationalError('printer_busy', `invoice ${number ?? id} was not printed within ${PRINT_DEADLINE_MS / 1_000} s; try again in a moment`, { retryable: true, cause: error });
  }
  return new OperationalError('printer_failed', `invoice ${number ?? id} could not be printed: ${error.message}`, { cause: error });
}
