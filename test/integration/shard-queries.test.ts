import { describe, expect, it } from 'vitest';
import type { Anomaly } from '../../src/model/anomaly.ts';
import type { AnomalyQuery, DeadLetter, DeadLetterQuery, MeterSummary, Page } from '../../src/model/queries.ts';
import { OUTCOME } from '../../src/model/reading.ts';
import { windowsOf } from '../oracle/window-oracle.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { expectWindows, ShardExpectations } from '../support/shard-expectations.ts';
import { ShardHarness, type HarnessOptions } from '../support/shard-harness.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

/** What a shard answers while its data lie in the store, wait for a commit, are in one and are still open. */

const MINUTE_MS = 60_000;
const FOREVER_MS = 1e13;
const plain = { isError: false, regionShift: 0 };

function minutes(meter: number, fromMinute: number, count: number): TestReading[] {
  return Array.from({ length: count }, (_, i) => readingOf(meter, LIFE_START_MS + (fromMinute + i) * MINUTE_MS, { powerKw: fromMinute + i, ...plain }));
}

async function begin(options: Partial<HarnessOptions> = {}): Promise<ShardHarness> {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, ...options });
  await harness.start();
  return harness;
}

async function send(harness: ShardHarness, readings: readonly TestReading[]): Promise<void> {
  harness.send(readings);
  await harness.drain();
}

/** Every row of a paged answer, and how many pages it took. `between` runs after each page. */
async function walk<T>(ask: (cursor: string | null) => Page<T>, limit: number, between: () => Promise<void> = async () => {}): Promise<{ rows: T[]; pages: number }> {
  const rows: T[] = [];
  let cursor: string | null = null;
  for (let pages = 1; ; pages++) {
    if (pages > 1_000) throw new Error('the walk does not end');
    const page = ask(cursor);
    expect(page.data.length).toBeLessThanOrEqual(limit);
    rows.push(...page.data);
    cursor = page.nextCursor;
    if (cursor === null) return { rows, pages };
    await between();
  }
}

