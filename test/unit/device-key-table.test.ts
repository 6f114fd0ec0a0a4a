import { describe, expect, it } from 'vitest';
import { DeviceKeyTable, HASHES_KEPT_MAX, KnownKey, USE_TOLD_MS } from '../../src/actors/ingest/device-key-table.ts';
import { sha256 } from '../../src/actors/accounts/secrets.ts';
import type { DeviceScope } from '../../src/actors/accounts/protocol.ts';
import { IdSet } from '../../src/actors/ingest/id-set.ts';
import { ReadingScope } from '../../src/actors/ingest/reading-scope.ts';
import { DecodedReading } from '../../src/model/decoded-reading.ts';
import { murmur2 } from '../../src/model/ids.ts';
import { VirtualTime } from '../../src/runtime/virtual-time.ts';
import { meters, regions } from '../support/accounts-world.ts';

const row = (key: string, scope: DeviceScope = 'all', expiresAt: number | null = null) => ({ hash: sha256(key), id: `id of ${key}`, scope, expiresAt });

function setUp() {
  const time = new VirtualTime(1_700_000_000_000);
  const told: [string, number][] = [];
  const table = new DeviceKeyTable({ clock: time, onUse: (id, at) => told.push([id, at]) });
  return { time, told, table };
}

function reading(meter: string, region: string): DecodedReading {
  const made = new DecodedReading();
  made.meterId.set(Buffer.from(meter));
  made.meterIdLength = meter.length;
  made.meterHash = murmur2(made.meterId, 0, meter.length);
  made.region.set(Buffer.from(region));
  made.regionLength = region.length;
  return made;
}

describe('a table of device keys', () => {
  it('lets nobody in before it was told of keys, and changes do not stand for all of them', () => {
    const { table, told } = setUp();
    expect(table.use('segk_a')).toBe('not_told');
    table.learn({ whole: null, changes: [{ rows: [row('segk_a')], removed: [] }] });
    expect(table.use('segk_a')).toBe('not_told');
    table.learn({ whole: [], changes: [{ rows: [row('segk_a')], removed: [] }] });
    expect(table.use('segk_a')).toBeInstanceOf(KnownKey);
    expect(told).toHaveLength(1);
  });

  it('sees a key go that was used and is remembered, also while its body is on the way', () => {
    const { table, time } = setUp();
    table.learn({ whole: [row('segk_a'), row('segk_b', 'all', time.now() + 10)], changes: [] });
    const [a, b] = [table.use('segk_a'), table.use('segk_b')] as KnownKey[];
    expect([table.faultOf(a), table.faultOf(b)]).toEqual([null, null]);
    table.learn({ whole: null, changes: [{ rows: [], removed: [a.row.hash] }] });
    time.advance(10);
    expect([table.faultOf(a), table.faultOf(b)]).toEqual(['unknown', 'expired']);
    // Nothing of a key that counts no more stays in memory.
    expect((table as unknown as { hashOfKey: Map<string, string> }).hashOfKey.size).toBe(0);
    expect([table.use('segk_a'), table.use('segk_b')]).toEqual(['unknown', 'expired']);
  });

  it('tells of a use again when the clock was put back', () => {
    const { table, told } = setUp();
    const times = [1_000_000, 1_000_000 - 2 * USE_TOLD_MS, 1_000_001 - 2 * USE_TOLD_MS];
    const clocked = new DeviceKeyTable({ clock: { now: () => times.shift()!, monotonic: () => 0 }, onUse: (id, at) => told.push([id, at]) });
    clocked.learn({ whole: [row('segk_a')], changes: [] });
    for (let i = 0; i < 3; i++) clocked.use('segk_a');
    expect(told.map(([, at]) => at)).toEqual([1_000_000, 1_000_000 - 2 * USE_TOLD_MS]);
    expect(table.use('segk_a')).toBe('not_told');
  });

  it('remembers only so many keys, only those that there are, and hashes nothing that is too long to be one', () => {
    const { table } = setUp();
    const long = `segk_${'x'.repeat(60)}`;
    const keys = Array.from({ length: HASHES_KEPT_MAX + 100 }, (_, i) => `segk_${i}`);
    table.learn({ whole: [...keys.map((key) => row(key)), row(long)], changes: [] });
    for (let i = 0; i < 5_000; i++) table.use(`segk_none-${i}`);
    const remembered = (): number => (table as unknown as { hashOfKey: Map<string, string> }).hashOfKey.size;
    expect(remembered()).toBe(0);
    for (const key of [...keys, ...keys]) expect(table.use(key)).toBeInstanceOf(KnownKey);
    expect(remembered()).toBe(HASHES_KEPT_MAX);
    expect(table.use(long)).toBe('unknown');
  });
});

describe('the scope of a device key', () => {
  it('is everything, meters, or regions', () => {
    expect(new KnownKey(row('a'), 0).scope).toBeNull();
    const ofMeters = new KnownKey(row('a', { meters: meters('m-1', 'm-2') }), 0).scope!;
    const ofRegions = new KnownKey(row('a', { regions: regions('north') }), 0).scope!;
    const seen = [reading('m-1', 'south'), reading('m-2', 'north'), reading('m-3', 'north'), reading('m-11', 'nort'), reading('m-', 'northern')];
    expect(seen.map((one) => ofMeters.reaches(one))).toEqual([true, true, false, false, false]);
    expect(seen.map((one) => ofRegions.reaches(one))).toEqual([false, true, true, false, false]);
  });

  it('of nothing reaches nothing', () => {
    expect(new ReadingScope({ meters: [] }).reaches(reading('m-1', 'north'))).toBe(false);
  });

  it('tells ids of one hash from each other', () => {
    const set = new IdSet(['m-1', 'm-2']);
    const bytes = Buffer.from('m-9');
    expect(set.has(bytes, 3, murmur2(Buffer.from('m-1'), 0, 3))).toBe(false);
    expect(set.has(Buffer.from('m-12'), 3, murmur2(Buffer.from('m-1'), 0, 3))).toBe(true);
  });
});
