import { describe, expect, it } from 'vitest';
import { DEFAULT_DETECTION } from '../../src/actors/shard/detection/detection-config.ts';
import { EARLY_WINDOWS_MAX, EarlyWindows } from '../../src/actors/shard/early-windows.ts';
import { EffectReader } from '../../src/actors/shard/effect-reader.ts';
import { openOutbox, settleOutbox, type Outbox, type OutboxOptions } from '../../src/actors/shard/outbox.ts';
import { OutboxRecordBuilder } from '../../src/actors/shard/outbox-record.ts';
import { ShardState } from '../../src/actors/shard/state.ts';
import { sequenceKey } from '../../src/actors/shard/store-keys.ts';
import { verifyShard } from '../../src/actors/shard/verify.ts';
import { openWindowBlock } from '../../src/model/window-block.ts';
import { GRANULARITIES, type MeterWindow } from '../../src/model/window.ts';
import type { Table } from '../../src/runtime/store.ts';
import { allWindows, EffectConsumer } from '../support/effect-consumer.ts';
import { memoryShardStore } from '../support/memory-shard-store.ts';
import type { TestReading } from '../support/packed-readings.ts';
import { ShardFleet } from '../support/shard-fleet.ts';
import { ShardHarness, type HarnessOptions } from '../support/shard-harness.ts';
import { LIFE_START_MS, readingOf } from '../support/shard-lives.ts';

const MINUTE_MS = 60_000;
const BOTH: OutboxOptions = { consumers: ['timescale', 'kafka'], bytesMax: 1e9 };

/** `count` readings of one meter, a minute apart. */
function minutes(meter: number, fromMinute: number, count: number): TestReading[] {
  return Array.from({ length: count }, (_, i) => readingOf(meter, LIFE_START_MS + (fromMinute + i) * MINUTE_MS, { powerKw: 1 + i, isError: false, regionShift: 0 }));
}

async function begin(options: Partial<HarnessOptions> = {}) {
  const harness = new ShardHarness({ startMs: LIFE_START_MS, outbox: BOTH, ...options });
  await harness.start();
  const [timescale, kafka] = BOTH.consumers.map((name) => new EffectConsumer(name, harness));
  const send = async (readings: TestReading[], ms = 0) => {
    harness.send(readings);
    await harness.drain();
    await harness.advance(ms);
  };
  return { harness, timescale, kafka, send };
}

/** A reader over a store in memory whose shard has no meters. */
async function readerOf(consumers: OutboxOptions['consumers']) {
  const store = memoryShardStore();
  await settleOutbox(store, consumers, 'x-0-1');
  const outbox: Outbox = openOutbox(store, { consumers, bytesMax: 1e9 })!;
  const state = new ShardState({ partitionCount: 1, latenessMs: 0, correctionHorizonMs: 1e9, metersMax: 9, regionsMax: 9, detection: DEFAULT_DETECTION }, { stored: store, loadPart: () => undefined });
  for (const region of ['a', 'b', 'c']) state.ledger.restore(region);
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (_: object, message: string) => void warnings.push(message), child: () => log };
  const early = new EarlyWindows();
  const reader = new EffectReader({ shard: 0, process: 'p' }, { state, store, outbox, early, log });
  return { store, outbox, state, early, reader, warnings };
}

describe('a shard without consumers', () => {
  it('writes nothing of an outbox, and says so to who asks', async () => {
    const { harness, timescale, send } = await begin({ outbox: { consumers: [], bytesMax: 1e9 } });
    await send(minutes(0, 0, 5), 3_000);
    expect([harness.shardStore.outbox.count(), harness.shardStore.outboxGeneration(), harness.shardStore.consumerPositions().size]).toEqual([0, null, 0]);
    expect(() => timescale.read(10)).toThrow(expect.objectContaining({ code: 'unknown_consumer' }));
  });

  it('removes the one there was, and begins another when a consumer comes back', async () => {
    const { harness, timescale, send } = await begin();
    await send(minutes(0, 0, 5), 3_000);
    timescale.catchUp(100);
    harness.configure({ outbox: { consumers: [], bytesMax: 1e9 } });
    await harness.restart();
    expect([harness.shardStore.outbox.count(), harness.shardStore.outboxGeneration(), harness.shardStore.consumerPositions().size]).toEqual([0, null, 0]);
    await send(minutes(0, 5, 5), 3_000);
    harness.configure({ outbox: BOTH });
    await harness.restart();
    timescale.catchUp(100);
    timescale.expectAll();
  });
});

