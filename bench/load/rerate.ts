import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import type { ShardAnswers, ShardQuery } from '../../src/actors/shard/protocol.ts';
import { METERS_PER_QUESTION_MAX } from '../../src/actors/tariffs/energy-source.ts';
import { EnergyLink } from '../../src/engine/energy-link.ts';
import type { Determinants } from '../../src/model/energy.ts';
import { systemClock, systemTimers } from '../../src/runtime/clock.ts';
import { invariant } from '../../src/runtime/errors.ts';
import { Requester } from '../../src/runtime/request-channel.ts';
import { portTransport } from '../../src/runtime/transport.ts';
import { rowOf, type BenchReport } from '../bench-report.ts';
import { PARTITIONS, PLAN, STEP_MS_MAX, type FilledShard, type RerateShardOptions, type ShardSteps } from './rerate-fleet.ts';

/** A month of every meter added up as a tariff says, from energy on disk to the main thread: what a billing run or another tariff asks of the shards. */

export interface RerateOptions {
  meters: number;
  rounds: number;
}

export const RERATE_FULL: RerateOptions = { meters: 40_000, rounds: 5 };

/** Of a fleet whose filling takes minutes, so that all of it stays below ten. */
const MANY = { meters: 200_000, rounds: 2 };
/** As many as cores that the figure is for. */
export const SHARDS = 2;
/** Questions under way: shards must not wait for the main thread. */
const QUESTIONS = 6;
/** All questions under way may lie with one shard. */
export const DEADLINE_MS = 60_000;
const FLEET = 1_000_000;

type ShardRequester = Requester<ShardQuery, ShardAnswers[ShardQuery['kind']]>;

export interface Shard {
  worker: Worker;
  requester: ShardRequester;
  filled: Promise<FilledShard>;
}

export async function run(options: RerateOptions = RERATE_FULL): Promise<BenchReport> {
  const directory = await mkdtemp(join(tmpdir(), 'seg-bench-rerate-'));
  const shards = Array.from({ length: SHARDS }, (_, shard) => startShard({ shard, shardCount: SHARDS, directory: join(directory, `shard-${shard}`), meters: options.meters }));
  try {
    // Side by side: a million meters' month takes minutes.
    const filled = await Promise.all(shards.map((shard) => shard.filled));
    return await measure(options, shards, filled);
  } finally {
    for (const { worker, requester } of shards) {
      requester.close();
      await worker.terminate();
    }
    await rm(directory, { recursive: true, force: true });
  }
}

export function startShard(options: RerateShardOptions): Shard {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('rerate-fleet.ts', import.meta.url), { workerData: { ...options, port: port2 }, transferList: [port2] });
  const filled = new Promise<FilledShard>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  const requester: ShardRequester = new Requester(portTransport(port1), { name: `shard-${options.shard}`, creditsMax: QUESTIONS * 2, bytesInFlightMax: Number.MAX_SAFE_INTEGER, epoch: 1 }, { clock: systemClock, timers: systemTimers });
  return { worker, requester, filled };
}

async function measure({ meters, ...options }: RerateOptions, shards: readonly Shard[], filled: readonly FilledShard[]): Promise<BenchReport> {
  const link = new EnergyLink({ partitionCount: PARTITIONS, shardCount: SHARDS }, (shard, query) => shards[shard].requester.request(query, { deadlineMs: DEADLINE_MS }) as never);
  const expected = filled.reduce((sum, { microKwh }) => sum + microKwh, 0);
  const rates: number[] = [];
  const rounds = meters > MANY.meters ? Math.min(options.rounds, MANY.rounds) : options.rounds;
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    const found = await rerate(link);
    rates.push((meters * 1_000) / (performance.now() - startedMs));
    // The first compiles the code.
    if (round === 0 && rounds > 1) await stepsOf(shards);
    invariant(found.meters === meters, `all of ${meters} meters were added up, not ${found.meters}`);
    invariant(found.microKwh === expected, `their energy is ${expected} microKwh, not ${found.microKwh}`);
  }
  const bytes = filled.reduce((sum, { bytes }) => sum + bytes, 0);
  const stored = filled.reduce((sum, { storeBytes }) => sum + storeBytes, 0);
  const row = rowOf('determinants of a month, 4 periods, demand and days', 'meters/s', rates, '', '');
  const size = `${SHARDS} shards, ${meters} meters, ${(bytes / meters).toFixed(0)} bytes a meter and month, ${(stored / meters).toFixed(0)} on disk`;
  row.note = `${(FLEET / row.median).toFixed(0)} s for ${FLEET} meters; ${size}; ${sayings(await stepsOf(shards))}; counts verified: ${expected / 1e6} kWh`;
  return { name: 'load: rerate', leavesOut: 'rates and bills, readings that come meanwhile, a cold page cache where the files fit into memory.', rows: [row] };
}

/** Of the longest step and of memory, over all shards. */
function sayings(shards: readonly ShardSteps[]): string {
  const longest = shards.reduce((a, b) => (b.longestMs > a.longestMs ? b : a));
  const sum = (of: (shard: ShardSteps) => number): number => shards.reduce((total, shard) => total + of(shard), 0);
  const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  const steps = `longest step of a shard ${longest.longestMs.toFixed(1)} ms, of which ${longest.longestCpuMs.toFixed(1)} on a processor, ${sum(({ overlong }) => overlong)} of ${sum((shard) => shard.steps)} above ${STEP_MS_MAX} ms`;
  return `${steps}; memory of the shards' threads ${megabytes(sum(({ heapBytes }) => heapBytes))} MB of heap and ${megabytes(sum(({ bufferBytes }) => bufferBytes))} of buffers`;
}

/** Of all meters, in order, several questions at a time. */
async function rerate(link: EnergyLink): Promise<{ meters: number; microKwh: number }> {
  const total = { meters: 0, microKwh: 0 };
  const asked: Promise<void>[] = [];
  let after: string | null = null;
  do {
    const { meters, next }: Awaited<ReturnType<EnergyLink['meters']>> = await link.meters(after, METERS_PER_QUESTION_MAX);
    const ids = meters.map(({ meterId }) => meterId);
    if (asked.length === QUESTIONS) await asked.shift();
    asked.push(link.determinants(ids, new Uint8Array(ids.length), [PLAN]).then((found) => ids.forEach((_, i) => add(total, found.at(i) ?? null))));
    after = next;
  } while (after !== null);
  await Promise.all(asked);
  return total;
}

function add(total: { meters: number; microKwh: number }, found: Determinants | null): void {
  invariant(found !== null, 'every meter is known');
  total.meters++;
  for (const microKwh of found.importMicroKwh) total.microKwh += microKwh;
  for (const microKwh of found.exportMicroKwh) total.microKwh -= microKwh;
}

function stepsOf(shards: readonly Shard[]): Promise<ShardSteps[]> {
  return Promise.all(
    shards.map(({ worker }) => {
      const steps = new Promise<ShardSteps>((resolve) => worker.once('message', resolve));
      worker.postMessage('steps');
      return steps;
    }),
  );
}