describe('windows of a meter', () => {
  it('are one row each, whether stored, waiting, being written or open, for every limit', async () => {
    const harness = await begin({ commitMs: 50, stepMs: 200, partitionCount: 1 });
    await send(harness, [...minutes(0, 0, 20), ...minutes(1, 0, 40)]);
    await harness.advance(600);
    await send(harness, [...minutes(0, 20, 5), readingOf(0, LIFE_START_MS + 3 * MINUTE_MS + 500, { powerKw: 9, ...plain })]);
    // A step has begun with those; it is not on disk yet.
    for (let i = 0; i < 400 && harness.actor.state.directory.pages[0].flushing === null; i++) await harness.advance(1);
    const page = harness.actor.state.directory.pages[0];
    harness.send([...minutes(0, 25, 5), readingOf(0, LIFE_START_MS + 4 * MINUTE_MS + 500, { powerKw: 9, ...plain })]);
    expect([harness.shardStore.windows.count() > 0, page.flushing!.count > 0]).toEqual([true, true]);
    const readings = [...minutes(0, 0, 25), readingOf(0, LIFE_START_MS + 3 * MINUTE_MS + 500, { powerKw: 9, ...plain })];
    for (let limit = 1; limit <= 27; limit++) expectWindows(harness.windowsOf('m0', '1m', limit), windowsOf(readings, '1m'));
    await harness.drain();
    const later = [...readings, ...minutes(0, 25, 5), readingOf(0, LIFE_START_MS + 4 * MINUTE_MS + 500, { powerKw: 9, ...plain })];
    for (let limit = 1; limit <= 32; limit++) {
      expectWindows(harness.windowsOf('m0', '1m', limit), windowsOf(later, '1m'));
      expectWindows(harness.windowsOf('m0', '15m', limit), windowsOf(later, '15m'));
    }
    expect(harness.windowsOf('m0', '1m', 100).map(({ final }) => final)).toEqual([...Array(28).fill(true), false, false]);
    const revised = harness.windowsOf('m0', '1m', 100).filter(({ revision }) => revision > 0);
    expect(revised.map(({ windowStart, revision, count }) => [windowStart, revision, count])).toEqual([3, 4].map((minute) => [LIFE_START_MS + minute * MINUTE_MS, 1, 2]));
  });

  it('are visited once each by a walk while data keep arriving, and those that were there before it all', async () => {
    const harness = await begin({ stepMs: 1, intervalMs: 1 });
    await send(harness, minutes(0, 0, 30));
    let next = 30;
    const { rows } = await walk(
      (cursor) => harness.ask<'meterWindows'>({ kind: 'meterWindows', meterId: 'm0', query: { granularity: '1m', from: 0, to: FOREVER_MS, limit: 4, cursor } })!,
      4,
      async () => {
        if (next < 50) await send(harness, [...minutes(0, next, 1), readingOf(0, LIFE_START_MS + (next - 25) * MINUTE_MS + 7, { powerKw: 1, ...plain })]);
        next++;
      },
    );
    const starts = rows.map(({ windowStart }) => (windowStart - LIFE_START_MS) / MINUTE_MS);
    expect(starts).toEqual(starts.map((_, i) => i));
    expect(starts.length).toBeGreaterThanOrEqual(30);
  });

  it('are those that begin in the interval asked for', async () => {
    const harness = await begin();
    await send(harness, minutes(0, 0, 10));
    const ask = (from: number, to: number) =>
      harness
        .ask<'meterWindows'>({ kind: 'meterWindows', meterId: 'm0', query: { granularity: '1m', from: LIFE_START_MS + from, to: LIFE_START_MS + to, limit: 100, cursor: null } })!
        .data.map(({ windowStart }) => (windowStart - LIFE_START_MS) / MINUTE_MS);
    expect([ask(2 * MINUTE_MS, 5 * MINUTE_MS), ask(2 * MINUTE_MS + 1, 5 * MINUTE_MS + 1), ask(0, 0), ask(20 * MINUTE_MS, 30 * MINUTE_MS)]).toEqual([[2, 3, 4], [3, 4, 5], [], []]);
  });

  it('of a meter nobody knows are null, not empty', async () => {
    const harness = await begin();
    expect(harness.ask<'meterWindows'>({ kind: 'meterWindows', meterId: 'nobody', query: { granularity: '1m', from: 0, to: FOREVER_MS, limit: 1, cursor: null } })).toBeNull();
    expect(harness.ask<'meter'>({ kind: 'meter', meterId: 'nobody' })).toBeNull();
  });

  it('leave out those that hold ERROR readings alone', async () => {
    const harness = await begin({ stepMs: 1, intervalMs: 1 });
    await send(harness, [...minutes(0, 0, 2), readingOf(0, LIFE_START_MS + 2 * MINUTE_MS, { powerKw: 5, isError: true, regionShift: 0 }), ...minutes(0, 5, 2)]);
    await harness.advance(50);
    expect(harness.windowsOf('m0', '1m', 1).map(({ windowStart }) => (windowStart - LIFE_START_MS) / MINUTE_MS)).toEqual([0, 1, 5, 6]);
    expect(harness.ask<'meter'>({ kind: 'meter', meterId: 'm0' })).toMatchObject({ readings: 5, lastPowerKw: 6 });
  });
});

describe('the list of meters', () => {
  it('is in order of id, whole or of one region, for every limit', async () => {
    const harness = await begin();
    const meters = Array.from({ length: 23 }, (_, i) => i * 7);
    await send(harness, meters.map((meter) => readingOf(meter, LIFE_START_MS, { powerKw: 1, ...plain })));
    await harness.advance(500);
    const ids = meters.map((meter) => `m${meter}`).sort();
    for (const limit of [1, 2, 5, 22, 23, 24]) {
      const all = await walk<MeterSummary>((cursor) => harness.ask<'meters'>({ kind: 'meters', query: { region: null, limit, cursor } }), limit);
      expect(all.rows.map(({ meterId }) => meterId)).toEqual(ids);
      const some = await walk<MeterSummary>((cursor) => harness.ask<'meters'>({ kind: 'meters', query: { region: 'r1', limit, cursor } }), limit);
      expect(some.rows.map(({ meterId }) => meterId)).toEqual(ids.filter((id) => Number(id.slice(1)) % 3 === 1));
    }
  });
});