describe('a window that closed', () => {
  it('is given before its page has its turn, once, and again by the outbox', async () => {
    // The first reading has a step; the next step is far away.
    const { harness, timescale, send } = await begin({ stepMs: 1e6 });
    await send(minutes(0, 0, 1), 600);
    await send(minutes(0, 1, 4), 300);
    timescale.catchUp(100);
    expect(harness.shardStore.windows.count()).toBe(0);
    expect([...timescale.written.windows.values()]).toEqual(allWindows(harness));
    expect(timescale.written.windows.size).toBe(3);
    expect(timescale.read(100).windowCount).toBe(0);
    await send(minutes(0, 5, 1), 300);
    expect(timescale.read(100).windowCount).toBe(1);
    await harness.restart();
    // By key, and the one whose early piece was never written.
    expect(timescale.read(100).windowCount).toBe(4);
    timescale.catchUp(100);
    timescale.expectAll();
  });

  it('is left out of an early piece once it is on disk', async () => {
    const { harness, timescale, send } = await begin({ intervalMs: 100 });
    timescale.catchUp(100);
    await send(minutes(0, 0, 5), 3_000);
    const batch = timescale.read(100);
    expect([batch.windowCount, batch.isLast, batch.position.includes(':e')]).toEqual([3, true, false]);
    expect(harness.shardStore.windows.count()).toBe(3);
  });

  it('is given by a scan as it is now, with a correction that waits for its step', async () => {
    const { harness, timescale, send } = await begin({ partitionCount: 1, stepMs: 2_000 });
    // All three meters on one page, whose windows are on disk.
    await send([...minutes(0, 0, 3), ...minutes(1, 0, 3), ...minutes(2, 0, 3)], 5_000);
    expect(harness.shardStore.windows.count()).toBe(3);
    const late = (meter: number, powerKw: number) => readingOf(meter, LIFE_START_MS + 5_000, { powerKw, isError: false, regionShift: 0 });
    // The first has a step at once, the others wait for the next.
    for (const [meter, powerKw] of [[1, 50], [0, 70], [2, 90]]) await send([late(meter, powerKw)], 20);
    timescale.catchUp(100);
    const revisions = [...timescale.written.windows.values()].map(({ meterId, revision, maxPowerKw }) => [meterId, revision, maxPowerKw]);
    expect(revisions.sort()).toEqual([['m0', 1, 70], ['m1', 1, 50], ['m2', 1, 90]]);
  });

  it('is left out of an early piece also behind one that was corrected again', async () => {
    const { harness, timescale, send } = await begin({ partitionCount: 1, stepMs: 2_000 });
    await send([...minutes(0, 0, 3), ...minutes(1, 0, 3)], 5_000);
    timescale.catchUp(100);
    await harness.advance(5_000);
    const late = (meter: number, second: number) => readingOf(meter, LIFE_START_MS + second * 1_000, { powerKw: 9, isError: false, regionShift: 0 });
    await send([late(0, 5), late(1, 5)], 20);
    await send([late(0, 6)], 20);
    // What the step wrote comes by key first: two regional parts and a page's two windows.
    const byKey = timescale.read(3);
    timescale.write(byKey);
    expect([byKey.windowCount, byKey.regionWindows.length, byKey.isLast]).toEqual([2, 2, false]);
    const early = timescale.read(100);
    timescale.write(early);
    expect([early.windowCount, early.isLast, [...timescale.written.windows.values()].map(({ revision }) => revision).sort()]).toEqual([1, true, [1, 2]]);
    expect(harness.warnings).toEqual([]);
  });

  it('may come behind very many that are on disk since: a piece that has not looked at all of them is not the last', async () => {
    const { reader, early, state } = await readerOf(['kafka']);
    state.directory.add(0, 1, Buffer.from('m'), 0, 1);
    for (let minute = 0; minute < 20_001; minute++) early.note(0, 0, minute);
    const first = reader.read('kafka', null, 100);
    expect([first.isLast, first.windowCount]).toEqual([false, 0]);
    expect(reader.read('kafka', first.position, 100).isLast).toBe(true);
  });

  it('is remembered as an early one until too many others have closed since', () => {
    const early = new EarlyWindows();
    for (let number = 0; number < EARLY_WINDOWS_MAX + 10; number++) early.note(number, number & 1, number * 2);
    expect([early.first, early.next]).toEqual([10, EARLY_WINDOWS_MAX + 10]);
    for (const number of [10, EARLY_WINDOWS_MAX, EARLY_WINDOWS_MAX + 9]) expect([early.rowAt(number), early.granularityAt(number), early.windowNumberAt(number)]).toEqual([number, number & 1, number * 2]);
    early.dropBefore(5_000);
    expect(early.first).toBe(5_000);
  });
});

