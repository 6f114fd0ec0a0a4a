import type { BodyFormat } from '../../actors/ingest/protocol.ts';
import type { Clock } from '../../runtime/clock.ts';
import { systemClock } from '../../runtime/clock.ts';
import { OperationalError } from '../../runtime/errors.ts';
import type { IngestTotals } from '../ingest-client.ts';
import { IngestClient } from '../ingest-client.ts';
import { pause } from '../retry-policy.ts';
import { Delivery } from './delivery.ts';
import { Fleet } from './fleet.ts';
import type { SimulationMode } from './scenario.ts';

export interface SimulationOptions {
  url?: string;
  /** Device key. */
  key?: string;
  seed: number;
  regions: number;
  meters: number;
  /** Time between two readings of one meter. */
  intervalMs: number;
  modes: readonly SimulationMode[];
  /** Event time to simulate; null: until the signal fires. */
  durationMs: number | null;
  /** Event time of the beginning; null: chosen so that the run ends now (see chooseStart). */
  startMs: number | null;
  /** Event time per real time; Infinity: as fast as the engine takes it. Never runs ahead of the clock. */
  speed: number;
  /** Readings per request at most. */
  batchSize: number;
  format: BodyFormat;
  gzip: boolean;
  concurrency: number;
}

export interface SimulationProgress {
  totals: IngestTotals;
  /** Real time since the beginning. */
  elapsedMs: number;
  /** Readings acknowledged per second of real time since the last progress. */
  readingsPerS: number;
  ackP50Ms: number | null;
  ackP99Ms: number | null;
  /** How far the fleet has got, epoch ms. */
  eventTimeMs: number;
  /** Readings taken and not sent yet: late ones and duplicates on their way. */
  heldBack: number;
}

export interface SimulationHooks {
  signal?: AbortSignal;
  /** Called about every PROGRESS_MS, and at the end. */
  onProgress?: (progress: SimulationProgress) => void;
  clock?: Clock;
}

export const DEFAULT_SIMULATION: Readonly<SimulationOptions> = {
  seed: 1,
  regions: 10,
  meters: 100,
  intervalMs: 10_000,
  modes: ['normal'],
  durationMs: null,
  startMs: null,
  speed: 1,
  batchSize: 500,
  format: 'json',
  gzip: false,
  concurrency: 2,
};

/** Readings are sent this often although a batch is not full, so that a small fleet is seen live. */
const FLUSH_MS = 250;
const PROGRESS_MS = 200;
/** How far back a fast run without a duration begins. */
const LOOK_BACK_MS = 24 * 3_600_000;
/** Time before anything goes wrong: baselines need some history, but no more than a third of a short run. */
const ONSET_MS = 20 * 60_000;

/**
 * Runs a simulated fleet against an engine until its duration is over or the signal fires; both end well. Throws OperationalError
 * when the engine does not answer or refuses (see IngestClient.post).
 */
export async function runSimulation(options: SimulationOptions, hooks: SimulationHooks = {}): Promise<SimulationProgress> {
  const clock = hooks.clock ?? systemClock;
  const { intervalMs, batchSize, speed } = options;
  const startMs = chooseStart(options, clock.now());
  const endMs = options.durationMs === null ? Infinity : startMs + options.durationMs;
  const onsetMs = options.durationMs === null ? ONSET_MS : Math.min(ONSET_MS, options.durationMs / 3);
  const modes = new Set(options.modes);
  const { seed, regions, meters, format } = options;
  const fleet = new Fleet({ seed, regions, meters, intervalMs, startMs, endMs, onsetMs, modes });
  const delivery = new Delivery(fleet, startMs, { seed, modes, format, settledAfter: batchSize * (options.concurrency + 1) });
  const failure = new AbortController();
  const signal = hooks.signal === undefined ? failure.signal : AbortSignal.any([hooks.signal, failure.signal]);
  const client = new IngestClient({ url: options.url, format, gzip: options.gzip, concurrency: options.concurrency, key: options.key, signal });
  const progress = new ProgressMeter(client, delivery, clock);
  const timer = setInterval(() => hooks.onProgress?.(progress.sample()), PROGRESS_MS);
  let failed: unknown = null;
  const send = (batch: ReturnType<Delivery['next']>) =>
    client.post(batch).catch((error: unknown) => {
      failed ??= error;
      failure.abort();
    });
  const beganMs = clock.monotonic();
  try {
    while (!signal.aborted && delivery.nextDueMs !== Infinity) {
      const pacedMs = speed === Infinity ? Infinity : startMs + (clock.monotonic() - beganMs) * speed;
      const eventNowMs = Math.min(pacedMs, clock.now());
      // Late readings that are due after the end of the run are sent at its end.
      const batch = delivery.next(batchSize, eventNowMs >= endMs ? Infinity : eventNowMs);
      if (batch.length > 0) {
        await client.ready();
        if (!signal.aborted) void send(batch);
      }
      if (batch.length < batchSize) await pause(FLUSH_MS, signal);
    }
    await client.idle();
  } catch (error) {
    if (!(error instanceof OperationalError && error.code === 'aborted')) throw error;
  } finally {
    clearInterval(timer);
    await client.idle();
    client.close();
  }
  // Ctrl-C aborts the requests in flight; that is no failure.
  if (failed !== null && !hooks.signal?.aborted) throw failed;
  const last = progress.sample();
  hooks.onProgress?.(last);
  return last;
}

/** Real time begins now. A faster run ends now, so that it never asks for readings from the future. */
function chooseStart(options: SimulationOptions, nowMs: number): number {
  if (options.startMs !== null) return options.startMs;
  const backMs = options.speed <= 1 ? 0 : (options.durationMs ?? LOOK_BACK_MS);
  return Math.floor((nowMs - backMs) / 1_000) * 1_000;
}

class ProgressMeter {
  private readonly client: IngestClient;
  private readonly delivery: Delivery;
  private readonly clock: Clock;
  private readonly beganMs: number;
  private sampledMs: number;
  private sampledReadings = 0;

  constructor(client: IngestClient, delivery: Delivery, clock: Clock) {
    this.client = client;
    this.delivery = delivery;
    this.clock = clock;
    this.beganMs = this.sampledMs = clock.monotonic();
  }

  sample(): SimulationProgress {
    const nowMs = this.clock.monotonic();
    const { totals, ackLatency } = this.client;
    const readingsPerS = ((totals.acknowledged - this.sampledReadings) * 1_000) / Math.max(1, nowMs - this.sampledMs);
    this.sampledMs = nowMs;
    this.sampledReadings = totals.acknowledged;
    return {
      totals,
      elapsedMs: nowMs - this.beganMs,
      readingsPerS,
      ackP50Ms: ackLatency.quantileMs(0.5),
      ackP99Ms: ackLatency.quantileMs(0.99),
      eventTimeMs: this.delivery.eventTimeMs,
      heldBack: this.delivery.heldBack,
    };
  }
}