describe('dead letters', () => {
  const conflicts = (from: number, count: number) => minutes(0, from, count).map((reading) => ({ ...reading, powerKw: -1 }));
  const query = (more: Partial<DeadLetterQuery>) => ({ code: null, meterId: null, from: 0, to: FOREVER_MS, limit: 100, cursor: null, ...more });
  const ask = (harness: ShardHarness, more: Partial<DeadLetterQuery> = {}): Page<DeadLetter> => harness.ask<'deadLetters'>({ kind: 'deadLetters', query: query(more) });

  it('come newest first, each once, for every limit and while more arrive', async () => {
    const harness = await begin({ stepMs: 1, intervalMs: 1, correctionHorizonMs: 3_600_000 });
    await send(harness, minutes(0, 0, 30));
    for (let i = 0; i < 12; i++) {
      await send(harness, conflicts(i, 2));
      await harness.advance(5);
    }
    const all = ask(harness).data;
    expect(all.length).toBe(24);
    expect(all.map(({ receivedAt }) => receivedAt)).toEqual(all.map(({ receivedAt }) => receivedAt).sort((a, b) => b - a));
    for (const limit of [1, 2, 24, 5]) {
      let more = 0;
      const { rows } = await walk((cursor) => ask(harness, { limit, cursor }), limit, async () => {
        if (limit === 5 && more++ < 3) await send(harness, conflicts(20, 1));
      });
      expect(rows.map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    }
  });

  it('can be asked for by code, meter and time', async () => {
    const harness = await begin({ stepMs: 1, intervalMs: 1, correctionHorizonMs: 3_600_000 });
    await send(harness, [...minutes(0, 0, 3), ...minutes(1, 0, 3), ...minutes(1, 300, 1)]);
    await send(harness, [...conflicts(0, 2), readingOf(1, LIFE_START_MS + 500, { powerKw: 1, ...plain })]);
    await harness.advance(1_000);
    const between = harness.nowMs;
    await harness.advance(1_000);
    await send(harness, conflicts(2, 1));
    await harness.advance(50);
    const count = (more: Partial<DeadLetterQuery>) => ask(harness, more).data.length;
    expect([count({}), count({ code: 'conflict' }), count({ code: 'too_late' }), count({ code: 'meter_limit' })]).toEqual([4, 3, 1, 0]);
    expect([count({ meterId: 'm0' }), count({ meterId: 'm1' }), count({ meterId: 'm2' })]).toEqual([3, 1, 0]);
    expect([count({ from: between }), count({ to: between }), count({ from: between, to: between })]).toEqual([1, 3, 0]);
    expect(ask(harness, { code: 'too_late' }).data[0]).toMatchObject({ meterId: 'm1', index: 2 });
  });

  it('are bounded: the oldest go when there are more than allowed', async () => {
    const harness = await begin({ stepMs: 1, intervalMs: 1, deadLettersMax: 10 });
    await send(harness, minutes(0, 0, 30));
    for (let i = 0; i < 15; i++) {
      await send(harness, conflicts(i, 2));
      await harness.advance(5);
    }
    // A step removes what was too much when it began.
    await send(harness, minutes(0, 30, 1));
    await harness.advance(20);
    const kept = ask(harness).data.map(({ raw }) => ((JSON.parse(raw) as { timestamp: number }).timestamp - LIFE_START_MS) / MINUTE_MS);
    expect(kept).toEqual([15, 14, 14, 13, 13, 12, 12, 11, 11, 10]);
  });
});

describe('anomalies', () => {
  const query = (more: Partial<AnomalyQuery>) => ({ meterId: null, region: null, kind: null, severity: null, open: false, from: 0, to: FOREVER_MS, limit: 1_000, cursor: null, ...more });
  const ask = (harness: ShardHarness, more: Partial<AnomalyQuery> = {}): Page<Anomaly> => harness.ask<'anomalies'>({ kind: 'anomalies', query: query(more) });

  /** Meters that fall silent and come back: an outage each time. */
  async function withOutages(options: Partial<HarnessOptions> = {}, rounds = 4): Promise<ShardHarness> {
    const harness = await begin({ stepMs: 1, intervalMs: 1, ...options });
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < 3; i++) {
        await send(harness, [0, 1, 2].map((meter) => readingOf(meter, harness.nowMs, { powerKw: 1, ...plain })));
        harness.jumpClock(10_000);
      }
      harness.jumpClock(20 * MINUTE_MS + round * 1_000);
      await harness.advance(600);
    }
    await send(harness, [readingOf(0, harness.nowMs, { powerKw: 1, ...plain })]);
    await harness.advance(50);
    return harness;
  }

  it('come newest first, each once, for every limit, by meter or of all', async () => {
    const harness = await withOutages();
    const all = ask(harness).data;
    expect(all.length).toBe(12);
    expect(all.map(({ startedAt }) => startedAt)).toEqual(all.map(({ startedAt }) => startedAt).sort((a, b) => b - a));
    for (const limit of [1, 2, 5, 11, 12, 13]) {
      expect((await walk((cursor) => ask(harness, { limit, cursor }), limit)).rows).toEqual(all);
      const ofMeter = await walk((cursor) => ask(harness, { meterId: 'm1', limit, cursor }), limit);
      expect(ofMeter.rows).toEqual(all.filter(({ meterId }) => meterId === 'm1'));
    }
  });

  it('can be asked for by region, kind, state and time', async () => {
    const harness = await withOutages();
    const all = ask(harness).data;
    const middle = all[6].startedAt;
    expect(ask(harness, { region: 'r2' }).data).toEqual(all.filter(({ region }) => region === 'r2'));
    expect([ask(harness, { kind: 'outage' }).data.length, ask(harness, { kind: 'spike' }).data.length]).toEqual([12, 0]);
    expect(ask(harness, { open: true }).data.map(({ meterId }) => meterId).sort()).toEqual(['m1', 'm2']);
    expect(ask(harness, { from: middle }).data).toEqual(all.filter(({ startedAt }) => startedAt >= middle));
    expect(ask(harness, { to: middle }).data).toEqual(all.filter(({ startedAt }) => startedAt < middle));
    expect(ask(harness, { meterId: 'm0', from: middle, to: middle + 1 }).data).toEqual(all.filter(({ meterId, startedAt }) => meterId === 'm0' && startedAt === middle));
  });

  it('are the same after a crash, and none twice', async () => {
    const harness = await withOutages({ intervalMs: 1e9, stepMs: 100 });
    await harness.advance(500);
    const before = ask(harness).data;
    await harness.crash('lost');
    await harness.advance(500);
    expect(ask(harness).data).toEqual(before);
    expect(harness.actor.state.episodes.open.outage).toBe(2);
  });

  it('are bounded: the oldest go when there are more than allowed, from both tables', async () => {
    const harness = await withOutages({ anomaliesMax: 5 }, 6);
    await send(harness, [readingOf(0, harness.nowMs, { powerKw: 1, ...plain })]);
    await harness.advance(50);
    const kept = ask(harness).data;
    expect(kept.length).toBe(5);
    expect(harness.shardStore.anomaliesByMeter.count()).toBe(5);
    const byMeter = ['m0', 'm1', 'm2'].flatMap((meterId) => ask(harness, { meterId }).data);
    expect(byMeter.map(({ id }) => id).sort()).toEqual(kept.map(({ id }) => id).sort());
  });
});