describe('records of the outbox', () => {
  it('go when every consumer has written them, and not before', async () => {
    const { harness, timescale, kafka, send } = await begin({ intervalMs: 100 });
    for (let minute = 0; minute < 20; minute++) await send(minutes(0, minute, 1), 300);
    timescale.catchUp(100);
    await harness.advance(1_000);
    expect(harness.shardStore.outboxEnds()!.first).toBe(1);
    kafka.catchUp(100);
    await harness.advance(1_000);
    expect(harness.shardStore.outbox.count()).toBeLessThanOrEqual(2);
    await harness.crash('lost');
    await send(minutes(0, 20, 3), 3_000);
    for (const consumer of [timescale, kafka]) {
      consumer.catchUp(100);
      consumer.expectAll();
    }
    expect(harness.warnings).toEqual([]);
  });

  it('go past the bound although nobody has read them, and who comes then is given everything', async () => {
    const { harness, timescale, send } = await begin({ intervalMs: 100, outbox: { consumers: BOTH.consumers, bytesMax: 500 } });
    timescale.catchUp(100);
    for (let minute = 0; minute < 40; minute++) await send(minutes(0, minute, 1), 300);
    await harness.advance(2_000);
    const bytes = [...harness.shardStore.outbox.range(Buffer.alloc(1), Buffer.alloc(9, 255))].reduce((sum, { value }) => sum + value.length, 0);
    expect(bytes).toBeLessThanOrEqual(500);
    timescale.catchUp(3);
    timescale.expectAll();
    expect(harness.warnings).toEqual([expect.stringContaining('has been removed')]);
  });

  it('are told apart from those of a store that was restored from a backup', async () => {
    const open = async (): Promise<{ outbox: Outbox; reader: EffectReader; step: (region: number) => Promise<void>; warnings: string[] }> => {
      const { store, outbox, reader, warnings } = await readerOf(['kafka']);
      const step = async (region: number) => {
        const keys = new OutboxRecordBuilder();
        keys.addPart(region, 0, 5);
        keys.addPart(region, 0, 6);
        outbox.begin(keys);
        await store.commit();
        outbox.done();
      };
      return { outbox, reader, step, warnings };
    };
    const [lost, restored] = [await open(), await open()];
    for (const { step } of [lost, restored]) await step(0);
    const common = lost.reader.read('kafka', null, 100).position;
    await lost.step(1);
    await restored.step(2);
    const [whole, half] = [lost.reader.read('kafka', common, 100).position, lost.reader.read('kafka', common, 1).position];
    await restored.step(2);
    expect(restored.reader.read('kafka', common, 100).regionWindows.map(({ region }) => region)).toEqual(['c', 'c']);
    expect(restored.warnings).toEqual([]);
    for (const position of [whole, half]) restored.reader.read('kafka', position, 100);
    expect(restored.warnings).toEqual([expect.stringContaining('another history'), expect.stringContaining('another history')]);
    await lost.step(0);
    await lost.step(0);
    await lost.step(0);
    restored.reader.read('kafka', lost.reader.read('kafka', null, 100).position, 100);
    expect(restored.warnings[2]).toContain('has not come yet');
  });
});

