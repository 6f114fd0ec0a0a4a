import type { EngineProcess, ResidentMemory } from './engine-process.ts';
import { metricsOf } from './grid-check.ts';
import type { MetricsPage } from './metrics-page.ts';

/** What an engine shows of itself, looked at once a second for hours. */

export interface SoakSample {
  /** Epoch ms. */
  atMs: number;
  memory: ResidentMemory;
  /** Log records appended and not yet counted, of all shards. NaN here and below: the engine did not say. */
  lagRecords: number;
  journalMb: number;
  /** Of the shard that waits longest. */
  checkpointAgeSeconds: number;
  /** By thread. */
  heapMb: ReadonlyMap<string, number>;
  externalMb: ReadonlyMap<string, number>;
  /** How much later than due an event loop came round, p99 since the look before. */
  loopDelayMs: ReadonlyMap<string, number>;
  windowsClosed: number;
}

const EVERY_MS = 1_000;
const MIB = 1_048_576;
/** prom-client's figures of the main thread hold the period at which it looks. */
const MAIN_LOOP_PERIOD_MS = 10;

export class SoakWatch {
  /** In order of time. */
  readonly samples: SoakSample[] = [];
  private readonly engine: EngineProcess;
  private readonly timer: NodeJS.Timeout;
  private looking = false;
  private taken = 0;

  constructor(engine: EngineProcess) {
    this.engine = engine;
    this.timer = setInterval(() => void this.look(), EVERY_MS);
  }

  /** The samples since the last call. */
  takeNew(): readonly SoakSample[] {
    const fresh = this.samples.slice(this.taken);
    this.taken = this.samples.length;
    return fresh;
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    // A scrape that takes long is no reason for a second one.
    if (this.looking) return;
    this.looking = true;
    const atMs = Date.now();
    const memory = this.engine.memory();
    const page = await metricsOf(this.engine.ports).catch(() => null);
    this.looking = false;
    if (page !== null) this.samples.push(sampleOf(page, atMs, memory));
  }
}

function sampleOf(page: MetricsPage, atMs: number, memory: ResidentMemory): SoakSample {
  return {
    atMs,
    memory,
    lagRecords: page.sum('seg_consumption_lag_records'),
    journalMb: page.sum('seg_journal_lag_bytes') / MIB,
    checkpointAgeSeconds: page.max('seg_checkpoint_age_seconds'),
    heapMb: new Map([['main', page.sum('nodejs_heap_size_used_bytes') / MIB], ...byThread(page, 'seg_thread_heap_bytes', {}, 1 / MIB)]),
    externalMb: new Map([['main', page.sum('nodejs_external_memory_bytes') / MIB], ...byThread(page, 'seg_thread_external_bytes', {}, 1 / MIB)]),
    loopDelayMs: new Map([
      ['main', Math.max(0, page.sum('nodejs_eventloop_lag_p99_seconds') * 1_000 - MAIN_LOOP_PERIOD_MS)],
      ...byThread(page, 'seg_event_loop_delay_seconds', { statistic: 'p99' }, 1_000),
    ]),
    windowsClosed: page.sum('seg_windows_closed_total'),
  };
}

function byThread(page: MetricsPage, name: string, labels: Readonly<Record<string, string>>, times: number): [string, number][] {
  return page.of(name, labels).map((sample) => [sample.labels.thread, sample.value * times]);
}
