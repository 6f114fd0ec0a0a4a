import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { windowsOf, type OracleReading } from '../oracle/window-oracle.ts';
import { allRows, get, meterWindows, post, regionWindows, type IngestReply, type WireReading, type WireRegionWindow, type WireWindow } from '../support/engine-api.ts';
import { EngineProcess, eventually, removeDirectory, temporaryDirectory } from '../support/engine-process.ts';
import { RegionalSums } from '../support/regional-sums.ts';
import { windowsDifference } from '../support/window-difference.ts';

/**
 * Whatever was acknowledged is in the windows exactly once, however the process ended. A kill -9 spares what the kernel has been given, so
 * this shows that nothing is acknowledged from memory; that it is on the platter is the business of LMDB's sync and not shown here.
 */

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** `SEG_KILL_ROUNDS` for more; `seg prove` kills too, and the simulator thousands of times. */
const ROUNDS = Number(process.env.SEG_KILL_ROUNDS) || 6;
const SENDERS = 4;
const METERS_PER_SENDER = 8;
const READINGS_PER_METER_AND_BATCH = 12;
/** Nine readings a minute: windows close while later batches are on their way. */
const INTERVAL_MS = 7_000;
/** Two batches and a bit; a multiple of LATE_EVERY, so that a late reading's slot was left out when it was due. */
const LATE_SLOTS = 25;
const LATE_EVERY = 5;
const REGIONS = 3;
/** Long ago, so that a fast sender cannot reach the present; within the correction horizon. */
const BASE_MS = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - 20 * 24 * HOUR_MS;
const RANGE = { from: BASE_MS - HOUR_MS, to: Date.now() };
/** Every checkpoint step, closed window and clock tick that can be made to happen in a short run. */
const SETTINGS = { SHARDS: '2', LATENESS: '1s', CHECKPOINT_INTERVAL: '1s' };

let directory: string | null = null;
const engines: EngineProcess[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.kill9();
  if (directory !== null) removeDirectory(directory);
  directory = null;
});

async function start(settings: Record<string, string> = SETTINGS): Promise<EngineProcess> {
  directory ??= temporaryDirectory();
  const engine = EngineProcess.spawn({ dataDir: directory, settings });
  engines.push(engine);
  await engine.ready();
  return engine;
}

/** Repeatable chance: mulberry32. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

type SentReading = WireReading & { timestamp: number };

/**
 * Sends batch after batch of its own meters. A steady sender repeats a batch until it is acknowledged; a fickle one sends each once and forgets it.
 */
class Sender {
  readonly sent: SentReading[] = [];
  readonly acknowledged: SentReading[] = [];
  readonly batches: SentReading[][] = [];
  accepted = 0;
  duplicates = 0;
  failures = 0;
  private readonly name: string;
  private readonly fickle: boolean;
  private readonly random: () => number;
  private step = 0;

  constructor(name: string, fickle: boolean, seed: number) {
    this.name = name;
    this.fickle = fickle;
    this.random = seeded(seed);
  }

  async run(engine: () => EngineProcess, stopped: () => boolean): Promise<void> {
    while (!stopped()) {
      const batch = this.nextBatch();
      this.sent.push(...batch);
      while (!(await this.deliver(engine(), batch)) && !this.fickle) await sleep(20);
      await sleep(3);
    }
  }

  /** True when the engine acknowledged the batch. */
  private async deliver(engine: EngineProcess, batch: SentReading[]): Promise<boolean> {
    let reply: IngestReply;
    try {
      reply = await post(engine, batch);
    } catch {
      // Refused, cut off or answered 5xx: nothing is promised.
      this.failures++;
      return false;
    }
    expect(reply.rejected, JSON.stringify(reply.errors[0])).toBe(0);
    expect(reply.accepted + reply.duplicates).toBe(batch.length);
    this.accepted += reply.accepted;
    this.duplicates += reply.duplicates;
    this.acknowledged.push(...batch);
    this.batches.push(batch);
    return true;
  }

