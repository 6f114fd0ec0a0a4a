import { OperationalError } from '../runtime/errors.ts';
import { sendHistory } from './demo-history.ts';
import { billedMonth, setUpDemo } from './demo-set-up.ts';

/** Behind the clock, from which on the simulation counts as live. */
const CAUGHT_UP_MS = 5_000;

export interface DemoPagesOptions {
  /** Of the API, and of the ingest port. */
  apiUrl: string;
  ingestUrl: string;
  /** Of the simulation, and how often its meters send. */
  seed: number;
  cadenceMs: number;
}

/** Where lines go that people read. */
export interface DemoPrint {
  out: { write(text: string): unknown };
  err: { write(text: string): unknown };
}

/** What is to be seen beside the simulation. What fails of it is said in a line, and the demo goes on without. */
export class DemoPages {
  private readonly options: DemoPagesOptions;
  private readonly print: DemoPrint;
  private readonly signal: AbortSignal;
  /** No bills without a past to bill. */
  private isDue = false;

  constructor(options: DemoPagesOptions, print: DemoPrint, signal: AbortSignal) {
    this.options = options;
    this.print = print;
    this.signal = signal;
  }

  /** Sends the weeks before the simulation, which begins at `startMs` and has to wait for it. */
  async sendPast(nowMs: number, startMs: number): Promise<void> {
    await this.orSayWhy(async () => {
      await sendHistory({ ...this.options, fromMs: billedMonth(nowMs).startMs, toMs: startMs }, this.signal);
      this.isDue = true;
    });
  }

  /** Makes the rest, once, when the simulation, which is at `eventTimeMs`, has caught up with the clock: that is what people look at first. */
  async onProgress(eventTimeMs: number, nowMs: number): Promise<void> {
    if (!this.isDue || nowMs - eventTimeMs > CAUGHT_UP_MS) return;
    this.isDue = false;
    const { apiUrl, cadenceMs } = this.options;
    await this.orSayWhy(async () => {
      const made = await setUpDemo(apiUrl, { month: billedMonth(nowMs).month, cadenceMs }, this.signal);
      if (made.length > 0) this.print.out.write(`\nThere are ${made.join(', ')}: ${new URL('/#bills', apiUrl).href}\n`);
    });
  }

  private async orSayWhy(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof OperationalError)) throw error;
      this.print.err.write(`seg: the demo goes on without tariffs, bills and a registry: ${error.message}\n`);
    }
  }
}
