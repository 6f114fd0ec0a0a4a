import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { Checkpoint } from '../../src/actors/shard/checkpoint.ts';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { EnergyBlockEditor, QUARTERS_PER_DAY } from '../../src/actors/shard/energy-block.ts';
import { ROWS_PER_PAGE } from '../../src/actors/shard/page-layout.ts';
import type { ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import { ShardQueries } from '../../src/actors/shard/queries.ts';
import type { ShardStore } from '../../src/actors/shard/shard-store.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { energyKey } from '../../src/actors/shard/store-keys.ts';
import { openShardStore } from '../../src/engine/open-shard-store.ts';
import { answerStepwise } from '../../src/engine/stepwise-answer.ts';
import { DecodedReading } from '../../src/model/decoded-reading.ts';
import { QUARTER_QUALITY } from '../../src/model/determinants.ts';
import { NO_BUCKET, QUARTER_MS, type MeteringPlan } from '../../src/model/energy.ts';
import { murmur2, partitionOf, shardOfPartition } from '../../src/model/ids.ts';
import { openReadingBatch, ReadingBatchBuilder } from '../../src/model/reading-batch.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { Responder } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { TurnShare } from '../../src/runtime/turn-share.ts';
import { meterIdOf } from './reading-source.ts';

/** A shard of the rerate benchmark: rows of its meters, a month of energy written by the codec as checkpoints write it, and the questions as a shard's thread answers them. */

export interface RerateShardOptions {
  shard: number;
  shardCount: number;
  directory: string;
  /** Of all shards. */
  meters: number;
}

export interface FilledShard {
  /** Of all its meters in the plan. */
  microKwh: number;
  /** Of the blocks, and of the store's file. */
  bytes: number;
  storeBytes: number;
}

/** Since it was asked for last. */
export interface ShardSteps {
  /** Of questions, each in one go, and those that took longer than a step may. */
  steps: number;
  overlong: number;
  longestMs: number;
  /** Processor time of the longest. */
  longestCpuMs: number;
  /** Of the thread: JavaScript's heap, and buffers outside of it. */
  heapBytes: number;
  bufferBytes: number;
}

const NO_STEPS = { steps: 0, overlong: 0, longestMs: 0, longestCpuMs: 0 };
/** Readings may have to wait this long for a question. */
export const STEP_MS_MAX = 10;
export const PARTITIONS = 64;
const DAYS = 31;
/** A month of a zone an hour east of UTC: it begins in the UTC day before. */
const FIRST_DAY = Date.UTC(2026, 2, 1) / (QUARTERS_PER_DAY * QUARTER_MS);
export const PLAN = planOf(FIRST_DAY * QUARTERS_PER_DAY - 4, DAYS * QUARTERS_PER_DAY);
/** Days are put in the middle of the tree: the more at once, the fewer of its pages are written again and again (at 512, 114 GB for 16). */
const BLOCKS_PER_COMMIT = 4_096;
/** Pages whose energy differs; others have that of one of them, so that a million meters' month takes minutes. */
const PAGES_THAT_DIFFER = 64;
const READINGS_PER_BATCH = 500;
/** As of a shard's thread. */
const QUESTIONS_MS_PER_TURN = 5;

/** Four periods of a day, demand by day and not by night, days. */
function planOf(firstQuarter: number, count: number): MeteringPlan {
  const hourOf = (i: number): number => Math.floor((i % QUARTERS_PER_DAY) / 4);
  return {
    firstQuarter,
    energyBuckets: Uint8Array.from({ length: count }, (_, i) => [0, 0, 0, 1, 2, 3][Math.floor(hourOf(i) / 4)]),
    energyBucketCount: 4,
    demandBuckets: Uint8Array.from({ length: count }, (_, i) => (hourOf(i) < 7 ? NO_BUCKET : 0)),
    demandBucketCount: 1,
    demandQuarters: 1,
    splits: [],
    moments: [],
    dayStarts: Array.from({ length: DAYS }, (_, day) => day * QUARTERS_PER_DAY),
  };
}

/** A household's: some hundred watt-hours, more by day. Three of four meters count whole watt-hours, of the fourth the power is known. */
function microKwhOf(meter: number, quarter: number): number {
  const noise = Math.imul(Math.imul(meter + 1, 0x9e3779b1) ^ quarter, 0x85ebca6b) >>> 8;
  const wattHours = 20 + (noise % 250) + (quarter % QUARTERS_PER_DAY > 28 ? 120 : 0);
  return meter % 4 === 3 ? wattHours * 1_000 + (noise % 1_000) : wattHours * 1_000;
}

if (parentPort !== null && workerData !== null && typeof workerData === 'object' && 'port' in workerData) await serve(workerData as RerateShardOptions & { port: MessagePort }, parentPort);

async function serve(options: RerateShardOptions & { port: MessagePort }, main: MessagePort): Promise<void> {
  const store = openShardStore({ directory: options.directory, shard: options.shard, shardCount: options.shardCount, partitionCount: PARTITIONS });
  const state = new ShardState(
    { partitionCount: PARTITIONS, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, metersMax: options.meters, regionsMax: 10, detection: DEFAULT_DETECTION },
    { stored: store, loadPart: (...key) => store.loadPart(...key) },
  );
  await store.identify({ partitionCount: PARTITIONS, shardCount: options.shardCount, shard: options.shard });
  await fillRows(state, store, options);
  const filled = await fillEnergy(state, store);
  answerQuestions(new ShardQueries(state, store, DEFAULT_DETECTION), options.port, main);
  main.postMessage({ ...filled, storeBytes: store.sizeBytes() } satisfies FilledShard);
}

/** One reading of each meter makes its row. */
async function fillRows(state: ShardState, store: ShardStore, { meters, shard, shardCount }: RerateShardOptions): Promise<void> {
  const builder = new ReadingBatchBuilder();
  const reading = new DecodedReading();
  const outcomes = new Uint8Array(READINGS_PER_BATCH);
  const atMs = (FIRST_DAY + DAYS) * QUARTERS_PER_DAY * QUARTER_MS;
  let sequence = 0;
  const apply = (): void => {
    const { buffer, bytes } = builder.pack();
    state.applyBatch(openReadingBatch(buffer, 0, bytes), atMs, ++sequence, outcomes);
  };
  for (let meter = 0; meter < meters; meter++) {
    const id = meterIdOf(meter);
    if (shardOfPartition(partitionOf(id, PARTITIONS), shardCount) !== shard) continue;
    reading.timestamp = atMs;
    reading.powerKw = 1;
    reading.meterIdLength = Buffer.from(reading.meterId.buffer, reading.meterId.byteOffset, reading.meterId.length).write(id, 'latin1');
    reading.regionLength = Buffer.from(reading.region.buffer, reading.region.byteOffset, reading.region.length).write('r', 'latin1');
    reading.meterHash = murmur2(reading.meterId, 0, reading.meterIdLength);
    builder.append(reading);
    if (builder.count === READINGS_PER_BATCH) apply();
  }
  if (builder.count > 0) apply();
  const checkpoint = new Checkpoint(state, store, { pagesPerStepMax: Infinity });
  while (checkpoint.isDue) {
    checkpoint.begin(sequence, 'all');
    await store.commit();
    checkpoint.done();
  }
}

/** Day by day, as time makes them. */
async function fillEnergy(state: ShardState, store: ShardStore): Promise<{ microKwh: number; bytes: number }> {
  const editor = new EnergyBlockEditor();
  const filled = { microKwh: 0, bytes: 0 };
  let queued = 0;
  for (let day = FIRST_DAY - 1; day < FIRST_DAY + DAYS; day++) {
    const made = new Map<string, MadeBlock>();
    for (const [index, page] of state.directory.pages.entries()) {
      const key = `${index % PAGES_THAT_DIFFER} ${page.rowCount}`;
      let one = made.get(key);
      if (one === undefined) made.set(key, (one = makeBlock(editor, (index % PAGES_THAT_DIFFER) * ROWS_PER_PAGE, page.rowCount, day)));
      filled.microKwh += one.microKwh;
      if (day >= FIRST_DAY) filled.bytes += one.block.length;
      store.energy.put(energyKey(page.partition, page.number, day), one.block);
      if (++queued % BLOCKS_PER_COMMIT === 0) await store.commit();
    }
  }
  await store.commit();
  return filled;
}

interface MadeBlock {
  block: Uint8Array;
  /** In the plan. */
  microKwh: number;
}

function makeBlock(editor: EnergyBlockEditor, firstMeter: number, rows: number, day: number): MadeBlock {
  const [first, last] = [PLAN.firstQuarter, PLAN.firstQuarter + PLAN.energyBuckets.length];
  let sum = 0;
  editor.load(undefined);
  for (let r = 0; r < rows; r++) {
    for (let k = 0; k < QUARTERS_PER_DAY; k++) {
      const quarter = day * QUARTERS_PER_DAY + k;
      const microKwh = microKwhOf(firstMeter + r, quarter);
      editor.set(r, k, microKwh, r % 4 === 3 ? QUARTER_QUALITY.estimated : QUARTER_QUALITY.measured);
      if (quarter >= first && quarter < last) sum += microKwh;
    }
  }
  return { block: editor.encode((length) => new Uint8Array(length)), microKwh: sum };
}

function answerQuestions(queries: ShardQueries, port: MessagePort, main: MessagePort): void {
  let taken = NO_STEPS;
  const questions = new TurnShare(QUESTIONS_MS_PER_TURN, { clock: systemClock, nextTurn: setImmediate });
  new Responder<ShardQuery, ShardAnswers[ShardQuery['kind']]>(
    portTransport(port),
    (query, reply) => {
      if (query.kind !== 'determinants') {
        questions.run(() => reply.ok(queries.answer(query)));
        return;
      }
      const answer = queries.energy.determinants(query);
      const step = (): ShardAnswers['determinants'] | null => {
        const startedMs = performance.now();
        const before = process.threadCpuUsage();
        const whole = answer.step();
        const tookMs = performance.now() - startedMs;
        const { user, system } = process.threadCpuUsage(before);
        const isLongest = tookMs > taken.longestMs;
        taken = {
          steps: taken.steps + 1,
          overlong: taken.overlong + (tookMs > STEP_MS_MAX ? 1 : 0),
          longestMs: isLongest ? tookMs : taken.longestMs,
          longestCpuMs: isLongest ? (user + system) / 1_000 : taken.longestCpuMs,
        };
        return whole;
      };
      answerStepwise(step, questions, (found) => reply.ok(found, [found.rows.buffer as ArrayBuffer]), (error) => { throw error; });
    },
    { name: 'shard', mailboxMax: 1_000, epoch: 1, onFailure: (error) => { throw error; } },
    { clock: systemClock },
  );
  main.on('message', () => {
    const { heapUsed, external } = process.memoryUsage();
    main.postMessage({ ...taken, heapBytes: heapUsed, bufferBytes: external } satisfies ShardSteps);
    taken = NO_STEPS;
  });
}