  /** Meters side by side, some readings late by a batch or two, in an order of chance. */
  private nextBatch(): SentReading[] {
    const batch: SentReading[] = [];
    for (let meter = 0; meter < METERS_PER_SENDER; meter++) {
      for (let i = 0; i < READINGS_PER_METER_AND_BATCH; i++) {
        const slot = this.step + i;
        // Every fifth reading of every other meter comes two batches late: it corrects a closed window.
        const late = meter % 2 === 1 && slot % LATE_EVERY === 0 ? LATE_SLOTS : 0;
        if (late > slot) continue;
        batch.push({
          meterId: `${this.name}-${meter}`,
          region: `region-0${1 + (meter % REGIONS)}`,
          timestamp: BASE_MS + (slot - late) * INTERVAL_MS,
          powerKw: Math.round(this.random() * 10_000) / 1_000,
        });
      }
    }
    this.step += READINGS_PER_METER_AND_BATCH;
    for (let i = batch.length - 1; i > 0; i--) {
      const j = Math.floor(this.random() * (i + 1));
      [batch[i], batch[j]] = [batch[j], batch[i]];
    }
    return batch;
  }
}

function finalWindows(engine: EngineProcess, meterId: string, granularity: '1m' | '15m'): Promise<WireWindow[]> {
  return eventually(() => meterWindows(engine, meterId, granularity, RANGE), (windows) => windows.every(({ final }) => final), 10_000);
}

function byMeter(readings: readonly SentReading[]): Map<string, OracleReading[]> {
  const map = new Map<string, OracleReading[]>();
  for (const reading of readings) {
    const list = map.get(reading.meterId) ?? [];
    map.set(reading.meterId, list);
    list.push(reading);
  }
  return map;
}

/** Every window of every meter is the oracle's; returns how many there were. */
async function expectOracleWindows(engine: EngineProcess, readings: readonly SentReading[]): Promise<number> {
  let compared = 0;
  for (const [meterId, ofMeter] of byMeter(readings)) {
    for (const granularity of ['1m', '15m'] as const) {
      const got = await finalWindows(engine, meterId, granularity);
      expect(windowsDifference(got, windowsOf(ofMeter, granularity)), `${granularity} windows of ${meterId}`).toBe(null);
      compared += got.length;
    }
  }
  return compared;
}

/** Each regional window is the sum over the meters' windows. */
async function expectRegionalSums(engine: EngineProcess): Promise<void> {
  const meters = await allRows<{ meterId: string }>(engine, '/api/v1/meters');
  for (const granularity of ['1m', '15m'] as const) {
    const sums = new RegionalSums();
    for (const { meterId } of meters) for (const window of await finalWindows(engine, meterId, granularity)) sums.add(window);
    const regional: WireRegionWindow[] = [];
    for (let region = 1; region <= REGIONS; region++) regional.push(...(await regionWindows(engine, `region-0${region}`, granularity, RANGE)));
    expect(sums.difference(regional), granularity).toBe(null);
  }
}

describe('an engine that is killed with -9 again and again', () => {
  it('has every acknowledged reading in its windows exactly once', { timeout: 240_000 }, async () => {
    const random = seeded(20_261_123);
    let engine = await start();
    let stopped = false;
    const steady = Array.from({ length: SENDERS }, (_, i) => new Sender(`steady-${i}`, false, i));
    const fickle = new Sender('fickle-0', true, 99);
    const running = Promise.all([...steady, fickle].map((sender) => sender.run(() => engine, () => stopped)));
    running.catch(() => {
      stopped = true;
    });
    for (let round = 0; round < ROUNDS; round++) {
      await sleep(100 + random() * 900);
      await engine.kill9();
      if (round % 2 === 1) {
        // And once more while it recovers.
        const recovering = EngineProcess.spawn({ dataDir: directory!, settings: SETTINGS });
        engines.push(recovering);
        await sleep(200 + random() * 1_000);
        await recovering.kill9();
      }
      engine = await start();
    }
    await sleep(200);
    stopped = true;
    await running;
    expect(steady.reduce((sum, { failures }) => sum + failures, 0)).toBeGreaterThanOrEqual(ROUNDS);

    const acknowledged = steady.flatMap((sender) => sender.acknowledged);
    const compared = await expectOracleWindows(engine, acknowledged);
    // Counted once at most, also when the first ack was lost with the process.
    for (const { accepted, sent } of steady) expect(accepted).toBeLessThanOrEqual(sent.length);

    const promised = byMeter(fickle.acknowledged);
    for (const [meterId, ofMeter] of byMeter(fickle.sent)) {
      const least = new Map(windowsOf(promised.get(meterId) ?? [], '1m').map(({ windowStart, count }) => [windowStart, count]));
      const most = new Map(windowsOf(ofMeter, '1m').map(({ windowStart, count }) => [windowStart, count]));
      const got = new Map((await finalWindows(engine, meterId, '1m')).map(({ windowStart, count }) => [Date.parse(windowStart), count]));
      for (const [start, count] of least) expect(got.get(start) ?? 0, `${meterId} at ${start}`).toBeGreaterThanOrEqual(count);
      for (const [start, count] of got) expect(most.get(start) ?? 0, `${meterId} at ${start}`).toBeGreaterThanOrEqual(count);
    }
    await expectRegionalSums(engine);

    let repeated = 0;
    for (const batch of steady.flatMap(({ batches }) => batches)) {
      if (random() > 0.2) continue;
      expect(await post(engine, batch)).toEqual({ accepted: 0, duplicates: batch.length, rejected: 0, errors: [] });
      repeated += batch.length;
    }
    expect(await expectOracleWindows(engine, acknowledged)).toBe(compared);
    const resent = steady.reduce((sum, { duplicates }) => sum + duplicates, 0);
    console.log(`kill -9: ${ROUNDS} rounds, ${acknowledged.length} readings acknowledged, ${resent} of them by a repeat, ${compared} windows equal the oracle's, ${repeated} sent once more changed nothing`);
  });
});

