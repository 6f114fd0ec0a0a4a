import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Checkpoint } from '../../src/actors/shard/checkpoint.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { ShardQueries } from '../../src/actors/shard/queries.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import type { Granularity, MeterWindow } from '../../src/model/window.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { openShardStore } from '../../src/engine/open-shard-store.ts';
import { hashOf, quantileOf, rowOf, type BenchReport, type BenchRow } from '../bench-report.ts';
import { meterIdOf } from '../load/reading-source.ts';
import { makeBatches, stamp } from './synthetic-batches.ts';

/** Questions about one meter's day, asked of a shard whose windows lie in LMDB. */

export interface QueryOptions {
  meters: number;
  queriesPerRound: number;
  rounds: number;
}

export const QUERY_FULL: QueryOptions = { meters: 2_000, queriesPerRound: 300, rounds: 7 };

const READINGS_PER_BATCH = 500;
const DAY_MS = 86_400_000;
/** A meter that sends every five minutes: 288 one-minute and 96 quarter-hour windows a day. */
const CADENCE_MS = 300_000;
const DAY_START_MS = Date.parse('2026-03-02T00:00:00Z');
/** Readings between two checkpoints: an hour. */
const PASSES_PER_CHECKPOINT = 12;
const LATENESS_MS = 30_000;
/** Windows that a day must have, whatever is still open at its end. */
const WINDOWS_OF_DAY: Readonly<Record<Granularity, number>> = { '1m': 288, '15m': 96 };

/** Fills a store with a day, then asks. */
export async function run(options: QueryOptions = QUERY_FULL): Promise<BenchReport> {
  const directory = await mkdtemp(join(tmpdir(), 'seg-bench-query-'));
  const store = openShardStore({ directory, shard: 0, shardCount: 1, partitionCount: 1 });
  try {
    const state = await filledState(store, options.meters);
    const queries = new ShardQueries(state, store, DEFAULT_DETECTION);
    const rows: BenchRow[] = [];
    for (const granularity of ['15m', '1m'] as const) rows.push(measure(queries, granularity, options));
    return { name: 'micro: query', leavesOut: 'HTTP, JSON, the way between threads, writers beside it, a cold page cache.', rows };
  } finally {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

async function filledState(store: ReturnType<typeof openShardStore>, meters: number): Promise<ShardState> {
  const state = new ShardState(
    { partitionCount: 64, latenessMs: LATENESS_MS, correctionHorizonMs: 40 * DAY_MS, metersMax: meters, regionsMax: 100, detection: DEFAULT_DETECTION },
    { stored: store, loadPart: (...key) => store.loadPart(...key) },
  );
  const checkpoint = new Checkpoint(state, store, { pagesPerStepMax: Infinity });
  const batches = makeBatches({ meters, readingsPerBatch: READINGS_PER_BATCH, withReadingIds: false });
  const outcomes = new Uint8Array(READINGS_PER_BATCH);
  let sequence = 0;
  for (let pass = 0; pass < DAY_MS / CADENCE_MS; pass++) {
    // A second past the step: stamps lie up to a second before it.
    const timeMs = DAY_START_MS + pass * CADENCE_MS + 1_000;
    stamp(batches, timeMs, pass);
    for (const batch of batches) state.applyBatch(batch, timeMs, ++sequence, outcomes);
    if ((pass + 1) % PASSES_PER_CHECKPOINT !== 0) continue;
    checkpoint.begin(sequence, 'all');
    await store.commit();
    checkpoint.done();
  }
  return state;
}

function measure(queries: ShardQueries, granularity: Granularity, { meters, queriesPerRound, rounds }: QueryOptions): BenchRow {
  const latencies = new Float64Array(queriesPerRound * rounds);
  const rates: number[] = [];
  const answers: string[] = [];
  let asked = 0;
  for (let round = -1; round < rounds; round++) {
    const startedMs = performance.now();
    for (let k = 0; k < queriesPerRound; k++) {
      const sentMs = performance.now();
      const windows = dayOf(queries, meterIdOf((k * 7_919) % meters), granularity);
      if (round >= 0) latencies[asked++] = performance.now() - sentMs;
      invariant(windows.length === WINDOWS_OF_DAY[granularity], 'a day is whole');
      if (round === 0) answers.push(JSON.stringify(windows));
    }
    if (round >= 0) rates.push((queriesPerRound * 1_000) / (performance.now() - startedMs));
  }
  return rowOf(`query, a day of ${granularity} windows`, 'queries/s', rates, `${WINDOWS_OF_DAY[granularity]} windows, ${meters} meters, p99 ${quantileOf(latencies, 0.99).toFixed(2)} ms`, hashOf(...answers));
}

function dayOf(queries: ShardQueries, meterId: string, granularity: Granularity): MeterWindow[] {
  const query = { granularity, from: DAY_START_MS, to: DAY_START_MS + DAY_MS, limit: 1_000, cursor: null };
  const page = queries.answer({ kind: 'meterWindows', meterId, query });
  invariant(page !== null && page.nextCursor === null, 'the meter is known and its day fits a page');
  return page.data;
}