describe('what a consumer was told', () => {
  it('is remembered for it over a crash, without windows that it was given early', async () => {
    const { harness, kafka, send } = await begin({ stepMs: 1_000 });
    await send(minutes(0, 0, 1), 600);
    await send(minutes(0, 1, 4), 100);
    kafka.catchUp(100);
    expect(kafka.written.cursor).toMatch(/:e/);
    await harness.advance(2_000);
    const remembered = harness.shardStore.consumerPositions().get('kafka')!;
    expect(kafka.written.cursor!.startsWith(`${remembered}:e`)).toBe(true);
    await harness.crash('lost');
    expect(kafka.read(100, null).position).not.toContain(':s:');
  });

  it('is written by a later step when the disk is full at the first', async () => {
    const { harness, kafka, send } = await begin({ intervalMs: 100 });
    await send(minutes(0, 0, 5), 3_000);
    kafka.catchUp(100);
    harness.disk.failNext('storage_full');
    await harness.advance(300);
    expect(harness.shardStore.consumerPositions().size).toBe(0);
    await harness.advance(3_000);
    expect(harness.shardStore.consumerPositions().get('kafka')).toBe(kafka.written.cursor);
  });

  it('costs an idle shard one commit, and none when it hears it again', async () => {
    const { harness, kafka, send } = await begin({ intervalMs: 100 });
    await send(minutes(0, 0, 5), 3_000);
    let commits = 0;
    const { commit } = harness.shardStore;
    harness.shardStore.commit = () => (commits++, commit.call(harness.shardStore));
    kafka.catchUp(100);
    await harness.advance(3_000);
    expect(commits).toBe(1);
    kafka.acknowledge();
    await harness.advance(3_000);
    expect(commits).toBe(1);
  });
});

describe('what seg verify finds in an outbox', () => {
  const changes: [string, RegExp, (tables: (name: string) => Table) => void][] = [
    ['a byte of a record', /^outbox record 3 fails its checksum/, (tables) => {
      const value = tables('outbox').get(sequenceKey(3))!.slice();
      value[20] ^= 1;
      tables('outbox').put(sequenceKey(3), value);
    }],
    ['a record that is gone', /^outbox record 4 follows 2: 1 are missing/, (tables) => tables('outbox').remove(sequenceKey(3))],
    ['a record in the place of another', /^outbox record 4 does not go on from the one before/, (tables) => tables('outbox').put(sequenceKey(4), tables('outbox').get(sequenceKey(2))!.slice())],
    ['a window that is gone', /^outbox record \d+ names a window of row 0 of page 0 of partition \d that is not there/, (tables) => {
      const [{ key }] = tables('windows').range(Buffer.alloc(1), Buffer.alloc(80, 255), { limit: 1 });
      tables('windows').remove(key);
    }],
    ['a regional part that is gone', /^outbox record \d+ names a part of a regional window that is not there/, (tables) => {
      const [{ key }] = tables('parts').range(Buffer.alloc(1), Buffer.alloc(80, 255), { limit: 1 });
      tables('parts').remove(key);
    }],
    ['the place of a consumer', /^the place of kafka in the outbox is "gx:o:1", which is none/, (tables) => tables('meta').put(Buffer.from('consumer:kafka'), Buffer.from('gx:o:1'))],
  ];

  it.each(changes)('%s', async (_what, expected, change) => {
    const { harness, send } = await begin({ intervalMs: 100 });
    for (let minute = 0; minute < 12; minute++) await send(minutes(0, minute, 1), 300);
    await harness.advance(2_000);
    const disk = harness.disk.crash('lost', 'lost', {});
    const look = () => {
      const store = memoryShardStore(disk);
      return verifyShard(store, { shard: 0, shardCount: 1, state: store.settings()! }).findings.map(({ where, problem }) => `${where} ${problem}`);
    };
    expect(look()).toEqual([]);
    change((name) => disk.tables.table(name));
    await disk.tables.commit();
    expect(look()).toContainEqual(expect.stringMatching(expected));
  });
});