describe('an engine that is stopped', () => {
  it('ends with 0 under load, and has what it acknowledged when it is back', { timeout: 120_000 }, async () => {
    let engine = await start();
    let stopped = false;
    const senders = [new Sender('stop-0', false, 7), new Sender('stop-1', false, 8)];
    const running = Promise.all(senders.map((sender) => sender.run(() => engine, () => stopped)));
    running.catch(() => {
      stopped = true;
    });
    await sleep(700);
    expect(await engine.stop(), engine.transcript()).toBe(0);
    expect(engine.lines.filter(({ level }) => level === 'error')).toEqual([]);
    engine = await start();
    await sleep(300);
    stopped = true;
    await running;
    await expectOracleWindows(engine, senders.flatMap(({ acknowledged }) => acknowledged));
    await expectRegionalSums(engine);
  });

  it('comes back with the same answers, open windows, baselines, health and dead letters among them', { timeout: 60_000 }, async () => {
    // Nothing closes by the clock while it is away, so that the answers can be compared.
    const settings = { SHARDS: '2', LATENESS: '60s' };
    const nowMs = Date.now();
    const first = await start(settings);
    const readings = Array.from({ length: 600 }, (_, i) => ({ meterId: `m-${i % 5}`, region: 'region-01', timestamp: nowMs - (600 - i) * 10_000, powerKw: (i % 11) / 10, voltage: i % 5 === 0 ? 260 : 230 }));
    await post(first, readings);
    await post(first, [{ ...readings[0], powerKw: 99 }, { ...readings[0], powerKw: 'x' }]);
    const answers = async (engine: EngineProcess): Promise<unknown[]> => {
      const paths = ['/api/v1/meters', '/api/v1/dead-letters', '/api/v1/anomalies', '/api/v1/regions', ...[0, 1, 2, 3, 4].flatMap((i) => [`/api/v1/meters/m-${i}`, `/api/v1/meters/m-${i}/aggregates`, `/api/v1/meters/m-${i}/aggregates?granularity=15m`])];
      return Promise.all(paths.map(async (path) => [path, (await get(engine, path)).body]));
    };
    const regionOne = (engine: EngineProcess) => () => get<{ meters: number }>(engine, '/api/v1/regions/region-01');
    // Dead letters and the live picture follow the ack by a moment.
    const settled = async (engine: EngineProcess): Promise<unknown[]> => {
      await eventually(() => get<{ data: unknown[] }>(engine, '/api/v1/dead-letters'), ({ body }) => body.data.length === 2);
      await eventually(regionOne(engine), ({ body }) => body.meters === 5);
      return answers(engine);
    };
    const before = await settled(first);
    expect(JSON.stringify(before)).toContain('"final":false');
    expect(await first.stop()).toBe(0);
    const second = await start(settings);
    expect(await settled(second)).toEqual(before);
    await second.kill9();
    expect(await settled(await start(settings))).toEqual(before);
  });
});
