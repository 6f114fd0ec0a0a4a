import { Packr, Unpackr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { energyRows } from '../../src/actors/shard/energy-block.ts';
import { METERS_PER_QUESTION_MAX } from '../../src/actors/tariffs/energy-source.ts';
import type { AskShard } from '../../src/engine/ask-shard.ts';
import { EnergyLink } from '../../src/engine/energy-link.ts';
import { answerStepwise } from '../../src/engine/stepwise-answer.ts';
import { QUARTER_MS, type Determinants, type MeteringPlan } from '../../src/model/energy.ts';
import { TurnShare } from '../../src/runtime/turn-share.ts';
import { energyProblem } from '../oracle/energy-oracle.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardFleet } from '../support/shard-fleet.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

const FIRST = LIFE_START_MS / QUARTER_MS;
const QUARTERS = 12;
const METERS = 100;
const fleetOptions = { startMs: LIFE_START_MS, shards: 3, partitionCount: 8, latenessMs: 30_000, correctionHorizonMs: 40 * 86_400_000, intervalMs: 100, pagesPerStepMax: 128, journalKeepBytesMax: 1e9 };

function readingAt(meter: number, quarter: number): TestReading {
  return readingOf(meter, LIFE_START_MS + quarter * QUARTER_MS + 60_000, { powerKw: 1 + ((meter * 7 + quarter * 13) % 50) / 10, energyKwh: meter % 3 === 0 ? undefined : ((meter * 11 + quarter * 5) % 70) / 100 - 0.1, isError: false, regionShift: 0 });
}

/** Every meter sends every quarter-hour, but for some that miss some. */
const SENT = Array.from({ length: QUARTERS }, (_, quarter) => Array.from({ length: METERS }, (_, meter) => ({ meter, quarter })).filter(({ meter, quarter }) => meter % 10 !== 1 || quarter % 3 === 0));

async function liveFleet(): Promise<{ fleet: ShardFleet; readings: TestReading[] }> {
  const fleet = new ShardFleet(fleetOptions);
  await fleet.start();
  const readings: TestReading[] = [];
  for (const sent of SENT) {
    const batch = sent.map(({ meter, quarter }) => readingAt(meter, quarter));
    readings.push(...batch);
    await fleet.send(batch);
    fleet.jumpClock(QUARTER_MS);
    await fleet.advance(1_500);
  }
  fleet.jumpClock(QUARTER_MS);
  await fleet.advance(3_000);
  return { fleet, readings };
}

function askOf(fleet: ShardFleet): AskShard {
  return async (shard, query) => fleet.actors[shard].ask(query) as never;
}

async function determinantsOf(link: EnergyLink, ...asked: Parameters<EnergyLink['determinants']>): Promise<(Determinants | null)[]> {
  const found = await link.determinants(...asked);
  return asked[0].map((_, i) => found.at(i) ?? null);
}

function flatPlan(firstQuarter: number, count: number): MeteringPlan {
  const buckets = new Uint8Array(count);
  return { firstQuarter, energyBuckets: buckets, energyBucketCount: 1, demandBuckets: buckets, demandBucketCount: 1, demandQuarters: 1, splits: [], moments: [], dayStarts: [] };
}

describe('the energy of a fleet', () => {
  it('is asked for meter by meter, in an order that no number of shards changes', async () => {
    const { fleet } = await liveFleet();
    const listed = async (limit: number): Promise<string[]> => {
      const link = new EnergyLink({ partitionCount: fleetOptions.partitionCount, shardCount: fleet.shards }, askOf(fleet));
      const ids: string[] = [];
      let after: string | null = null;
      do {
        const { meters, next }: Awaited<ReturnType<EnergyLink['meters']>> = await link.meters(after, limit);
        expect(meters.length).toBeLessThanOrEqual(limit);
        for (const { meterId, region } of meters) {
          expect((await link.place(meterId))?.region).toBe(region);
          ids.push(meterId);
        }
        after = next;
      } while (after !== null);
      return ids;
    };
    const ids = await listed(1_000);
    expect([...ids].sort()).toEqual(Array.from({ length: METERS }, (_, meter) => `m${meter}`).sort());
    for (const limit of [1, 2, 3, 4, 5, 7, 8, 64, METERS]) expect(await listed(limit)).toEqual(ids);
    await fleet.stop();
    await fleet.redistribute(2);
    await fleet.start();
    expect(await listed(13)).toEqual(ids);
    const link = new EnergyLink({ partitionCount: fleetOptions.partitionCount, shardCount: fleet.shards }, askOf(fleet));
    expect(await link.place('nobody')).toBeNull();
    await expect(link.meters('junk', 5)).rejects.toThrow(/cursor/);
  });

  it('is asked for in full pieces where each shard has one partition, and each partition several pages', async () => {
    const fleet = new ShardFleet({ ...fleetOptions, shards: 4, partitionCount: 4 });
    await fleet.start();
    const all = Array.from({ length: 600 }, (_, meter) => readingAt(meter, 0));
    await fleet.send(all);
    const link = new EnergyLink({ partitionCount: 4, shardCount: 4 }, askOf(fleet));
    const listed = async (limit: number): Promise<string[][]> => {
      const pieces: string[][] = [];
      for (let after: string | null = null; ; ) {
        const { meters, next }: Awaited<ReturnType<EnergyLink['meters']>> = await link.meters(after, limit);
        pieces.push(meters.map(({ meterId }) => meterId));
        if (next === null) return pieces;
        after = next;
      }
    };
    const [ids] = await listed(1_000);
    expect([...ids].sort()).toEqual(all.map(({ meterId }) => meterId).sort());
    for (const limit of [3, 64, 100, 128, 599, 600]) {
      const pieces = await listed(limit);
      expect(pieces.flat()).toEqual(ids);
      expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(limit);
      // Where a shard's pages end others' wait for the next piece, but not all of them.
      if (limit <= 128) expect(pieces.length).toBeLessThanOrEqual(Math.ceil(600 / limit) + 3);
    }
  });

  it('is added up of many meters as of each alone, by the plan of each', async () => {
    const { fleet, readings } = await liveFleet();
    const link = new EnergyLink({ partitionCount: fleetOptions.partitionCount, shardCount: fleet.shards }, askOf(fleet));
    const { meters } = await link.meters(null, METERS);
    const ids = ['nobody', ...meters.map(({ meterId }) => meterId)];
    const plans = [flatPlan(FIRST, QUARTERS), { ...flatPlan(FIRST + 3, 8), dayStarts: [2, 5] }];
    const together = await determinantsOf(link, ids, Uint8Array.from(ids, (_, i) => Math.floor(i / 40) % 2), plans);
    expect(together[0]).toBeNull();
    const windows = windowsOf(readings, '15m');
    for (const [i, meterId] of ids.entries()) {
      if (i === 0) continue;
      const plan = plans[Math.floor(i / 40) % 2];
      expect(together[i]).toEqual((await determinantsOf(link, [meterId], Uint8Array.of(0), [plan]))[0]);
      const quarters = (await link.quarters(meterId, plan.firstQuarter, plan.firstQuarter + plan.energyBuckets.length))!;
      expect(together[i]!.importMicroKwh[0] - together[i]!.exportMicroKwh[0]).toBe(quarters.reduce((sum, { microKwh }) => sum + microKwh, 0));
      expect(energyProblem(windows.filter((window) => window.meterId === meterId), (from, to) => fleet.energyOf(meterId, from, to))).toBeNull();
    }
    // Of these the sums are made in another way.
    const sums = await determinantsOf(link, ids, new Uint8Array(ids.length), [{ ...plans[0], withoutDigest: true }]);
    const others = await determinantsOf(link, ids, new Uint8Array(ids.length), [plans[0]]);
    expect(sums).toEqual(others.map((one) => one && { ...one, digest: 0 }));
    await expect(link.determinants(new Array(METERS_PER_QUESTION_MAX + 1).fill('m1'), new Uint8Array(METERS_PER_QUESTION_MAX + 1), plans)).rejects.toThrow(/1025 meters/);
  });

  it('is the same from another node, whose replies lie in memory of their own', async () => {
    const { fleet } = await liveFleet();
    const packr = new Packr({ useRecords: false });
    const options = { partitionCount: fleetOptions.partitionCount, shardCount: fleet.shards };
    const near = new EnergyLink(options, askOf(fleet));
    const far = new EnergyLink(options, async (shard, query) => packr.unpack(packr.pack({ ok: await askOf(fleet)(shard, query) })).ok);
    const ids = Array.from({ length: METERS + 3 }, (_, meter) => `m${meter}`);
    const asked = [ids, new Uint8Array(ids.length), [flatPlan(FIRST, QUARTERS)]] as const;
    expect(await determinantsOf(far, ...asked)).toEqual(await determinantsOf(near, ...asked));
    for (const { found } of await far.determinantParts(...asked)) expect([found.rows.buffer.byteLength, found.known.buffer.byteLength]).toEqual([found.rows.length, found.known.length]);
  });

  it('has the power of a count over the gap before it, though the gap lies before what is asked for', async () => {
    const { fleet } = await liveFleet();
    const link = new EnergyLink({ partitionCount: fleetOptions.partitionCount, shardCount: fleet.shards }, askOf(fleet));
    // It sends every third quarter-hour.
    const [{ microKwh, quality }] = (await link.quarters('m61', FIRST + 3, FIRST + 4))!;
    expect([quality, microKwh > 0]).toEqual(['measured', true]);
    const [found] = await determinantsOf(link, ['m61'], Uint8Array.of(0), [flatPlan(FIRST + 3, 1)]);
    expect(found!.importMicroKwh).toEqual([microKwh]);
    expect(found!.peakMicroKw).toEqual([(microKwh - 2 * Math.trunc(microKwh / 3)) * 4]);
  });

  it('knows which quarter-hour took a region the most power', async () => {
    const { fleet, readings } = await liveFleet();
    const link = new EnergyLink({ partitionCount: fleetOptions.partitionCount, shardCount: fleet.shards }, askOf(fleet));
    const sums = new Map<number, number>();
    for (const { region, windowStart, avgPowerKw } of windowsOf(readings, '15m')) if (region === 'r1') sums.set(windowStart / QUARTER_MS, (sums.get(windowStart / QUARTER_MS) ?? 0) + Math.round(avgPowerKw * 1e9));
    const peakIn = (from: number, to: number): number => [...sums].filter(([quarter]) => quarter >= from && quarter < to).sort((a, b) => b[1] - a[1] || a[0] - b[0])[0][0];
    expect(await link.regionPeak('r1', FIRST - 10, FIRST + 5_000)).toBe(peakIn(0, Infinity));
    expect(await link.regionPeak('r1', FIRST + 2, FIRST + 7)).toBe(peakIn(FIRST + 2, FIRST + 7));
    expect(await link.regionPeak('nowhere', FIRST, FIRST + 5)).toBeNull();
    expect(await link.regionPeak('r1', FIRST - 5, FIRST)).toBeNull();
  });

  it('is made of the windows of a store that an older engine left, however often that is broken off', async () => {
    const { fleet } = await liveFleet();
    await fleet.stop();
    const before = Object.fromEntries(['m0', 'm1', 'm2', 'm99'].map((meterId) => [meterId, [] as unknown]));
    await fleet.start();
    for (const meterId of Object.keys(before)) before[meterId] = fleet.energyOf(meterId, FIRST - 5, FIRST + 40);
    await fleet.stop();
    for (const [shard, disk] of fleet.disks.entries()) {
      const energy = disk.tables.table('energy');
      for (const { key, value } of [...energy.range(Buffer.alloc(1), Buffer.alloc(80, 255))]) {
        expect(energyRows(value)).toBeGreaterThan(0);
        energy.remove(key);
      }
      const meta = disk.tables.table('meta');
      const identity = new Unpackr({ useRecords: false }).unpack(meta.get(Buffer.from('identity'))!) as object;
      meta.put(Buffer.from('identity'), new Packr({ useRecords: false }).pack({ ...identity, format: 8 }));
      await disk.tables.commit();
      // The first of its commits; the rest of the work is lost with it.
      if (shard === 0) disk.failNext('storage_full', 1);
    }
    expect(fleet.verify()).toEqual([]);
    await expect(fleet.start()).rejects.toThrow();
    fleet.disks = fleet.disks.map((disk) => disk.crash());
    await fleet.start();
    for (const meterId of Object.keys(before)) expect(fleet.energyOf(meterId, FIRST - 5, FIRST + 40)).toEqual(before[meterId]);
    await fleet.stop();
    expect(fleet.verify()).toEqual([]);
  });
});

describe('a question in steps', () => {
  it('leaves the turn to others after its share, and tells what goes wrong', () => {
    const turns: (() => void)[] = [];
    let nowMs = 0;
    const questions = new TurnShare(5, { clock: { monotonic: () => nowMs }, nextTurn: (run) => turns.push(run) });
    const seen: string[] = [];
    let steps = 0;
    const step = () => {
      nowMs += 3;
      steps++;
      seen.push(`step ${steps}`);
      return steps === 5 ? { known: Uint8Array.of(0), rows: new Uint8Array(0) } : null;
    };
    answerStepwise(step, questions, ({ known }) => seen.push(`answer of ${known.length}`), () => seen.push('refused'));
    seen.push('turn');
    questions.run(() => seen.push('another'));
    while (turns.length > 0) turns.shift()!();
    expect(seen).toEqual(['step 1', 'turn', 'step 2', 'another', 'step 3', 'step 4', 'step 5', 'answer of 1']);
    answerStepwise(() => { throw new Error('broken'); }, questions, () => seen.push('answered'), (error) => seen.push((error as Error).message));
    expect(seen.at(-1)).toBe('broken');
  });
});