describe('shards that become another number of shards', () => {
  const meters = [0, 1, 2, 3, 4, 5, 6, 7];
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

  /** Two shards, and a consumer of both that keeps its cursors whatever they become. */
  function fleetOf() {
    const fleet = new ShardFleet({ startMs: LIFE_START_MS, shards: 2, partitionCount: 8, latenessMs: 30_000, correctionHorizonMs: 1e12, intervalMs: 1e9, pagesPerStepMax: 128, journalKeepBytesMax: 1e9, outbox: BOTH });
    const cursors = new Map<number, string>();
    const written = new Map<string, MeterWindow>();
    /** Gives the positions that it passed. */
    const catchUp = (): string[] => {
      const positions: string[] = [];
      fleet.actors.forEach((actor, shard) => {
        for (let isLast = false; !isLast; ) {
          const batch = actor.ask<'effects'>({ kind: 'effects', consumer: 'kafka', position: cursors.get(shard) ?? null, windowsMax: 3 });
          const block = openWindowBlock(batch.windows);
          for (let i = 0; i < block.count; i++) written.set(`${block.meterId(i)}/${block.granularity(i)}/${block.windowStart(i)}`, block.windowAt(i));
          cursors.set(shard, batch.position);
          positions.push(batch.position);
          isLast = batch.isLast;
        }
      });
      return positions;
    };
    const closed = () => meters.flatMap((meter) => GRANULARITIES.flatMap((granularity) => fleet.windowsOf(`m${meter}`, granularity))).filter(({ final }) => final);
    return { fleet, written, catchUp, closed };
  }

  it('give everything again under any number', async () => {
    const { fleet, written, catchUp, closed } = fleetOf();
    await fleet.start();
    catchUp();
    for (const [turn, to] of [3, 2, 1].entries()) {
      await fleet.send(meters.flatMap((meter) => minutes(meter, turn * 20, 20)));
      fleet.crash();
      await fleet.redistribute(to);
      await fleet.start();
      catchUp();
      expect([...written.values()].sort(byText)).toEqual(closed().sort(byText));
      expect(fleet.verify()).toEqual([]);
    }
  });

  it('miss nothing when that fails at any of its commits', async () => {
    let deaths = 0;
    for (; ; deaths++) {
      const { fleet, written, catchUp, closed } = fleetOf();
      await fleet.start();
      await fleet.send(meters.flatMap((meter) => minutes(meter, 0, 20)));
      catchUp();
      await fleet.send(meters.flatMap((meter) => minutes(meter, 20, 20)));
      fleet.crash();
      if ((await fleet.redistribute(3, deaths)) !== false) break;
      await fleet.start();
      // What only the log held has its step.
      await fleet.advance(3_000);
      const positions = catchUp();
      expect([...written.values()].sort(byText)).toEqual(closed().sort(byText));
      // It went on where it was: by a scan nothing could be missing.
      expect(positions.filter((position) => position.includes(':s:'))).toEqual([]);
    }
    expect(deaths).toBeGreaterThan(10);
  });
});