describe('limits of a shard', () => {
  it('refuse a new meter and a new region past them, and nothing else', async () => {
    const harness = await begin({ metersMax: 2, regionsMax: 2 });
    const at = (meter: number, region: string, second: number): TestReading => ({ ...readingOf(meter, LIFE_START_MS + second * 1_000, { powerKw: 1, ...plain }), region });
    const batch = harness.send([at(0, 'a', 0), at(1, 'b', 0), at(2, 'a', 0), at(0, 'c', 1), at(0, 'b', 2)]);
    await harness.drain();
    expect([...batch.reply!.outcomes!]).toEqual([OUTCOME.accepted, OUTCOME.accepted, OUTCOME.meterLimit, OUTCOME.regionLimit, OUTCOME.accepted]);
    await harness.crash('lost');
    expect(harness.ask<'meter'>({ kind: 'meter', meterId: 'm0' })).toMatchObject({ readings: 2, region: 'b' });
    expect(harness.ask<'meter'>({ kind: 'meter', meterId: 'm2' })).toBeNull();
  });
});

describe('readingIds', () => {
  it('are remembered for 5 min, also over a crash, for accepted readings alone', async () => {
    const harness = await begin({ stepMs: 50, intervalMs: 50 });
    const at = (second: number, id: number, powerKw = 1): TestReading => ({ ...readingOf(0, LIFE_START_MS + second * 1_000, { powerKw, ...plain }), readingId: [id, 7] });
    const outcomesOf = async (...readings: TestReading[]) => {
      const batch = harness.send(readings);
      await harness.drain();
      return batch.reply!.outcomes === null ? readings.map(() => OUTCOME.accepted) : [...batch.reply!.outcomes];
    };
    expect(await outcomesOf(at(0, 1), at(1, 2), at(2, 1), at(0, 3, 9))).toEqual([OUTCOME.accepted, OUTCOME.accepted, OUTCOME.duplicate, OUTCOME.conflict]);
    await harness.advance(300);
    await harness.crash('lost');
    // 1 and 2 are known, 3 came with a reading that was refused.
    expect(await outcomesOf(at(3, 1), at(4, 2), at(5, 3))).toEqual([OUTCOME.duplicate, OUTCOME.duplicate, OUTCOME.accepted]);
    harness.jumpClock(302_000);
    expect(await outcomesOf(at(400, 1), at(401, 2))).toEqual([OUTCOME.accepted, OUTCOME.accepted]);
  });
});

describe('a repeated readingId', () => {
  it('stays a duplicate when the log is replayed and the record it repeats is gone from it', async () => {
    const harness = await begin({ stepMs: 50, intervalMs: 50 });
    // Of an import: its silence means nothing, so nothing but readings changes its page.
    const at = (second: number): TestReading => ({ ...readingOf(0, LIFE_START_MS - 3 * 3_600_000 + second * 1_000, { powerKw: 1, ...plain }), readingId: [1, 7] });
    await send(harness, [at(0)]);
    harness.jumpClock(35_000);
    await send(harness, [readingOf(3, LIFE_START_MS, { powerKw: 1, ...plain })]);
    await harness.advance(300);
    harness.jumpClock(3 * MINUTE_MS);
    const repeated = harness.send([at(200)]);
    await harness.drain();
    expect(repeated.reply).toMatchObject({ accepted: 0, duplicates: 1 });
    harness.jumpClock(3 * MINUTE_MS);
    // Another meter keeps the checkpoint going, which lets the oldest log go.
    for (let i = 1; i < 4; i++) {
      await send(harness, minutes(3, i, 1));
      await harness.advance(300);
      harness.jumpClock(1_500);
    }
    await harness.crash('lost');
    expect(harness.ask<'meter'>({ kind: 'meter', meterId: 'm0' })!.readings).toBe(1);
  });
});

describe('a shard on another directory', () => {
  it('does not start on the data of another shard', async () => {
    const harness = await begin();
    await send(harness, minutes(0, 0, 2));
    const expectations = new ShardExpectations(harness, 40 * 86_400_000);
    expect(expectations.accepted.all()).toEqual([]);
    const other = new ShardHarness({ startMs: LIFE_START_MS, partitionCount: 8 });
    other.disk = harness.disk.crash('lost', 'lost', {});
    await expect(other.start()).rejects.toMatchObject({ code: 'wrong_shard' });
  });
});

describe('regional windows', () => {
  const ask = (harness: ShardHarness, region: string, withOpen: boolean) =>
    harness.ask<'regionParts'>({ kind: 'regionParts', region, granularity: '1m', from: 0, to: FOREVER_MS, limit: 100, withOpen });

  it('show what is still open when asked to, on top of what is closed', async () => {
    const harness = await begin();
    await send(harness, [...minutes(1, 0, 2), readingOf(2, LIFE_START_MS + MINUTE_MS + 1_000, { powerKw: 5, ...plain })]);
    const regions = [...new Set([1, 2].map((meter) => readingOf(meter, LIFE_START_MS, { powerKw: 0, ...plain }).region))];
    const meters = (withOpen: boolean) => regions.flatMap((region) => ask(harness, region, withOpen)).reduce((sum, part) => sum + part.meters, 0);
    // No window has closed yet: two of meter 1 and one of meter 2 are open.
    expect([meters(false), meters(true)]).toEqual([0, 3]);
    await send(harness, minutes(1, 10, 1));
    expect([meters(false), meters(true)]).toEqual([2, 4]);
  });

  it('are not changed by having been asked for', async () => {
    const harness = await begin();
    await send(harness, minutes(1, 0, 1));
    const { region } = readingOf(1, LIFE_START_MS, { powerKw: 0, ...plain });
    const first = ask(harness, region, true);
    expect(ask(harness, region, true)).toEqual(first);
    expect(ask(harness, region, false)).toEqual([]);
  });
});
